"""One view with as many pixels as are allowed, as Emu3's image processor has it, and text around its rows."""

from __future__ import annotations

import pytest
from transformers.models.emu3.image_processing_emu3 import smart_resize

from omma.errors import BadInput
from omma.parts.resolution.layout import arrange
from parts.resolution.planning import planner, random_sizes


@pytest.mark.parametrize(("least", "most", "patch"), [(512 * 512, 1024 * 1024, 8), (900, 5000, 8), (56 * 56, 14 * 14 * 1280, 28)])
def test_sides_are_those_of_transformers(least: int, most: int, patch: int) -> None:
    strategy = planner("pixel-budget", least=least, most=most, patch=patch)
    compared = 0
    for width, height in random_sizes(3000):
        (view,) = strategy.plan(width, height).views
        assert view.size[0] % patch == view.size[1] % patch == 0 and min(view.size) >= patch and view.cell is None
        if max(width, height) <= 200 * min(width, height):  # of others it wants nothing
            assert view.size[::-1] == smart_resize(height, width, patch, least, most), (width, height)
            compared += 1
    assert compared > 1000


def test_text_says_how_many_rows_and_columns_there_are() -> None:
    texts = {"opening": "{rows}*{columns}<|image token|>", "row_end": "<|extra_200|>", "closing": "<|extra_201|>"}
    plan = planner("pixel-budget", least=8 * 8, most=24 * 16, patch=8, **texts).plan(24, 16)
    row = (3, "<|extra_200|>")
    assert arrange(plan.layout, 1, lambda view: (2, 3), ()).runs == ("2*3<|image token|>", *row, *row, "<|extra_201|>")
    bare = planner("pixel-budget", least=8 * 8, most=24 * 16, patch=8, opening="{other}").plan(24, 16)
    assert arrange(bare.layout, 1, lambda view: (2, 3), ()).runs == ("{other}", 6)


def test_least_and_most_are_ordered() -> None:
    with pytest.raises(BadInput, match=r"at least 900 pixels as the most"):
        planner("pixel-budget", least=900, most=800, patch=4)
