"""Masked parallel decoding: all codes at once, of which the surest stay and the others are drawn again (MaskGIT, arXiv
2202.04200, section 3; Show-o, 2408.12528, inside a language model).

The first slot announces the picture; behind it every slot holds its own code, or the mask. All of them see each other.

Shapes: as in `omma.parts.painters.base`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from pydantic import Field
from torch import Tensor, nn

from omma.parts.base import part_field
from omma.parts.painters.base import PAINTERS, CodePainter, Dice, Lesson, Sampling, Step, doubled, picking
from omma.parts.painters.heads import CODE_HEADS, CodeHead, LinearHead
from omma.parts.quantizers.base import Quantizer
from omma.parts.tokenizers.base import NO_CODE


@PAINTERS.register("masked")
class Masked(CodePainter):
    class Config(CodePainter.Config):
        head: part_field(CODE_HEADS) = LinearHead.Config(bias=True)  # type: ignore[valid-type]
        places: bool = True
        """Whether every slot knows by a vector of its own where it is; without, the Transformer has to know."""
        least: float = Field(default=0.0, ge=0, le=1)
        """Share of the codes that are masked at least while pictures are learned."""
        smoothing: float = Field(default=0.1, ge=0, lt=1)
        """Label smoothing."""
        rounds: int = Field(default=8, ge=1)
        """In which a picture is drawn."""
        doubt: float = Field(default=4.5, ge=0)
        """Of the noise on how sure codes are, at first; it falls in a line to nothing."""

    def __init__(self, config: Config, *, quantizer: Quantizer, length: int, width: int) -> None:
        super().__init__(config, quantizer=quantizer, width=width)
        self.codes, self.slots = length, length + 1
        self.head: CodeHead = config.head.build(vocabulary=quantizer.vocabulary, width=width, embeds=True)
        self.mask = nn.Parameter(torch.empty(width))
        self.places = nn.Parameter(torch.empty(self.slots, width)) if config.places else None
        self.init_weights()

    def init_weights(self) -> None:
        self.head.init_weights(0.02)
        nn.init.trunc_normal_(self.mask, std=0.02)
        if self.places is not None:
            nn.init.trunc_normal_(self.places, std=0.02)

    def blocks(self) -> Tensor:
        return torch.zeros(self.slots, dtype=torch.int64)

    @property
    def smoothing(self) -> float:
        return self.config.smoothing

    def lesson(self, read: Tensor, start_NC: Tensor, dice: Dice) -> Lesson:
        """A share cos(pi r / 2) of the codes is masked, r evenly distributed."""
        share = (dice.uniform(1) * math.pi / 2).cos().clamp(min=self.config.least)
        count = (share * self.codes).ceil().clamp(min=1).long()
        masked = (dice.uniform(self.codes).argsort(1).argsort(1) < count).to(read.device)
        return Lesson(self._filled(read, masked, start_NC), masked)

    @torch.no_grad()
    def draw(self, step: Step, start_BC: Tensor, sampling: Sampling, dice: Dice) -> Iterator[Tensor]:
        """In every round the codes of all masked places are drawn, and those that it was least sure of masked again.

        Codes are settled all over the picture, not from its beginning: at the places of the others there is `NO_CODE`.
        """
        config, device = self.config, start_BC.device
        pick = picking(sampling, dice, sampling.guidance)
        codes = torch.zeros(len(dice), self.codes, dtype=torch.int64, device=device)
        masked = torch.ones_like(codes, dtype=torch.bool)
        for number in range(config.rounds):
            rows = (doubled(codes, sampling), doubled(masked, sampling))
            hidden = step(self._filled(*rows, start_BC), keep=False)
            drawn, sure = self.head.choose(hidden[:, 1:], pick)
            codes = torch.where(masked, drawn, codes)
            if number == config.rounds - 1:
                break
            passed = (number + 1) / config.rounds
            left = max(1, min(math.floor(self.codes * math.cos(math.pi * passed / 2)), int(masked[0].sum()) - 1))
            noise = config.doubt * (1 - passed) * dice.gumbel(self.codes).to(device)
            surest = torch.where(masked, sure + noise, torch.inf)
            masked = surest.argsort(1).argsort(1) < left
            yield codes.masked_fill(masked, NO_CODE)
        yield codes

    def _filled(self, codes: Tensor, masked: Tensor, start: Tensor) -> Tensor:
        """The slots [., S, C]."""
        embedded = self.head.embed(codes).to(start.dtype)
        behind = torch.where(masked[..., None], self.mask.to(start.dtype), embedded)
        slots = torch.cat([start[:, None], behind], dim=1)
        return slots if self.places is None else slots + self.places
