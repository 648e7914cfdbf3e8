"""Block-wise masks: rectangles of patches, until as many are covered as wanted (BEiT, arXiv 2106.08254, algorithm 1)."""

from __future__ import annotations

import math

import numpy as np

from omma.parts.resolution.base import Grid

SMALLEST = 16
"""Patches of a block, as far as so many are still wanted."""
FLATTEST = 0.3
"""Smallest ratio of a block's height to its width, and of its width to its height."""
TRIES = 10
"""How often a block is drawn anew that does not fit or covers nothing new."""


def block_mask(grid: Grid, count: int, chance: np.random.Generator) -> np.ndarray:
    """A boolean mask [rows * columns] that is true exactly ``count`` times, in blocks but for the few that no block fits."""
    mask = np.zeros(grid, dtype=bool)
    while (missing := count - int(mask.sum())) > 0:
        if not _covered(mask, missing, chance):
            # No block fits any more: single patches do.
            free = np.flatnonzero(~mask)
            mask.reshape(-1)[chance.choice(free, size=missing, replace=False)] = True
    return mask.reshape(-1)


def _covered(mask: np.ndarray, most: int, chance: np.random.Generator) -> bool:
    """Cover one block with at most so many new patches, in place; False if none was found."""
    rows, columns = mask.shape
    smallest = min(SMALLEST, most)
    for _ in range(TRIES):
        area = chance.uniform(smallest, most)
        ratio = math.exp(chance.uniform(math.log(FLATTEST), -math.log(FLATTEST)))
        height, width = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if not (0 < height <= rows and 0 < width <= columns):
            continue
        top, left = chance.integers(rows - height + 1), chance.integers(columns - width + 1)
        block = mask[top : top + height, left : left + width]
        if 0 < block.size - int(block.sum()) <= most:
            block[:] = True
            return True
    return False
