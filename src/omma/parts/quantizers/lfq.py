"""Lookup-free quantization: a code is the signs of a vector (MAGVIT-v2, arXiv 2310.05737, section 3.1).

There is no book: D numbers have 2^D codes, 18 of them 262,144. What keeps all in use is an entropy term: each vector should be
sure of its code, and all together should use all codes.

Shapes: as in `omma.parts.quantizers.base`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional as F

from omma.parts.base import PartConfig
from omma.parts.quantizers.base import QUANTIZERS, Quantized, Quantizer, on_grid, rows, straight_through

TEMPERATURE = 0.01
"""Of the probabilities that the entropies are of."""


@QUANTIZERS.register("lfq")
class Lfq(Quantizer):
    """Bit i of a code, the least significant first, is 1 where number i of the vector is above 0."""

    terms = ("commitment", "entropy")

    class Config(PartConfig):
        width: int = Field(ge=1, le=62)
        """Bits of a code: 2^width codes."""
        commitment: float = Field(default=0.25, ge=0)
        entropy: float = Field(default=0.1, ge=0)
        """Share of the entropy term."""
        diversity: float = Field(default=1.0, ge=0)
        """Share, within it, of how evenly all codes are used."""
        group: int = Field(default=9, ge=1, le=16)
        """Bits whose joint use is counted exactly; groups of bits are taken to be independent. With as many as there are, that is
        the exact term, over all codes."""

        @model_validator(mode="after")
        def _divides(self) -> Lfq.Config:
            if self.width % min(self.group, self.width):
                raise ValueError(f"groups that divide a width of {self.width}, not of {self.group}")
            return self

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.width, self.vocabulary = config.width, 1 << config.width

    def forward(self, vectors: Tensor) -> Quantized:
        config, found = self.config, rows(vectors)
        positive = found.detach() > 0
        codes = (positive * (1 << torch.arange(config.width, device=found.device))).sum(2)
        quantized = positive.to(found.dtype) * 2 - 1
        losses = {
            "commitment": config.commitment * F.mse_loss(found, quantized),
            "entropy": config.entropy * self.entropy(found),
        }
        return Quantized(on_grid(straight_through(found, quantized), vectors.shape[2:]), codes, losses)

    def lookup(self, codes_NT: Tensor, grid: Sequence[int]) -> Tensor:
        return on_grid(signs(codes_NT, self.width), grid)

    def entropy(self, vectors_NTD: Tensor) -> Tensor:
        """Mean entropy of a vector's code less the entropy of all codes together, in nats.

        The probability of code c is softmax(2 v c / temperature). Of one vector it is a product over bits, its entropy a sum.
        """
        flat = vectors_NTD.flatten(0, 1)
        logits = 4 * flat / TEMPERATURE
        one = torch.sigmoid(logits)
        each = (F.softplus(logits) - one * logits).sum(1).mean()
        if not self.config.diversity:
            return each
        group = min(self.config.group, self.width)
        grouped = (2 * flat / TEMPERATURE).unflatten(1, (-1, group))
        patterns = signs(torch.arange(1 << group, device=flat.device), group).to(flat.dtype)
        used = torch.softmax(grouped @ patterns.T, dim=2).mean(0)
        # Of codes that nobody uses at all the probability is 0, whose logarithm would have no gradient.
        return each + self.config.diversity * (used * used.clamp(min=torch.finfo(used.dtype).tiny).log()).sum()


def signs(codes: Tensor, width: int) -> Tensor:
    """Codes [...] as float32 vectors [..., width] of -1 and 1."""
    bits = codes[..., None] >> torch.arange(width, device=codes.device) & 1
    return bits.float() * 2 - 1
