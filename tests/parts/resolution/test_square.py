"""Squares cut from the middle: of pictures so long that nobody can enlarge all of them, too."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from omma.parts.resolution.base import cut
from omma.parts.resolution.square import SLIMMEST, CropSquare
from parts.resolution.planning import noise


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


@pytest.mark.parametrize("size", [(1, 20_000), (20_000, 1), (3, 30_000), (1, 30_000)])
def test_what_is_enlarged_is_bounded(size: tuple[int, int]) -> None:
    plan = CropSquare.Config(size=336).build().plan(*size)
    (canvas,) = plan.canvases
    assert max(canvas.content) <= 32 * 336
    (view,) = cut(noise(size), plan)
    assert view.size == (336, 336)
