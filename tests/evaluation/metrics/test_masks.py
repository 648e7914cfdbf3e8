"""Segmentation: scores counted by hand, run-length codes of COCO's library and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from omma.evaluation.metrics.masks import from_polygons, from_rle, mask_counts, to_rle


def mask(*cells: tuple[int, int]) -> np.ndarray:
    grid = np.zeros((4, 6), bool)
    for row, column in cells:
        grid[row, column] = True
    return grid


def test_by_hand() -> None:
    large, half, nothing = mask(*((r, c) for r in range(4) for c in range(4))), mask((0, 0), (0, 1)), mask()
    counts = mask_counts([large, mask((0, 0)), nothing, half], [large, half, nothing, nothing])
    assert counts.ciou == pytest.approx((16 + 1) / (16 + 2 + 2))
    assert list(counts.each) == [1.0, 0.5, 1.0, 0.0]
    assert counts.giou == pytest.approx(2.5 / 4)
    assert counts.precision_at(0.5) == 0.5
    assert counts.no_target_accuracy == 0.5
    assert counts.target_accuracy == 1.0
    assert mask_counts([large], [large]).no_target_accuracy is None
    assert mask_counts([nothing], [nothing]).ciou == 1.0


def test_masks_of_different_sizes() -> None:
    with pytest.raises(ValueError, match=r"the picture's size \(4, 6\), this one is \(6, 4\)"):
        mask_counts([mask().T], [mask()])


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 10**6))
def test_run_length_codes(height: int, width: int, seed: int) -> None:
    grid = np.random.default_rng(seed).random((height, width)) < 0.4
    code = to_rle(grid)
    assert (from_rle(code) == grid).all()
    packed = {"size": code["size"], "counts": code["counts"].encode()}
    assert (coco_mask.decode(packed).astype(bool) == grid).all()
    # The plain list of runs, column by column, beginning with how many are off.
    flat = np.concatenate([[False], grid.T.reshape(-1)])
    edges = np.flatnonzero(np.diff(flat.astype(int))) if flat.any() else np.array([], int)
    runs = np.diff(np.concatenate([[0], edges, [grid.size]])).tolist()
    assert (from_rle({"size": [height, width], "counts": runs}) == grid).all()


def test_polygons() -> None:
    found = from_polygons([[1, 1, 3, 1, 3, 2, 1, 2]], (6, 4))
    assert found.shape == (4, 6)
    assert found.sum() == 6 and found[1:3, 1:4].all()
