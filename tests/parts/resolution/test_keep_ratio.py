"""One view in the picture's own shape."""

from __future__ import annotations

from fractions import Fraction

import pytest

from omma.errors import BadInput
from omma.parts.resolution.base import Size
from parts.resolution.planning import planner, random_sizes


@pytest.mark.parametrize(
    ("size", "view"),
    [
        ((640, 480), (1024, 768)),
        ((336, 336), (1024, 1024)),
        ((800, 1300), (624, 1024)),
        ((1000, 200), (1024, 208)),
        ((20_000, 1), (1024, 16)),
        ((1, 20_000), (16, 1024)),
    ],
)
def test_worked_examples(size: Size, view: Size) -> None:
    (found,) = planner("keep-ratio", size=1024, patch=16).plan(*size).views
    assert found.size == view and found.cell is None


def test_no_side_is_off_by_more_than_half_a_patch() -> None:
    strategy = planner("keep-ratio", size=224, patch=14)
    for width, height in random_sizes(5000):
        (view,) = strategy.plan(width, height).views
        assert max(view.size) == 224
        for side, found in zip((width, height), view.size, strict=True):
            exact = Fraction(side * 224, max(width, height))
            assert found % 14 == 0 and (abs(found - exact) <= 7 or (found == 14 and exact < 14)), (width, height)


def test_a_size_is_whole_patches() -> None:
    with pytest.raises(BadInput, match="a size of whole patches of 16 pixels, 1000 is none"):
        planner("keep-ratio", size=1000, patch=16)
