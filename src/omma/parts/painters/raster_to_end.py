"""Raster autoregression of pictures that have as many codes as they need: one code after another, and one that ends the picture
(LaVIT, arXiv 2309.04669, section 3.2).

While pictures are learned they take slots for the most codes that there can be and the end; what stands behind the end of one is
not learned, and seen by nothing that is. Drawing stops at the end.

Shapes: as in `omma.parts.painters.base`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional as F

from omma.errors import BadInput
from omma.parts.painters.base import PAINTERS, Dice, Lesson, Sampling, Step, doubled, picking
from omma.parts.painters.raster import Raster
from omma.parts.quantizers.base import Quantizer
from omma.parts.tokenizers import ImageTokenizer
from omma.parts.tokenizers.base import NO_CODE


@PAINTERS.register("raster-to-end")
class RasterToEnd(Raster):
    draws = "sequences"
    ends = 1

    class Config(Raster.Config):
        least: int = Field(default=1, ge=1)
        """Codes of a picture that is drawn..."""
        most: int | None = Field(default=None, ge=1)
        """... and where it ends at the latest; as many as the image tokenizer has of one, if absent."""

        @model_validator(mode="after")
        def _ordered(self) -> RasterToEnd.Config:
            if self.most is not None and self.most < self.least:
                raise ValueError(f"at least {self.least} codes as the most")
            return self

    def __init__(self, config: Config, *, quantizer: Quantizer, length: int, width: int) -> None:
        super().__init__(config, quantizer=quantizer, length=length, width=width)
        self.end = quantizer.vocabulary
        self.codes = length if config.most is None else config.most
        for name, number in (("least", config.least), ("most", self.codes)):
            if number > length:
                raise BadInput(
                    f"model.painter.{name}",
                    expected=f"at most the {length} codes that the image tokenizer has of a picture",
                    found=str(number),
                    remedy="lower it",
                )

    def target(self, tokenizer: ImageTokenizer, views_NHW3: Tensor, told_NT: Tensor | None = None) -> Tensor:
        """The picture's codes and the end [N, S], behind which there is `NO_CODE`."""
        codes = F.pad(tokenizer.read(views_NHW3), (0, 1), value=NO_CODE)
        counts = (codes != NO_CODE).sum(1, keepdim=True)
        return codes.scatter(1, counts, self.end)

    def lesson(self, read: Tensor, start_NC: Tensor, dice: Dice) -> Lesson:
        learned = read != NO_CODE
        return Lesson(super().lesson(read.clamp(min=0), start_NC, dice).slots, learned)

    @torch.no_grad()
    def draw(self, step: Step, start_BC: Tensor, sampling: Sampling, dice: Dice) -> Iterator[Tensor]:
        """One step for each code of the picture that has most. In the end there is `NO_CODE` behind the codes of the others."""
        slot = start_BC[:, None]
        drawn = torch.empty(len(dice), 0, dtype=torch.int64, device=start_BC.device)
        goes_on = torch.ones(len(dice), 1, dtype=torch.bool, device=start_BC.device)
        for place in range(self.codes):
            pick = picking(sampling, dice, sampling.guidance, never=self.end if place < self.config.least else None)
            codes, _ = self.head.choose(step(self._placed(slot, place)), pick)
            goes_on = goes_on & (codes != self.end)
            drawn = torch.cat([drawn, codes.where(goes_on, NO_CODE)], dim=1)
            if not goes_on.any():
                drawn = F.pad(drawn, (0, self.codes - drawn.shape[1]), value=NO_CODE)
            yield drawn
            if drawn.shape[1] == self.codes:
                return
            slot = doubled(self.head.embed(codes).to(start_BC.dtype), sampling)
