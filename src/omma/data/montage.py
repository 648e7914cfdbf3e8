"""Several pictures on one sheet, in reading order: for models and objectives that take a single picture of bounded size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from omma.data.sample import ImageSource

GAP = 4
"""Pixels between two pictures."""

SHEET = (64, 64, 64)
"""What lies between the pictures, and where one is missing from the last row."""


@dataclass(frozen=True, slots=True)
class Montage:
    """The pictures row by row in a grid that is as square as can be, each at the top left of a cell of the largest one's size.

    Raises:
        ValueError: without pictures.
    """

    images: tuple[ImageSource, ...]

    def __post_init__(self) -> None:
        if not self.images:
            raise ValueError("a montage has at least one picture")

    @property
    def key(self) -> str:
        return f"montage({'|'.join(image.key for image in self.images)})"

    @property
    def size(self) -> tuple[int, int]:
        sizes = [image.size for image in self.images]
        width, height = _cell(sizes)
        columns = _columns(len(sizes))
        rows = math.ceil(len(sizes) / columns)
        return columns * (width + GAP) - GAP, rows * (height + GAP) - GAP

    def load(self) -> Image.Image:
        """The sheet, mode RGB. Raises BadInput if one of the pictures cannot be read."""
        sheet = Image.new("RGB", self.size, SHEET)
        for image, corner in zip(self.images, corners([image.size for image in self.images]), strict=True):
            sheet.paste(image.load(), corner)
        return sheet


def corners(sizes: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """(left, top) of each picture on the sheet, given their (width, height)."""
    width, height = _cell(sizes)
    columns = _columns(len(sizes))
    return [(place % columns * (width + GAP), place // columns * (height + GAP)) for place in range(len(sizes))]


def _cell(sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """(width, height) of a cell, in which each of the pictures has room."""
    return max(width for width, _ in sizes), max(height for _, height in sizes)


def _columns(pictures: int) -> int:
    return math.ceil(math.sqrt(pictures))
