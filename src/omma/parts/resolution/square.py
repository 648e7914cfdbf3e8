"""The ways to make any picture one square view: stretch it, pad it before or after it is resized, or crop its centre.

pad-square: LLaVA-1.5 (arXiv 2310.03744, section 3): pad to a square, then resize.
crop-square: LLaVA 1.0 (arXiv 2304.08485) through CLIP's preprocessing: short side to ``size``, then the centre.
fit-square: DeepSeek-VL (arXiv 2403.05525, section 3.1): long side to ``size``, then pad.
stretch-square: the rest of the field (SigLIP, BLIP-2, Qwen-VL): resize regardless of shape.
"""

from __future__ import annotations

from typing import Literal

from PIL import Image
from pydantic import Field

from omma.parts.base import PartConfig
from omma.parts.resolution.base import RESOLUTIONS, Canvas, Plan, Rectangle, Resolution, View, ViewTokens, checked

THINNEST = 14
"""Pixels that the short side of a picture keeps at least when its long side is fitted (DeepSeek-VL's processor)."""

SLIMMEST = 32
"""How many times as long as wide a picture is of which all is made larger before its middle is cut out. Of longer ones the whole
would take memory without end: 1 x 20,000 pixels would become 224 x 4,480,000."""

FILTERS = {"bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}

BESIDE = 8
"""Pixels on both sides of a square that interpolation may read."""


class SquareConfig(PartConfig):
    """One square view of ``size`` pixels a side."""

    size: int = Field(gt=0)


def _single(width: int, height: int, canvas: Canvas) -> Plan:
    return Plan((width, height), (canvas,), (View(0, (0, 0, *canvas.size)),), (ViewTokens(0),))


@RESOLUTIONS.register("stretch-square")
class StretchSquare(Resolution):
    is_plain = True

    class Config(SquareConfig):
        pass

    def plan(self, width: int, height: int) -> Plan:
        side = self.config.size
        return _single(width, height, Canvas(checked(width, height), (side, side), (side, side)))


@RESOLUTIONS.register("pad-square")
class PadSquare(Resolution):
    is_plain = True

    class Config(SquareConfig):
        pass

    def plan(self, width: int, height: int) -> Plan:
        checked(width, height)
        side, longest = self.config.size, max(width, height)
        left, top = (longest - width) // 2, (longest - height) // 2
        region = (-left, -top, longest - left, longest - top)
        return _single(width, height, Canvas(region, (side, side), (side, side)))


@RESOLUTIONS.register("fit-square")
class FitSquare(Resolution):
    is_plain = True

    class Config(SquareConfig):
        pass

    def plan(self, width: int, height: int) -> Plan:
        return _single(width, height, fitted(checked(width, height), self.config.size))


def fitted(whole: Rectangle, side: int) -> Canvas:
    """A square canvas with the whole picture in its own shape in the middle, and padding beside it."""
    longest = max(whole[2:])
    width, height = (max(round(length * (side / longest)), min(THINNEST, side)) for length in whole[2:])
    return Canvas(whole, (width, height), (side, side), ((side - width) // 2, (side - height) // 2))


@RESOLUTIONS.register("crop-square")
class CropSquare(Resolution):
    is_plain = True

    class Config(SquareConfig):
        resample: Literal["bicubic", "lanczos"] = "bicubic"
        """How it is resized (Chameleon: lanczos)."""

    def plan(self, width: int, height: int) -> Plan:
        region, side = checked(width, height), self.config.size
        if max(width, height) > SLIMMEST * min(width, height):
            region = _middle(width, height)
        width_there, height_there = region[2] - region[0], region[3] - region[1]
        shortest = min(width_there, height_there)
        # The long side is truncated, as transformers' get_resize_output_image_size does.
        content = (side * width_there // shortest, side * height_there // shortest)
        offset = (-((content[0] - side) // 2), -((content[1] - side) // 2))
        filter_ = FILTERS[self.config.resample]
        return _single(width, height, Canvas(region, content, (side, side), offset, resample=filter_))


def _middle(width: int, height: int) -> Rectangle:
    """The part of a slim picture that a square from its middle is made of, and what interpolation reads beside it.

    It is odd in length if the picture is, so that the middle stays where it is.
    """
    shortest, longest = min(width, height), max(width, height)
    kept = shortest + 2 * BESIDE
    before = (longest - kept - (longest - kept) % 2) // 2
    return (before, 0, longest - before, height) if width > height else (0, before, width, longest - before)
