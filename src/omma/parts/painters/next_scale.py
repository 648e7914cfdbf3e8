"""Next-scale prediction: whole maps of codes, coarse to fine (VAR, arXiv 2404.02905, section 3.2).

The slots of a scale are filled with what the coarser scales stand for together, reduced to its size, and all of its codes are
predicted at once. Guidance grows from nothing at the first scale to its strength at the last.

Shapes: as in `omma.parts.painters.base`; D numbers of a code, H rows and columns of the last scale.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from omma.errors import BadInput
from omma.parts.base import part_field
from omma.parts.painters.base import PAINTERS, CodePainter, Dice, Lesson, Sampling, Step, doubled, picking
from omma.parts.painters.heads import CODE_HEADS, CodeHead, LinearHead
from omma.parts.quantizers.base import Quantizer, rows
from omma.parts.quantizers.multi_scale import MultiScale

FIRST_SHARE = 0.02
"""The head's weights begin that much smaller than others."""


@PAINTERS.register("next-scale")
class NextScale(CodePainter):
    class Config(CodePainter.Config):
        head: part_field(CODE_HEADS) = LinearHead.Config(bias=True)  # type: ignore[valid-type]

    def __init__(self, config: Config, *, quantizer: Quantizer, length: int, width: int) -> None:
        super().__init__(config, quantizer=quantizer, width=width)
        if not isinstance(quantizer, MultiScale):
            raise BadInput(
                "model.painter",
                expected="an image tokenizer with a quantizer of type multi-scale, for the painter next-scale",
                found=quantizer.config.type,
                remedy="use the recipe var-tokenizer, or another painter",
            )
        self.scales = quantizer.config.scales
        self.codes = self.slots = length
        self.read = nn.Linear(quantizer.width, width)
        self.first = nn.Parameter(torch.empty(width))
        self.places = nn.Parameter(torch.empty(self.slots, width))
        self.levels = nn.Embedding(len(self.scales), width)
        self.head: CodeHead = config.head.build(vocabulary=quantizer.vocabulary, width=width, embeds=False)
        self.init_weights()

    def init_weights(self) -> None:
        std = (1 / self.width / 3) ** 0.5
        for tensor in (self.read.weight, self.first, self.places, self.levels.weight):
            nn.init.trunc_normal_(tensor, std=std)
        nn.init.zeros_(self.read.bias)
        self.head.init_weights(FIRST_SHARE * std)

    @property
    def multi_scale(self) -> MultiScale:
        quantizer = self.quantizer
        assert isinstance(quantizer, MultiScale)
        return quantizer

    def blocks(self) -> Tensor:
        counts = torch.tensor([scale * scale for scale in self.scales])
        return torch.arange(len(self.scales)).repeat_interleave(counts)

    def lesson(self, read: Tensor, start_NC: Tensor, dice: Dice) -> Lesson:
        with torch.no_grad():
            *told, _ = self.multi_scale.scale_by_scale(read)
        parts = [start_NC[:, None] + self.first]
        parts += [self._read(k + 1, vectors) for k, vectors in enumerate(told)]
        return Lesson(torch.cat(parts, dim=1) + self._known(), torch.ones_like(read, dtype=torch.bool))

    @torch.no_grad()
    def draw(self, step: Step, start_BC: Tensor, sampling: Sampling, dice: Dice) -> Iterator[Tensor]:
        """One step for each scale."""
        last = len(self.scales) - 1
        known = self._known()
        ends = list(accumulate(scale * scale for scale in self.scales))
        slots = start_BC[:, None] + self.first
        total: Tensor | None = None
        drawn: list[Tensor] = []
        for k, end in enumerate(ends):
            hidden = step(slots + known[end - self.scales[k] ** 2 : end])
            codes, _ = self.head.choose(hidden, picking(sampling, dice, sampling.guidance * k / max(last, 1)))
            drawn.append(codes)
            yield torch.cat(drawn, dim=1)
            if k == last:
                break
            told = self.multi_scale.enlarged(k, codes)
            total = told if total is None else total + told
            slots = doubled(self._read(k + 1, total), sampling)

    def _read(self, k: int, vectors_NDHH: Tensor) -> Tensor:
        """The slots of a scale [N, scale * scale, C], out of what the coarser ones stand for."""
        scale = self.scales[k]
        reduced = F.interpolate(vectors_NDHH, (scale, scale), mode="area")
        return self.read(rows(reduced).to(self.read.weight.dtype))  # type: ignore[no-any-return]

    def _known(self) -> Tensor:
        """What every slot knows of itself [S, C]: its place and its scale."""
        return self.places + self.levels(self.blocks().to(self.places.device))
