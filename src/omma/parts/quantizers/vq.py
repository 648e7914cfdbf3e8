"""Vector quantization: every vector becomes the nearest code of one book (VQ-VAE, arXiv 1711.00937, section 3). On the unit
sphere (ViT-VQGAN, 2110.04627, section 3.2) more of the codes stay in use.

Shapes: as in `omma.parts.quantizers.base`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from omma.parts.quantizers.base import QUANTIZERS, Quantized, on_grid, rows, straight_through
from omma.parts.quantizers.book import BookQuantizer
from omma.parts.quantizers.nearest import nearest


@QUANTIZERS.register("vq")
class Vq(BookQuantizer):
    class Config(BookQuantizer.Config):
        unit: bool = False
        """Whether vectors and codes are scaled to length 1."""

    def __init__(self, config: Config) -> None:
        super().__init__(config, unit=config.unit)

    def forward(self, vectors: Tensor) -> Quantized:
        found, book = self._found(vectors), self.book()
        codes = nearest(found.detach().flatten(0, 1), book.detach()).view(found.shape[:2])
        quantized = F.embedding(codes, book)
        losses = {
            "commitment": self.config.commitment * F.mse_loss(found, quantized.detach()),
            # Where codes follow by averages there is nothing that this moves.
            "codebook": F.mse_loss(quantized, found.detach()),
        }
        return Quantized(on_grid(straight_through(found, quantized), vectors.shape[2:]), codes, losses)

    def lookup(self, codes_NT: Tensor, grid: Sequence[int]) -> Tensor:
        return on_grid(F.embedding(codes_NT, self.book()), grid)

    @torch.no_grad()
    def follow(self, vectors: Tensor, codes_NT: Tensor) -> None:
        self.move(self._found(vectors).flatten(0, 1), codes_NT.flatten())

    def _found(self, vectors: Tensor) -> Tensor:
        """What is looked up [N, T, D]."""
        return F.normalize(rows(vectors), dim=2) if self.unit else rows(vectors)
