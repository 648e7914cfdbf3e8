"""Block-wise masks: exactly as many patches as wanted, in blocks, anywhere."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from omma.objectives.block_mask import block_mask


@given(rows=st.integers(1, 20), columns=st.integers(1, 20), share=st.floats(0, 1), seed=st.integers(0, 2**32))
def test_exactly_as_many(rows: int, columns: int, share: float, seed: int) -> None:
    count = round(share * rows * columns)
    mask = block_mask((rows, columns), count, np.random.default_rng(seed))
    assert mask.shape == (rows * columns,) and mask.dtype == bool and mask.sum() == count


def test_neighbours_are_masked_together() -> None:
    """Of masked patches most neighbours are masked too, as single patches at random would not be."""
    chance = np.random.default_rng(0)
    together = []
    for _ in range(100):
        mask = block_mask((14, 14), 78, chance).reshape(14, 14)
        pairs = mask[:, :-1] & mask[:, 1:]
        together.append(pairs.sum() / mask[:, :-1].sum())
    assert np.mean(together) > 0.7, "0.4 at random"


def test_every_patch_is_masked_at_times() -> None:
    """Corners seldom, since few blocks reach them."""
    chance = np.random.default_rng(0)
    often = np.mean([block_mask((14, 14), 78, chance) for _ in range(500)], axis=0)
    assert 0.01 < often.min() < 0.2 < 0.5 < often.max() < 0.8
