"""A codebook that follows what is looked up in it, by moving averages and not by gradients (VQ-VAE, arXiv 1711.00937,
appendix A.1), with codes and vectors on the unit sphere (ViT-VQGAN, 2110.04627, section 3.2; BEiT v2, 2208.06366, section 2.2).

Shapes: N vectors, K codes, D numbers of a code.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ROUNDS = 10
"""Of k-means, from which the codes begin."""


class Codebook(nn.Module):
    """Codes [K, D] of length 1. They are buffers: no optimizer touches them.

    Args:
        decay: of the moving average of every code.
    """

    def __init__(self, codes: int, width: int, *, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("codes", F.normalize(torch.randn(codes, width), dim=1))
        self.register_buffer("begun", torch.tensor(0.0))
        """1 once the codes have begun where vectors are."""

    def nearest(self, vectors_ND: Tensor) -> Tensor:
        """Numbers [N] of the codes nearest to vectors of length 1."""
        return (vectors_ND.float() @ self.codes.T).argmax(dim=1)

    def forward(self, numbers: Tensor) -> Tensor:
        """Codes [..., D] by their numbers."""
        return F.embedding(numbers, self.codes)

    @torch.no_grad()
    def follow(self, vectors_ND: Tensor, numbers_N: Tensor) -> None:
        """Move every code towards the mean of the vectors that it was nearest to; one that was nearest to none stays.

        The first time all codes begin anew, by k-means among these vectors.
        """
        vectors = vectors_ND.float()
        if not self.begun:
            self.codes.copy_(spherical_k_means(vectors, len(self.codes)))
            self.begun.fill_(1)
            return
        mean, used = _means(vectors, numbers_N, self.codes)
        followed = F.normalize(self.codes.lerp(mean, 1 - self.decay), dim=1)
        self.codes.copy_(torch.where(used[:, None], followed, self.codes))


def _means(vectors_ND: Tensor, numbers_N: Tensor, codes_KD: Tensor) -> tuple[Tensor, Tensor]:
    """Directions [K, D] of the means of what belongs to each code, and which of them [K] anything belongs to."""
    total = torch.zeros_like(codes_KD).index_add_(0, numbers_N, vectors_ND)
    used = numbers_N.bincount(minlength=len(codes_KD)) > 0
    return F.normalize(total, dim=1), used


def spherical_k_means(vectors_ND: Tensor, count: int, rounds: int = ROUNDS) -> Tensor:
    """Directions [count, D] by k-means with cosine similarity, beginning at vectors drawn at random.

    With fewer vectors than directions some are drawn more than once.
    """
    total = len(vectors_ND)
    draws = [torch.randperm(total, device=vectors_ND.device) for _ in range(-(-count // total))]
    centers = vectors_ND[torch.cat(draws)[:count]].clone()
    for _ in range(rounds):
        numbers = (vectors_ND @ centers.T).argmax(dim=1)
        mean, used = _means(vectors_ND, numbers, centers)
        centers = torch.where(used[:, None], mean, centers)
    return centers
