"""Squares cut from the middle: of pictures so long that nobody can enlarge all of them, too."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from transformers import image_processing_backends
from transformers.image_utils import SizeDict
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

from omma.parts.resolution.base import cut
from omma.parts.resolution.square import SLIMMEST, CropSquare, PadSquare
from parts.resolution.planning import blank, noise, place_of, random_sizes


def whole(picture: Image.Image, side: int) -> np.ndarray:
    """The middle of the picture made larger as a whole, as CLIP's preprocessing has it."""
    width, height = picture.size
    shortest = min(width, height)
    large = picture.resize((side * width // shortest, side * height // shortest), Image.Resampling.BICUBIC)
    left, top = (large.width - side) // 2, (large.height - side) // 2
    return np.asarray(large.crop((left, top, left + side, top + side)))


@pytest.mark.parametrize("size", [(40, 30), (7, 7 * SLIMMEST), (1, 600), (600, 1), (2, 999), (2, 1000), (3, 901), (905, 4)])
def test_the_middle_is_the_same_however_long_the_picture_is(size: tuple[int, int]) -> None:
    picture = noise(size)
    (view,) = cut(picture, CropSquare.Config(size=28).build().plan(*size))
    # The whole is scaled by a ratio that was truncated, which a part of it cannot be exactly.
    assert np.abs(np.asarray(view).astype(int) - whole(picture, 28)).max() <= 2


def test_sizes_and_places_of_the_middle_are_those_of_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_processing_backends, "np_resize", lambda image, size, **kwargs: blank(size[::-1]))
    processor, strategy = CLIPImageProcessorPil(), CropSquare.Config(size=336).build()
    # Of slimmer ones they enlarge all.
    sizes = [size for size in random_sizes(15_000, longest=9999) if max(size) <= SLIMMEST * min(size)]
    assert len(sizes) >= 10_000
    for size in sizes:
        resized = processor.resize(blank(size), SizeDict(shortest_edge=336))
        columns, rows = np.arange(resized.shape[2])[None, None], np.arange(resized.shape[1])[None, :, None]
        left, top = (
            int(processor.center_crop(np.broadcast_to(numbers, resized.shape), SizeDict(height=336, width=336))[0, 0, 0])
            for numbers in (columns, rows)
        )
        (canvas,) = strategy.plan(*size).canvases
        assert canvas.content == resized.shape[:0:-1] and canvas.size == (336, 336), size
        assert canvas.offset == (-left, -top), size


def test_where_a_picture_is_padded_is_where_transformers_pads_it() -> None:
    processor, strategy = LlavaImageProcessorPil(), PadSquare.Config(size=336).build()
    for size in random_sizes(10_000, longest=299):
        square = processor.pad_to_square(blank(size))
        left, top = place_of(square)
        (canvas,) = strategy.plan(*size).canvases
        assert canvas.region == (-left, -top, square.shape[2] - left, square.shape[1] - top), size


@pytest.mark.parametrize("size", [(1, 20_000), (20_000, 1), (3, 30_000), (1, 30_000)])
def test_what_is_enlarged_is_bounded(size: tuple[int, int]) -> None:
    plan = CropSquare.Config(size=336).build().plan(*size)
    (canvas,) = plan.canvases
    assert max(canvas.content) <= 32 * 336
    (view,) = cut(noise(size), plan)
    assert view.size == (336, 336)
