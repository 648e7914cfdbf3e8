"""XComposer2-4KHD's grids: worked examples, the largest of all pictures, and pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from omma.parts.resolution.base import Grid, Size, cut
from omma.parts.resolution.layout import MapTokens, Mark, arrange
from parts.resolution.planning import SIZES, noise, pixels, planner, tokens

HD25 = (
    ((5, 5), 3817), ((4, 5), 3085), ((6, 4), 3685), ((2, 10), 3061),
    ((4, 6), 3661), ((5, 4), 3097), ((3, 7), 3217), ((12, 2), 3757),
)  # fmt: skip
HD55 = (
    ((7, 7), 7297), ((6, 8), 7141), ((9, 6), 8041), ((3, 15), 6673),
    ((6, 9), 8005), ((8, 6), 7165), ((5, 11), 8137), ((18, 3), 8149),
)  # fmt: skip


@pytest.mark.parametrize(
    ("most", "size", "grid", "total"),
    [
        (most, size, *expected)
        for most, table in ((25, HD25), (55, HD55))
        for size, expected in zip(SIZES, table, strict=True)
    ],
)
def test_worked_examples(most: int, size: Size, grid: Grid, total: int) -> None:
    strategy = planner("padded-grid", size=336, max_tiles=most)
    rows, columns = grid
    assert strategy.plan(*size).canvases[0].size == (336 * columns, 336 * rows)
    assert tokens(strategy, size, (12, 12)) == total == 144 * (rows * columns + 1) + 1 + 12 * (rows + 1)


@pytest.mark.parametrize(("most", "total"), [(9, 1561), (16, 2653), (25, 4057), (55, 8737)])
def test_no_picture_has_more_tokens(most: int, total: int) -> None:
    strategy = planner("padded-grid", size=336, max_tiles=most)
    sizes = [(side, 5000) for side in (*range(20, 5000, 20), 1)] + [(5000, side) for side in (*range(20, 5000, 20), 1)]
    grids = {strategy.plan(*size).canvases[0].size: size for size in sizes}
    assert max(width * height for width, height in grids) <= most * 336**2
    assert max(tokens(strategy, size, (12, 12)) for size in grids.values()) == total


@pytest.mark.parametrize("size", [(70, 40), (40, 70), (33, 33), (200, 3)])
def test_pixels(size: Size) -> None:
    """Enlarged in its own shape, centred on white; the whole canvas made small comes first."""
    picture, side = noise(size), 12
    plan = planner("padded-grid", size=side, max_tiles=9).plan(*size)
    wide, tall = plan.canvases[0].size
    upright = size[0] < size[1]
    long = tall if upright else wide
    short = max(int(long * min(size) / max(size)), 1)
    content = (short, long) if upright else (long, short)
    canvas = Image.new("RGB", (wide, tall), "white")
    canvas.paste(picture.resize(content, Image.Resampling.BICUBIC), ((wide - content[0]) // 2, (tall - content[1]) // 2))
    tiles = [canvas.crop((x, y, x + side, y + side)) for y in range(0, tall, side) for x in range(0, wide, side)]
    expected = pixels([canvas.resize((side, side), Image.Resampling.BICUBIC), *tiles])
    np.testing.assert_array_equal(pixels(cut(picture, plan, fill=(9, 9, 9))), expected)


def test_portraits_are_landscapes_on_their_side() -> None:
    strategy = planner("padded-grid", size=336)
    for width, height in SIZES:
        lying, upright = strategy.plan(width, height).canvases[0], strategy.plan(height, width).canvases[0]
        assert lying.content == upright.content[::-1] and lying.size == upright.size[::-1]
        assert lying.offset == upright.offset[::-1]


def test_rows_end_with_marks_and_one_stands_between_the_maps() -> None:
    strategy = planner("padded-grid", size=336, max_tiles=2)
    plan = strategy.plan(600, 300)
    assert plan.layout == (
        MapTokens(((0,),), row_end="newline"), Mark("separator"), MapTokens(((1, 2),), row_end="newline")
    )  # fmt: skip
    found = arrange(plan.layout, 3, lambda view: (1, 2), strategy.marks)
    assert found.index.tolist() == [0, 1, -1, -2, 2, 3, 4, 5, -1]


@settings(max_examples=400, deadline=None)
@given(st.integers(1, 10_000), st.integers(1, 10_000), st.integers(1, 60))
def test_there_are_as_many_tiles_as_one_by_one_counting_finds(width: int, height: int, most: int) -> None:
    ratio = max(width, height) / min(width, height)
    tiles = 1
    while (tiles + 1) * math.ceil((tiles + 1) / ratio) <= most:
        tiles += 1
    canvas = planner("padded-grid", size=10, max_tiles=most).plan(width, height).canvases[0]
    assert max(canvas.content) == 10 * tiles
