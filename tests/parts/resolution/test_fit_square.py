"""The picture in its own shape on a square: pixels of transformers, and the thinnest pictures."""

from __future__ import annotations

import numpy as np
import pytest
from transformers.image_utils import SizeDict
from transformers.models.deepseek_vl import image_processing_pil_deepseek_vl
from transformers.models.deepseek_vl.image_processing_pil_deepseek_vl import DeepseekVLImageProcessorPil

from omma.parts.resolution.base import Size, cut
from parts.resolution.planning import blank, noise, pixels, place_of, planner, random_sizes


@pytest.mark.parametrize("size", [(64, 48), (30, 77), (100, 100), (300, 2), (1, 50), (7, 5), (31, 64)])
def test_pixels_are_those_of_transformers(size: Size) -> None:
    processor = DeepseekVLImageProcessorPil(size={"height": 48, "width": 48}, do_rescale=False, do_normalize=False)
    picture = noise(size)
    expected = processor(picture, return_tensors="np")["pixel_values"]
    found = pixels(cut(picture, planner("fit-square", size=48).plan(*size), fill=processor.background_color))
    np.testing.assert_array_equal(found, expected)


def test_sizes_and_places_are_those_of_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_processing_pil_deepseek_vl, "np_resize", lambda image, size, **kwargs: blank(size[::-1]))
    processor, strategy = DeepseekVLImageProcessorPil(), planner("fit-square", size=384)
    for size in random_sizes(10_000, longest=9999):
        resized = processor.resize(blank(size), SizeDict(height=384, width=384), processor.min_size)
        (canvas,) = strategy.plan(*size).canvases
        assert canvas.content == resized.shape[:0:-1], size
        assert canvas.offset == place_of(processor.pad_to_square(resized)), size


def test_a_square_smaller_than_the_thinnest_side_is_filled() -> None:
    plan = planner("fit-square", size=8).plan(300, 2)
    assert plan.canvases[0].content == plan.canvases[0].size == (8, 8)
