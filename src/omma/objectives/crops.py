"""Random crops and changes of colour for objectives from images alone.

Everything random is drawn from a generator that is given, so the same sample at the same position of a run is always cut
and coloured alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Annotated

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from pydantic import AfterValidator

from omma.parts.resolution.base import Canvas, Plan, Rectangle, Size, View

TRIES = 10
"""How often a crop is drawn anew if it does not fit into the picture."""

WIDEST = 4 / 3
"""Largest ratio of the sides of a crop, either way."""


def _share(scale: tuple[float, float]) -> tuple[float, float]:
    if not 0 < scale[0] <= scale[1] <= 1:
        raise ValueError("a smallest and a largest share of the picture, above 0 and up to 1")
    return scale


Scale = Annotated[tuple[float, float], AfterValidator(_share)]
"""Smallest and largest share of a picture's area."""


def chance_of(identity: str) -> np.random.Generator:
    """A generator whose numbers follow from a text alone, in every process and on every machine."""
    return np.random.default_rng(int.from_bytes(blake2b(identity.encode(), digest_size=16).digest()))


def random_region(size: Size, scale: Scale, chance: np.random.Generator) -> Rectangle:
    """A rectangle inside a picture, with a random share of its area, shape and place ("Going Deeper with Convolutions",
    arXiv 1409.4842, section 6).

    Ratios of its sides are drawn evenly on a logarithmic scale. If nothing fits, it is the largest one in the middle.

    Args:
        size: (width, height) of the picture.
        scale: smallest and largest share of the area.
    """
    width, height = size
    for _ in range(TRIES):
        area = chance.uniform(*scale) * width * height
        ratio = math.exp(chance.uniform(-math.log(WIDEST), math.log(WIDEST)))
        wide, high = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < wide <= width and 0 < high <= height:
            left, top = int(chance.integers(width - wide + 1)), int(chance.integers(height - high + 1))
            return left, top, left + wide, top + high
    wide, high = min(width, round(height * WIDEST)), min(height, round(width * WIDEST))
    left, top = (width - wide) // 2, (height - high) // 2
    return left, top, left + wide, top + high


def plan_of_crops(size: Size, regions: Sequence[Rectangle], sides: Sequence[int]) -> Plan:
    """A plan that makes a square view of every region of a picture, without a place in any sequence."""
    canvases = tuple(Canvas(region, (side, side), (side, side)) for region, side in zip(regions, sides, strict=True))
    return Plan(size, canvases, tuple(View(number, (0, 0, *c.size)) for number, c in enumerate(canvases)), ())


def distorted(picture: Image.Image, chance: np.random.Generator, *, blur: float, solarize: float) -> Image.Image:
    """A picture with other colours, blurred or solarised by chance (BYOL, arXiv 2006.07733, appendix B).

    Args:
        blur, solarize: how likely either is. Colours change in four of five pictures, one of five turns grey.
    """
    if chance.random() < 0.8:
        changes = _color_changes(chance)
        for number in chance.permutation(len(changes)):
            picture = changes[number](picture)
    if chance.random() < 0.2:
        picture = picture.convert("L").convert("RGB")
    if chance.random() < blur:
        picture = picture.filter(ImageFilter.GaussianBlur(chance.uniform(0.1, 2.0)))
    if chance.random() < solarize:
        picture = ImageOps.solarize(picture, threshold=128)
    return picture


def _color_changes(chance: np.random.Generator) -> list[Callable[[Image.Image], Image.Image]]:
    brightness, contrast, saturation = (chance.uniform(1 - most, 1 + most) for most in (0.4, 0.4, 0.2))
    turn = chance.uniform(-0.1, 0.1)
    return [
        lambda picture: ImageEnhance.Brightness(picture).enhance(brightness),
        lambda picture: ImageEnhance.Contrast(picture).enhance(contrast),
        lambda picture: ImageEnhance.Color(picture).enhance(saturation),
        lambda picture: _with_hue_turned(picture, turn),
    ]


def _with_hue_turned(picture: Image.Image, turn: float) -> Image.Image:
    """Hues moved around the colour circle by a share of it."""
    hue, saturation, value = picture.convert("HSV").split()
    hue = hue.point([(level + round(turn * 255)) % 256 for level in range(256)])
    return Image.merge("HSV", (hue, saturation, value)).convert("RGB")
