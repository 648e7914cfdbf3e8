"""Two sizes of the whole picture: Vary's stretched ones, DeepSeek-VL's padded ones with the pixels of transformers."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from transformers.image_utils import SizeDict
from transformers.models.deepseek_vl_hybrid import image_processing_pil_deepseek_vl_hybrid
from transformers.models.deepseek_vl_hybrid.image_processing_pil_deepseek_vl_hybrid import (
    DeepseekVLHybridImageProcessorPil,
)

from omma.parts.resolution.base import Size, cut
from omma.parts.resolution.layout import ViewTokens, arrange
from parts.resolution.planning import blank, noise, pixels, place_of, planner, random_sizes


def test_vary() -> None:
    plan = planner("two-branches", sizes=(224, 1024)).plan(640, 480)
    assert [(view.size, view.branch, view.cell) for view in plan.views] == [
        ((224, 224), 0, None),
        ((1024, 1024), 1, None),
    ]
    picture = noise((640, 480))
    for view, side in zip(cut(picture, plan), (224, 1024), strict=True):
        assert view.tobytes() == picture.resize((side, side), Image.Resampling.BICUBIC).tobytes()


@pytest.mark.parametrize("size", [(64, 48), (30, 77), (100, 100), (300, 2), (1, 50)])
def test_pixels_of_deepseek_vl_are_those_of_transformers(size: Size) -> None:
    processor = DeepseekVLHybridImageProcessorPil(
        size={"height": 24, "width": 24},
        high_res_size={"height": 64, "width": 64},
        do_rescale=False,
        do_normalize=False,
    )
    picture = noise(size)
    expected = processor(picture, return_tensors="np")
    plan = planner("two-branches", sizes=(64, 24), fit="pad").plan(*size)
    large, small = cut(picture, plan, fill=processor.high_res_background_color)
    np.testing.assert_array_equal(pixels([large]), expected["high_res_pixel_values"])
    np.testing.assert_array_equal(pixels([small]), expected["pixel_values"])


def test_sizes_and_places_of_deepseek_vl_are_those_of_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_processing_pil_deepseek_vl_hybrid, "np_resize", lambda image, size, **kwargs: blank(size[::-1]))
    processor, strategy = DeepseekVLHybridImageProcessorPil(), planner("two-branches", sizes=(1024, 384), fit="pad")
    for size in random_sizes(10_000, longest=9999):
        resized = processor.resize(blank(size), SizeDict(height=1024, width=1024), processor.min_size)
        square = processor.pad_to_square(resized)
        again = processor.resize(square, SizeDict(height=384, width=384), processor.min_size)
        large, small = strategy.plan(*size).canvases
        assert large.content == resized.shape[:0:-1] and large.size == square.shape[:0:-1], size
        assert large.offset == place_of(square), size
        assert small.source == 0 and small.region == (0, 0, *large.size) and small.content == again.shape[:0:-1], size


def test_the_order_of_the_branches_is_that_of_their_sizes() -> None:
    picture = noise((50, 31))
    ahead = cut(picture, planner("two-branches", sizes=(64, 24), fit="pad").plan(50, 31))
    behind = cut(picture, planner("two-branches", sizes=(24, 64), fit="pad").plan(50, 31))
    assert [view.tobytes() for view in ahead] == [view.tobytes() for view in reversed(behind)]


@pytest.mark.parametrize(("second", "total"), [((0, 0), 576), ((24, 24), 1152)])
def test_where_branches_meet(second: tuple[int, int], total: int) -> None:
    plan = planner("two-branches", sizes=(1024, 384), fit="pad").plan(640, 480)
    assert plan.layout == (ViewTokens(0), ViewTokens(1))
    assert len(arrange(plan.layout, 2, lambda view: ((24, 24), second)[view], ())) == total


def test_two_branches_of_one_size_see_the_same() -> None:
    first, second = cut(noise((30, 50)), planner("two-branches", sizes=(16, 16), fit="pad").plan(30, 50))
    assert first.tobytes() == second.tobytes()
