"""Stochastic depth: what a block adds is left out for some rows while it learns (Huang et al., arXiv 1603.09382).

Shapes: B rows (views of a picture, or texts), L tokens, H width.
"""

from __future__ import annotations

import torch
from torch import Tensor


def left_out_at_times(branch_BLH: Tensor, share: float) -> Tensor:
    """What a branch adds, without this share of the rows; what is left is made larger by as much as is missing on average."""
    if not share:
        return branch_BLH
    kept_B11 = torch.rand(len(branch_BLH), 1, 1, device=branch_BLH.device) >= share
    return branch_BLH * kept_B11.to(branch_BLH.dtype) / (1 - share)


def share_of_block(share: float, number: int, blocks: int) -> float:
    """Of a block, counted from 0: all of it in the last one, in those before it in a line from nothing in the first."""
    return share * number / max(1, blocks - 1)
