"""The nearest of many codes, in bounded memory."""

from __future__ import annotations

import torch
from torch import Tensor

MOST_DISTANCES = 1 << 26
"""Distances in memory at a time: 256 MiB of float32."""


@torch.no_grad()
def nearest(vectors_ND: Tensor, codes_KD: Tensor) -> Tensor:
    """Numbers [N] of the codes at the smallest Euclidean distance, the first of equals. Both are float32."""
    found = torch.empty(len(vectors_ND), dtype=torch.int64, device=vectors_ND.device)
    # |v - c|^2 less |v|^2, which is the same for all codes of a vector.
    squares = codes_KD.square().sum(1)
    step = max(1, MOST_DISTANCES // len(codes_KD))
    for start in range(0, len(vectors_ND), step):
        part = vectors_ND[start : start + step]
        found[start : start + step] = torch.addmm(squares, part, codes_KD.T, alpha=-2).argmin(1)
    return found
