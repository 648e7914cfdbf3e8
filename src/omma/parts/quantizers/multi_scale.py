"""Residual quantization in several scales: coarse maps of codes first, then what they leave (VAR, arXiv 2404.02905, section 3.2,
algorithms 1 and 2).

All scales share one book. What a scale's codes stand for is enlarged to the whole grid, smoothed by one of a few convolutions,
and taken off; the rest is what the next scale sees. As published the book learns by gradients; one that follows by moving
averages follows what all scales look up.

Shapes: N pictures, D numbers of a vector, H rows and columns of the grid, T codes of all scales, one after another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

import numpy as np
import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional as F

from omma.errors import BadInput
from omma.parts.quantizers.base import QUANTIZERS, Quantized, rows, straight_through
from omma.parts.quantizers.book import BookQuantizer
from omma.parts.quantizers.nearest import nearest


class Phi(nn.Conv2d):
    """Half of what goes in, and half of its convolution."""

    def __init__(self, width: int) -> None:
        super().__init__(width, width, 3, padding=1)

    def forward(self, vectors_NDHH: Tensor) -> Tensor:
        # In float32, whatever the weights are in while they learn.
        assert self.bias is not None
        return 0.5 * vectors_NDHH + 0.5 * self._conv_forward(vectors_NDHH, self.weight.float(), self.bias.float())


@QUANTIZERS.register("multi-scale")
class MultiScale(BookQuantizer):
    class Config(BookQuantizer.Config):
        codes: int = Field(default=4096, ge=2)
        width: int = Field(default=32, ge=1)
        decay: float | None = Field(default=None, ge=0, lt=1)
        scales: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16)
        """Sides of the maps of codes, coarse to fine; the last is that of the grid."""
        convolutions: int = Field(default=4, ge=1)
        """That smooth what is enlarged; scales share them."""

        @field_validator("scales")
        @classmethod
        def _grows(cls, scales: tuple[int, ...]) -> tuple[int, ...]:
            if not scales or scales[0] < 1 or any(a >= b for a, b in zip(scales, scales[1:], strict=False)):
                raise ValueError("sides of at least 1, each larger than the one before")
            return scales

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.phis = nn.ModuleList(Phi(config.width) for _ in range(config.convolutions))

    def length(self, grid: Sequence[int]) -> int:
        side = self.config.scales[-1]
        if tuple(grid) != (side, side):
            raise BadInput(
                "image tokenizer.quantizer.scales",
                expected=f"pictures of {side} x {side} vectors, as the last scale has",
                found=" x ".join(map(str, grid)),
                remedy="give pictures another size, or the quantizer other scales",
            )
        return sum(scale * scale for scale in self.config.scales)

    def phi(self, scale: int) -> Phi:
        """The convolution of a scale by its place: that whose tick on a line from the first to the last is nearest."""
        count, last = len(self.phis), len(self.config.scales) - 1
        edge = 1 / 3 / count if count == 4 else 1 / 2 / count
        # By numpy, whose roundings decide two ties as published weights have them.
        ticks = np.linspace(edge, 1 - edge, count)
        return self.phis[int(np.argmin(np.abs(ticks - (scale / last if last else 0.0))))]  # type: ignore[return-value]

    def forward(self, vectors: Tensor) -> Quantized:
        whole = vectors.float()
        self.length(whole.shape[2:])
        book = self.book().detach()
        rest, sum_of_scales = whole.detach(), torch.zeros_like(whole)
        codes: list[Tensor] = []
        losses = {"commitment": whole.new_zeros(()), "codebook": whole.new_zeros(())}
        for k in range(len(self.config.scales)):
            codes.append(nearest(self._reduced(k, rest).flatten(0, 1), book).view(len(whole), -1))
            told = self.enlarged(k, codes[-1])
            sum_of_scales, rest = sum_of_scales + told, rest - told.detach()
            losses["commitment"] = losses["commitment"] + self.config.commitment * F.mse_loss(whole, sum_of_scales.detach())
            losses["codebook"] = losses["codebook"] + F.mse_loss(sum_of_scales, whole.detach())
        count = len(self.config.scales)
        mean = {name: loss / count for name, loss in losses.items()}
        return Quantized(straight_through(whole, sum_of_scales), torch.cat(codes, dim=1), mean)

    def lookup(self, codes_NT: Tensor, grid: Sequence[int]) -> Tensor:
        self.length(grid)
        *_, vectors = self.scale_by_scale(codes_NT)
        return vectors

    @torch.no_grad()
    def follow(self, vectors: Tensor, codes_NT: Tensor) -> None:
        rest = vectors.float()
        maps, found = self.maps(codes_NT), []
        for k, codes in enumerate(maps):
            found.append(self._reduced(k, rest).flatten(0, 1))
            rest = rest - self.enlarged(k, codes)
        self.move(torch.cat(found), torch.cat([codes.flatten() for codes in maps]))

    def _reduced(self, k: int, rest_NDHH: Tensor) -> Tensor:
        """What a scale looks up of what is left [N, scale * scale, D]."""
        scale, side = self.config.scales[k], self.config.scales[-1]
        return rows(F.interpolate(rest_NDHH, (scale, scale), mode="area") if scale != side else rest_NDHH)

    def scale_by_scale(self, codes_NT: Tensor) -> Iterator[Tensor]:
        """What the codes of the first scale, the first two, and so on, stand for together: [N, D, H, H] each.

        Args:
            codes_NT: of all scales, or of the first ones.
        """
        total: Tensor | None = None
        for k, codes in enumerate(self.maps(codes_NT)):
            told = self.enlarged(k, codes)
            total = told if total is None else total + told
            yield total

    def maps(self, codes_NT: Tensor) -> list[Tensor]:
        """The codes [N, scale * scale] of every scale, of all scales or the first ones, one after another."""
        ends = accumulate(scale * scale for scale in self.config.scales)
        counts = [scale * scale for scale, end in zip(self.config.scales, ends, strict=True) if end <= codes_NT.shape[1]]
        return list(codes_NT.split(counts, dim=1))

    def enlarged(self, k: int, codes_NT: Tensor) -> Tensor:
        """What the codes of one scale stand for, on the whole grid."""
        scale, side = self.config.scales[k], self.config.scales[-1]
        vectors = F.embedding(codes_NT, self.book()).transpose(1, 2).unflatten(2, (scale, scale))
        if scale != side:
            vectors = F.interpolate(vectors, (side, side), mode="bicubic")
        return self.phi(k)(vectors)
