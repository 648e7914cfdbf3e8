"""Fuyu's pictures: worked examples, and sizes and pixels of transformers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from transformers.image_processing_backends import PilBackend
from transformers.image_utils import SizeDict
from transformers.models.fuyu.image_processing_pil_fuyu import FuyuImageProcessorPil

from omma.parts.resolution.base import Grid, Size, cut
from omma.parts.resolution.layout import arrange
from parts.resolution.planning import SIZES, noise, pixels, planner, random_sizes, tokens


@pytest.mark.parametrize(
    ("size", "grid", "total"),
    [
        (size, *expected)
        for size, expected in zip(
            SIZES,
            [
                ((12, 12), 156),
                ((16, 22), 368),
                ((36, 23), 864),
                ((7, 34), 245),
                ((36, 64), 2340),
                ((36, 26), 972),
                ((26, 64), 1690),
                ((36, 5), 216),
            ],
            strict=True,
        )
    ],
)
def test_worked_examples(size: Size, grid: Grid, total: int) -> None:
    strategy = planner("native", patch=30)
    (view,) = strategy.plan(*size).views
    assert view.size == (30 * grid[1], 30 * grid[0])
    assert tokens(strategy, size, grid) + grid[0] == total, "and a text behind every row"
    assert arrange(strategy.plan(*size).layout, 1, lambda view: grid, ()).runs == (grid[1], "\n") * grid[0]


def test_sizes_are_those_of_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    def unread(self: PilBackend, image: np.ndarray, size: SizeDict, **kwargs: object) -> np.ndarray:
        return np.broadcast_to(image[:, :1, :1], (3, size.height, size.width))

    monkeypatch.setattr(PilBackend, "resize", unread)
    processor = FuyuImageProcessorPil()
    strategy, point = planner("native", patch=30), np.zeros((3, 1, 1), np.uint8)
    for width, height in random_sizes(10_000, longest=9000):
        resized = processor.resize(np.broadcast_to(point, (3, height, width)), SizeDict(height=1080, width=1920))
        # transformers lets the thinnest pictures vanish.
        expected = tuple(max(side, 1) for side in resized.shape[:0:-1])
        plan = strategy.plan(width, height)
        assert plan.canvases[0].content == expected, (width, height)
        assert plan.canvases[0].size == tuple(30 * math.ceil(side / 30) for side in expected)


@pytest.mark.parametrize("size", [(60, 31), (200, 150), (30, 90), (7, 300), (64, 36)])
def test_pixels_are_those_of_transformers(size: Size) -> None:
    processor = FuyuImageProcessorPil(size={"height": 90, "width": 120}, do_rescale=False, do_normalize=False)
    picture = noise(size)
    expected = processor(picture, return_tensors="np")["images"][0][0]
    plan = planner("native", most=(120, 90), patch=30).plan(*size)
    (found,) = pixels(cut(picture, plan, fill=(9, 9, 9)))
    np.testing.assert_array_equal(found, expected[:, : found.shape[1], : found.shape[2]])
    assert (expected[:, found.shape[1] :] == 1).all() and (expected[:, :, found.shape[2] :] == 1).all()


def test_rows_end_with_a_token_instead_of_a_mark() -> None:
    strategy = planner("native", patch=30, newline="|NEWLINE|")
    plan = strategy.plan(70, 100)
    found = arrange(plan.layout, 1, lambda view: (4, 3), strategy.marks)
    assert strategy.marks == ()
    assert found.runs == (3, "|NEWLINE|") * 4
    assert found.index.tolist() == list(range(12))
