"""Vector quantization: every vector becomes the nearest code of one book (VQ-VAE, arXiv 1711.00937, section 3).

Codes learn by gradients, or follow the vectors that were nearest to them by moving averages (appendix A.1); one that is hardly
used any more begins anew where a vector is (Jukebox, 2005.00341, section 3.1). On the unit sphere (ViT-VQGAN, 2110.04627,
section 3.2) more of the codes stay in use.

Shapes: as in `omma.parts.quantizers.base`; K codes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from omma.parts.base import PartConfig
from omma.parts.quantizers.base import QUANTIZERS, Quantized, Quantizer, on_grid, rows, straight_through
from omma.parts.quantizers.nearest import nearest

EPSILON = 1e-5
"""Of the Laplace smoothing of the counts."""


@QUANTIZERS.register("vq")
class Vq(Quantizer):
    terms = ("commitment", "codebook")

    class Config(PartConfig):
        codes: int = Field(ge=2)
        width: int = Field(ge=1)
        """Numbers of a code."""
        unit: bool = False
        """Whether vectors and codes are scaled to length 1."""
        commitment: float = Field(default=0.25, ge=0)
        """Share of the mean squared difference between vectors and their codes, for which vectors move."""
        decay: float | None = Field(default=0.99, ge=0, lt=1)
        """Of the moving average that a code is; none for codes that learn by gradients."""
        reset: float = Field(default=1.0, ge=0)
        """Codes whose moving average of uses in a step is below it begin anew; none for 0."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.vocabulary, self.width = config.codes, config.width
        codes = torch.empty(config.codes, config.width).uniform_(-1 / config.codes, 1 / config.codes)
        codes = F.normalize(codes, dim=1) if config.unit else codes
        self.codebook: Tensor
        if config.decay is None:
            self.codebook = nn.Parameter(codes)
        else:
            # Buffers: no optimizer touches them, and they go with checkpoints.
            self.register_buffer("codebook", codes)
            self.register_buffer("uses", torch.zeros(config.codes))
            self.register_buffer("sums", torch.zeros(config.codes, config.width))

    def book(self) -> Tensor:
        """The codes [K, D] as vectors become them."""
        codes = self.codebook.float()
        return F.normalize(codes, dim=1) if self.config.unit else codes

    def forward(self, vectors: Tensor) -> Quantized:
        found, book = rows(vectors), self.book()
        if self.config.unit:
            found = F.normalize(found, dim=2)
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
        """The first time all codes begin anew, at vectors drawn at random."""
        config = self.config
        if config.decay is None:
            return
        found, codes = rows(vectors).flatten(0, 1), codes_NT.flatten()
        if config.unit:
            found = F.normalize(found, dim=1)
        if not self.uses.any():
            self._begin(torch.ones_like(self.uses, dtype=torch.bool), found)
            return
        self.uses.lerp_(codes.bincount(minlength=config.codes).float(), 1 - config.decay)
        self.sums.lerp_(torch.zeros_like(self.sums).index_add_(0, codes, found), 1 - config.decay)
        self._begin(self.uses < config.reset, found)
        total = self.uses.sum()
        smoothed = (self.uses + EPSILON) / (total + config.codes * EPSILON) * total
        means = self.sums / smoothed[:, None]
        self.codebook.copy_(F.normalize(means, dim=1) if config.unit else means)

    def _begin(self, which_K: Tensor, vectors_ND: Tensor) -> None:
        """Codes anew at vectors drawn at random, with as many uses as keep them in place."""
        count = int(which_K.sum())
        if not count:
            return
        draws = [torch.randperm(len(vectors_ND), device=vectors_ND.device) for _ in range(-(-count // len(vectors_ND)))]
        begun = vectors_ND[torch.cat(draws)[:count]]
        uses = max(self.config.reset, 1.0)
        self.codebook[which_K] = begun
        self.uses[which_K] = uses
        self.sums[which_K] = begun * uses
