"""Cutting: colours, canvases of canvases, and where a view is in the picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from omma.parts.resolution import base
from omma.parts.resolution.base import Canvas, Plan, View, cut
from omma.parts.resolution.square import PadSquare
from parts.resolution.planning import noise


def test_a_canvas_with_a_colour_is_filled_with_it() -> None:
    picture = Image.new("RGB", (4, 2), (10, 20, 30))
    beside = {"region": (0, 0, 4, 2), "content": (4, 2), "size": (4, 4), "offset": (0, 2)}
    beyond = {"region": (0, -2, 4, 2), "content": (4, 4), "size": (4, 4)}
    canvases = tuple(Canvas(**place, fill=fill) for place in (beside, beyond) for fill in (None, (255, 0, 255), (0, 0, 0)))
    plan = Plan((4, 2), canvases, tuple(View(number, (0, 0, 4, 4)) for number in range(6)), ())
    for view, color in zip(cut(picture, plan, fill=(1, 2, 3)), [(1, 2, 3), (255, 0, 255), (0, 0, 0)] * 2, strict=True):
        pixels = np.asarray(view)
        assert (pixels[:2] == color).all() and (pixels[2:] == (10, 20, 30)).all()


def test_a_canvas_can_be_of_another() -> None:
    picture = noise((20, 10))
    first = Canvas((0, 0, 20, 10), (12, 6), (12, 12), offset=(0, 3), fill=(255, 255, 255))
    second = Canvas((0, 0, 12, 12), (4, 4), (4, 4), source=0)
    plan = Plan((20, 10), (first, second), (View(0, (0, 0, 12, 12)), View(1, (0, 0, 4, 4))), ())
    large, small = cut(picture, plan)
    assert small.tobytes() == large.resize((4, 4), Image.Resampling.BICUBIC).tobytes()
    # 6 of 12 rows show 10 rows of the picture, so the canvas reaches 5 rows beyond it on both sides.
    assert plan.region_of(0) == plan.region_of(1) == (0.0, -5.0, 20.0, 15.0)


def test_a_part_of_a_canvas_of_a_canvas_in_the_picture() -> None:
    first = Canvas((0, 0, 100, 50), (50, 25), (50, 25))
    second = Canvas((10, 5, 50, 25), (20, 10), (20, 10), source=0)
    plan = Plan((100, 50), (first, second), (View(1, (5, 0, 20, 10)),), ())
    assert plan.region_of(0) == pytest.approx((40.0, 10.0, 100.0, 50.0))


def test_a_plan_is_for_one_size() -> None:
    plan = Plan((4, 2), (Canvas((0, 0, 4, 2), (4, 2), (4, 2)),), (View(0, (0, 0, 4, 2)),), ())
    with pytest.raises(ValueError, match=r"the plan is for a picture of \(4, 2\) pixels, this one has \(2, 4\)"):
        cut(noise((2, 4)), plan)


@pytest.mark.parametrize("size", [(300, 7), (7, 300), (90, 64), (1, 500)])
@pytest.mark.parametrize("resample", [Image.Resampling.BICUBIC, Image.Resampling.BILINEAR])
def test_a_frame_painted_in_strips_is_the_one_painted_whole(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], resample: Image.Resampling
) -> None:
    picture = noise(size)
    plan = PadSquare.Config(size=32).build().plan(*size)
    plan = replace(plan, canvases=tuple(replace(canvas, resample=resample) for canvas in plan.canvases))
    (whole,) = cut(picture, plan, fill=(122, 116, 104))
    monkeypatch.setattr(base, "MOST_FRAMED", 0)
    monkeypatch.setattr(base, "STRIP", 1000)
    (strips,) = cut(picture, plan, fill=(122, 116, 104))
    assert strips.tobytes() == whole.tobytes()


def test_a_canvas_is_resized_as_it_says() -> None:
    picture = noise((20, 10))
    resample = Image.Resampling.BILINEAR
    plan = Plan((20, 10), (Canvas((0, 0, 20, 10), (7, 5), (7, 5), resample=resample),), (View(0, (0, 0, 7, 5)),), ())
    (view,) = cut(picture, plan)
    assert view.tobytes() == picture.resize((7, 5), resample).tobytes()
    assert view.tobytes() != picture.resize((7, 5), Image.Resampling.BICUBIC).tobytes()


def test_the_frame_of_a_long_picture_takes_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    new = Image.new
    monkeypatch.setattr(Image, "new", lambda mode, size, *rest: made.append(size[0] * size[1]) or new(mode, size, *rest))
    cut(noise((30_000, 10)), PadSquare.Config(size=336).build().plan(30_000, 10))
    assert max(made) <= 336 * 30_000
