"""Quantizers with a book of codes, and the two ways in which it learns (VQ-VAE, arXiv 1711.00937, section 3).

Codes learn by gradients, or follow the vectors that were nearest to them by moving averages (appendix A.1); one that is hardly
used any more begins anew where a vector is (Jukebox, 2005.00341, section 3.1).

Shapes: N vectors, K codes, D numbers of a code.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from omma.parts.base import PartConfig
from omma.parts.quantizers.base import Quantizer

EPSILON = 1e-5
"""Of the Laplace smoothing of the counts."""


class BookQuantizer(Quantizer):
    """Attributes:
    codebook: [K, D], a parameter if it learns by gradients, else a buffer.
    uses, sums: moving averages, step by step, of the vectors that were nearest to each code: how many [K], and their sum [K, D].
    unit: whether codes have length 1.
    """

    codebook: Tensor
    uses: Tensor
    sums: Tensor
    terms: ClassVar[tuple[str, ...]] = ("commitment", "codebook")

    class Config(PartConfig):
        codes: int = Field(ge=2)
        width: int = Field(ge=1)
        """Numbers of a code."""
        commitment: float = Field(default=0.25, ge=0)
        """Share of the mean squared difference between vectors and their codes, for which vectors move."""
        decay: float | None = Field(default=0.99, ge=0, lt=1)
        """Of the moving average that a code is; none for codes that learn by gradients."""
        reset: float = Field(default=1.0, ge=0)
        """Codes whose moving average of uses in a step is below it begin anew; none for 0."""

    def __init__(self, config: Config, *, unit: bool = False) -> None:
        super().__init__(config)
        self.vocabulary, self.width, self.unit = config.codes, config.width, unit
        codes = torch.empty(config.codes, config.width).uniform_(-1 / config.codes, 1 / config.codes)
        codes = F.normalize(codes, dim=1) if unit else codes
        if config.decay is None:
            self.codebook = nn.Parameter(codes)
        else:
            # Buffers: no optimizer touches them, and they go with checkpoints.
            self.register_buffer("codebook", codes)
            self.register_buffer("uses", torch.zeros(config.codes))
            self.register_buffer("sums", torch.zeros(config.codes, config.width))

    def book(self) -> Tensor:
        """The codes [K, D] as vectors become them, in float32."""
        codes = self.codebook.float()
        return F.normalize(codes, dim=1) if self.unit else codes

    @torch.no_grad()
    def move(self, found_ND: Tensor, codes_N: Tensor) -> None:
        """Let codes follow the vectors that they were nearest to in a step. The first time all begin anew, at vectors drawn at
        random. Codes that learn by gradients stay."""
        config = self.config
        if config.decay is None:
            return
        if not self.uses.any():
            self._begin(torch.ones_like(self.uses, dtype=torch.bool), found_ND)
            return
        self.uses.lerp_(codes_N.bincount(minlength=config.codes).float(), 1 - config.decay)
        self.sums.lerp_(torch.zeros_like(self.sums).index_add_(0, codes_N, found_ND), 1 - config.decay)
        self._begin(self.uses < config.reset, found_ND)
        total = self.uses.sum()
        smoothed = (self.uses + EPSILON) / (total + config.codes * EPSILON) * total
        means = self.sums / smoothed[:, None]
        self.codebook.copy_(F.normalize(means, dim=1) if self.unit else means)

    def _begin(self, which_K: Tensor, found_ND: Tensor) -> None:
        """Codes anew at vectors drawn at random, with as many uses as keep them in place."""
        count = int(which_K.sum())
        if not count:
            return
        draws = [torch.randperm(len(found_ND), device=found_ND.device) for _ in range(-(-count // len(found_ND)))]
        begun = found_ND[torch.cat(draws)[:count]]
        uses = max(self.config.reset, 1.0)
        self.codebook[which_K] = begun
        self.uses[which_K] = uses
        self.sums[which_K] = begun * uses
