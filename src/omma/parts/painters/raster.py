"""Raster autoregression: one code after another, row by row (VQGAN, arXiv 2012.09841; LlamaGen, 2406.06525; Chameleon,
2405.09818).

Every slot holds the code before its own. In a language model that is its vocabulary extended: tables and output layer for codes
beside those for words, of which only the one or the other is in question at any place.

Shapes: as in `omma.parts.painters.base`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor, nn

from omma.parts.base import part_field
from omma.parts.painters.base import PAINTERS, CodePainter, Dice, Lesson, Sampling, Step, doubled, picking
from omma.parts.painters.heads import CODE_HEADS, CodeHead, LinearHead
from omma.parts.quantizers.base import Quantizer


@PAINTERS.register("raster")
class Raster(CodePainter):
    """Attributes:
    ends: how many codes there are beside the image tokenizer's: one that ends a picture, or none.
    """

    ends: ClassVar[int] = 0

    class Config(CodePainter.Config):
        head: part_field(CODE_HEADS) = LinearHead.Config()  # type: ignore[valid-type]
        places: bool = True
        """Whether every slot knows by a vector of its own where it is; without, the Transformer has to know."""

    def __init__(self, config: Config, *, quantizer: Quantizer, length: int, width: int) -> None:
        super().__init__(config, quantizer=quantizer)
        self.codes, self.slots = length, length + self.ends
        self.width = width
        self.head: CodeHead = config.head.build(vocabulary=quantizer.vocabulary + self.ends, width=width, embeds=True)
        self.places = nn.Parameter(torch.empty(self.slots, width)) if config.places else None
        self.init_weights()

    def init_weights(self) -> None:
        self.head.init_weights(0.02)
        if self.places is not None:
            nn.init.trunc_normal_(self.places, std=0.02)

    def blocks(self) -> Tensor:
        return torch.arange(self.slots)

    def lesson(self, read: Tensor, start_NC: Tensor, dice: Dice) -> Lesson:
        slots = torch.cat([start_NC[:, None], self.head.embed(read[:, :-1]).to(start_NC.dtype)], dim=1)
        return Lesson(self._placed(slots, 0), torch.ones_like(read, dtype=torch.bool))

    @torch.no_grad()
    def draw(self, step: Step, start_BC: Tensor, sampling: Sampling, dice: Dice) -> Iterator[Tensor]:
        """One step for each code."""
        pick = picking(sampling, dice, sampling.guidance)
        slot = start_BC[:, None]
        drawn = torch.empty(len(dice), 0, dtype=torch.int64, device=start_BC.device)
        for place in range(self.slots):
            codes, _ = self.head.choose(step(self._placed(slot, place)), pick)
            drawn = torch.cat([drawn, codes], dim=1)
            yield drawn
            slot = doubled(self.head.embed(codes).to(start_BC.dtype), sampling)

    def _placed(self, slots_NSC: Tensor, first: int) -> Tensor:
        """Slots that know where they are, of which the first is at that place."""
        if self.places is None:
            return slots_NSC
        return slots_NSC + self.places[first : first + slots_NSC.shape[1]]
