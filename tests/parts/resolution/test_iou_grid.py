"""UReader's grids: worked examples of the code and of the paper, and the score by brute force."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omma.parts.resolution.base import Grid, Size
from omma.parts.resolution.iou_grid import _grids, best_grid
from omma.parts.resolution.layout import Mark, ViewTokens
from parts.resolution.planning import SIZES, planner, random_sizes, tokens

CODE = ((2, 2), (3, 4), (5, 3), (1, 5), (3, 5), (3, 2), (2, 5), (8, 1))
PAPER = ((2, 2), (2, 3), (5, 3), (1, 5), (3, 6), (4, 3), (2, 5), (8, 1))


@pytest.mark.parametrize(
    ("weight", "size", "grid"),
    [
        (weight, size, grid)
        for weight, table in ((100.0, CODE), (1.0, PAPER))
        for size, grid in zip(SIZES, table, strict=True)
    ],
)
def test_worked_examples(weight: float, size: Size, grid: Grid) -> None:
    strategy = planner("iou-grid", size=224, shape_weight=weight)
    rows, columns = grid
    plan = strategy.plan(*size)
    assert plan.canvases[1].size == (224 * columns, 224 * rows)
    assert tokens(strategy, size, (8, 8)) == 65 * (rows * columns + 1)


def test_the_list_of_grids() -> None:
    grids = _grids(20, 11)
    assert len(grids) == 48 and len(_grids(20, 20)) == 66
    assert grids[:6] == ((1, 1), (1, 2), (2, 1), (1, 3), (3, 1), (1, 4))
    assert max(rows * columns for rows, columns in grids) == 20


def test_no_other_grid_overlaps_more() -> None:
    """Counted in unit cells and pixels of small integers instead of by the formula."""
    for width, height in random_sizes(200, longest=60, seed=5):
        rows, columns = best_grid(width, height, 4, 6, 6, 1.0)

        def score(rows: int, columns: int, width: int = width, height: int = height) -> float:
            total = 0.0
            # Both rectangles of the shape term times width, so that they are integers.
            pairs = ((height, width, rows * 4, columns * 4), (columns * height, columns * width, rows * width, columns * width))
            for h, w, other_h, other_w in pairs:
                common = min(h, other_h) * min(w, other_w)
                total += common / (h * w + other_h * other_w - common)
            return total

        best = max(score(r, c) for r in range(1, 7) for c in range(1, 7) if r * c <= 6)
        assert score(rows, columns) == pytest.approx(best, abs=1e-4), (width, height)


def test_every_view_ends_with_a_mark_and_the_whole_is_first() -> None:
    plan = planner("iou-grid", size=224).plan(1000, 200)
    assert plan.layout == tuple(item for view in range(6) for item in (ViewTokens(view), Mark("view_end")))
    assert [view.cell for view in plan.views] == [None, *((0, column) for column in range(5))]


@settings(max_examples=400, deadline=None)
@given(st.integers(1, 10_000), st.integers(1, 10_000), st.sampled_from([100.0, 1.0, 0.0]))
def test_no_grid_is_passed_over(width: int, height: int, weight: float) -> None:
    """As the released code computes it, of every grid."""

    def overlap(tall: float, wide: float, other_tall: float, other_wide: float) -> float:
        common = min(tall, other_tall) * min(wide, other_wide)
        return common / (tall * wide + other_tall * other_wide - common + 1e-5)

    def score(grid: Grid) -> float:
        rows, columns = grid
        in_shape = overlap(columns * height / width, columns, rows, columns)
        return weight * in_shape + overlap(height, width, rows * 224, columns * 224)

    assert best_grid(width, height, 224, 20, 11, weight) == max(_grids(20, 11), key=score)
