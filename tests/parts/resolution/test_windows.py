"""Monkey's windows."""

from __future__ import annotations

import pytest
from PIL import Image

from omma.errors import BadInput
from omma.parts.resolution.base import Size, cut
from parts.resolution.planning import SIZES, noise, pixels, planner, tokens


@pytest.mark.parametrize(("canvas", "total"), [((896, 896), 1280), ((896, 1344), 1792)])
@pytest.mark.parametrize("size", SIZES)
def test_worked_examples(canvas: Size, total: int, size: Size) -> None:
    assert tokens(planner("windows", canvas=canvas, size=448), size, (16, 16)) == total


def test_windows_row_by_row_and_the_canvas_made_small_last() -> None:
    picture = noise((50, 30))
    plan = planner("windows", canvas=(24, 16), size=8).plan(50, 30)
    assert [view.cell for view in plan.views] == [(row, column) for row in (0, 1) for column in (0, 1, 2)] + [None]
    canvas = picture.resize((24, 16), Image.Resampling.BICUBIC)
    boxes = [(x, y, x + 8, y + 8) for y in (0, 8) for x in (0, 8, 16)]
    whole = canvas.resize((8, 8), Image.Resampling.BICUBIC)
    expected = pixels([*(canvas.crop(box) for box in boxes), whole])
    assert (pixels(cut(picture, plan)) == expected).all()


def test_a_canvas_is_whole_windows() -> None:
    with pytest.raises(BadInput, match="a canvas of whole windows of 448 pixels, 896x1000 is none"):
        planner("windows", canvas=(896, 1000), size=448)
