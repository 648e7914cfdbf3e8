"""LLaVA-UHD's slices: worked examples, and the partition of transformers' MiniCPM-V."""

from __future__ import annotations

import pytest

from omma.errors import BadInput
from omma.parts.resolution.base import Size
from omma.parts.resolution.layout import Text, ViewTokens, arrange
from omma.parts.resolution.slices import best_partition
from parts.resolution.planning import SIZES, planner, random_sizes, tokens


@pytest.mark.parametrize(
    ("size", "grid", "overview", "one"),
    [
        (size, *expected)
        for size, expected in zip(
            SIZES,
            [
                ((1, 1), (336, 336), None),
                ((2, 2), (378, 280), (378, 280)),
                ((2, 3), (252, 420), (322, 336)),
                ((3, 1), (742, 140), (420, 252)),
                ((3, 2), (448, 252), (364, 308)),
                ((2, 3), (280, 392), (336, 322)),
                ((3, 2), (518, 210), (420, 252)),
                ((1, 6), (112, 938), (280, 378)),
            ],
            strict=True,
        )
    ],
)
def test_worked_examples(size: Size, grid: Size, overview: Size, one: Size | None) -> None:
    strategy = planner("slices", size=336, patch=14)
    plan = strategy.plan(*size)
    slices = grid[0] * grid[1] if one else 0
    assert [view.size for view in plan.views] == [one] * slices + [overview]
    if one:
        assert plan.canvases[0].size == (grid[0] * one[0], grid[1] * one[1])
    assert tokens(strategy, size, (8, 8)) == 64 * (slices + 1)
    assert sum(isinstance(item, Text) for item in plan.layout) == slices


def test_one_more_slice_if_the_cap_allows() -> None:
    plan = planner("slices", size=336, patch=14, most=7).plan(300, 2400)
    assert [view.size for view in plan.views] == [(308, 350)] * 7 + [(112, 938)]


@pytest.mark.parametrize(
    ("size", "grid"),
    list(zip(SIZES, [(1, 1), (2, 1), (2, 3), (1, 1), (4, 2), (2, 4), (4, 2), (1, 5)], strict=True)),
)
def test_partition_of_minicpm_v(size: Size, grid: Size) -> None:
    assert best_partition(*size, 448, 9) == grid


def test_partition_is_that_of_transformers() -> None:
    module = pytest.importorskip("transformers.models.minicpmv4_6.image_processing_pil_minicpmv4_6")
    theirs = object.__new__(module.MiniCPMV4_6ImageProcessorPil)
    for number, (width, height) in enumerate(random_sizes(20_000, longest=8000)):
        most, side = ((6, 336), (9, 448), (25, 100))[number % 3]
        rows, columns = theirs.get_sliced_grid((height, width), most, side) or (1, 1)
        assert best_partition(width, height, side, most) == (columns, rows), (width, height, most, side)


def test_commas_within_rows_newlines_behind_them_and_the_overview_last() -> None:
    strategy = planner("slices", size=336, patch=14)
    plan = strategy.plan(800, 1300)
    found = arrange(plan.layout, len(plan.views), lambda view: (8, 8), strategy.marks)
    assert found.runs == (64, ",", 64, "\n") * 3 + (64,)
    assert plan.layout[-1] == ViewTokens(6)
    assert [view.cell for view in plan.views] == [(row, column) for row in range(3) for column in (0, 1)] + [None]


def test_slices_keep_shape_and_area() -> None:
    """LLaVA-UHD's guarantee for pictures between 1:6 and 6:1: slices between 1:2 and 2:1, of 0.33 to 1.5 squares."""
    for width, height in random_sizes(3000, longest=3000, seed=2):
        if not 1 / 6 <= width / height <= 6 or best_partition(width, height, 336, 20) == (1, 1):
            continue
        columns, rows = best_partition(width, height, 336, 20)
        wide, tall = width / columns, height / rows
        assert 0.49 <= wide / tall <= 2.05, (width, height)
        one = planner("slices", size=336, patch=14, most=20).plan(width, height).views[0].size
        assert 0.33 <= one[0] * one[1] / 336**2 <= 1.5


@pytest.mark.parametrize("size", [(1, 20_000), (20_000, 1), (1, 10**7), (10**7, 1)])
def test_the_thinnest_pictures_have_no_more_pixels_than_others(size: Size) -> None:
    for view in planner("slices", size=336, patch=14).plan(*size).views:
        assert view.size[0] * view.size[1] <= 336**2 and min(view.size) == 14


def test_a_slice_holds_a_patch() -> None:
    with pytest.raises(BadInput, match="a patch of at most size, 16 is more than 14"):
        planner("slices", size=14, patch=16)
