"""Next-scale prediction: whole maps of codes, coarse to fine (VAR, arXiv 2404.02905, section 3.2).

The slots of a scale are filled with what the coarser scales stand for together, reduced to its size, and all of its codes are
predicted at once. Guidance grows from nothing at the first scale to its strength at the last.

Shapes: as in `omma.parts.painters.base`; D numbers of a code, H rows and columns of the last scale.
"""

from __future__ import annotations

from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from omma.errors import BadInput
from omma.parts.base import PartConfig
from omma.parts.painters.base import PAINTERS, Dice, Painter, Sampling, Step
from omma.parts.quantizers.base import Quantizer, rows
from omma.parts.quantizers.multi_scale import MultiScale


@PAINTERS.register("next-scale")
class NextScale(Painter):
    class Config(PartConfig):
        pass

    def __init__(self, config: Config, *, quantizer: Quantizer, width: int) -> None:
        super().__init__(config)
        if not isinstance(quantizer, MultiScale):
            raise BadInput(
                "model.painter",
                expected="an image tokenizer with a quantizer of type multi-scale, for the painter next-scale",
                found=quantizer.config.type,
                remedy="use the recipe var-tokenizer, or another painter",
            )
        # In a list: it is the tokenizer's.
        self._quantizer = [quantizer]
        self.scales = quantizer.config.scales
        self.slots = sum(scale * scale for scale in self.scales)
        std = (1 / width / 3) ** 0.5
        self.read = nn.Linear(quantizer.width, width)
        self.first = nn.Parameter(torch.empty(width))
        self.places = nn.Parameter(torch.empty(self.slots, width))
        self.levels = nn.Embedding(len(self.scales), width)
        self.predict = nn.Linear(width, quantizer.vocabulary)
        for tensor in (self.read.weight, self.first, self.places, self.levels.weight, self.predict.weight):
            nn.init.trunc_normal_(tensor, std=std)
        nn.init.zeros_(self.read.bias)
        nn.init.zeros_(self.predict.bias)
        with torch.no_grad():
            self.predict.weight.mul_(0.02)

    @property
    def quantizer(self) -> MultiScale:
        return self._quantizer[0]

    def blocks(self) -> Tensor:
        counts = torch.tensor([scale * scale for scale in self.scales])
        return torch.arange(len(self.scales)).repeat_interleave(counts).to(self.places.device)

    def inputs(self, codes_NT: Tensor, start_NC: Tensor) -> Tensor:
        with torch.no_grad():
            *told, _ = self.quantizer.scale_by_scale(codes_NT)
        parts = [start_NC[:, None] + self.first]
        parts += [self._read(k + 1, vectors) for k, vectors in enumerate(told)]
        return torch.cat(parts, dim=1) + self._known()

    def logits(self, hidden_NSC: Tensor) -> Tensor:
        return self.predict(hidden_NSC)  # type: ignore[no-any-return]

    @torch.no_grad()
    def draw(self, step: Step, start_BC: Tensor, sampling: Sampling, dice: Dice) -> Tensor:
        """One step for each scale."""
        guided, last = sampling.guidance > 0, len(self.scales) - 1
        known = self._known()
        ends = list(accumulate(scale * scale for scale in self.scales))
        slots = start_BC[:, None] + self.first
        total: Tensor | None = None
        drawn: list[Tensor] = []
        for k, end in enumerate(ends):
            hidden = step(slots + known[end - self.scales[k] ** 2 : end])
            logits = self.logits(hidden).float()
            if guided:
                strength = sampling.guidance * k / max(last, 1)
                asked, not_asked = logits.chunk(2)
                logits = (1 + strength) * asked - strength * not_asked
            drawn.append(dice.choose(sampling.filtered(logits)))
            if k == last:
                break
            told = self.quantizer.enlarged(k, drawn[-1])
            total = told if total is None else total + told
            slots = self._read(k + 1, total)
            if guided:
                slots = torch.cat([slots, slots])
        return torch.cat(drawn, dim=1)

    def _read(self, k: int, vectors_NDHH: Tensor) -> Tensor:
        """The slots of a scale [N, scale * scale, C], out of what the coarser ones stand for."""
        scale = self.scales[k]
        reduced = F.interpolate(vectors_NDHH, (scale, scale), mode="area")
        return self.read(rows(reduced).to(self.read.weight.dtype))  # type: ignore[no-any-return]

    def _known(self) -> Tensor:
        """What every slot knows of itself [S, C]: its place and its scale."""
        return self.places + self.levels(self.blocks())
