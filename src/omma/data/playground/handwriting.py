"""Real handwritten digits, enlarged and placed: the glyphs of the world ``digits``.

The 1,797 glyphs are the test part of "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak, UCI, 1998), which
scikit-learn ships as ``datasets/data/digits.csv.gz``: 8x8 cells of ink from 0 to 16, and the digit that they show.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image

from omma.data.playground.base import DrawnImage, Split
from omma.data.sample import Box, Sample, user
from omma.errors import BadInput

TRAIN_GLYPHS = 1400
"""The first so many glyphs are for the split train; the rest is handwriting that only the other splits show."""

_CELLS = 8
_PAD = 2  # zero cells around a glyph, so that interpolation fades to paper at its edge
_FINE = 4  # boxes are measured on glyphs enlarged so many times
_FAINT = 0.3  # no stroke is lighter than this
_CONTRAST = 3.2  # turns the soft slopes of an 8x8 glyph into the edge of a pen stroke
_GAP = 1.0  # pixels of paper between the boxes of two glyphs, at the least


@dataclass(frozen=True, slots=True)
class Glyph:
    """One handwritten digit at its place.

    Attributes:
        digit: what it shows, 0 to 9.
        row: which glyph of the data set.
        x, y: its centre, in pixels.
        size: side of its 8x8 cells after scaling, in pixels.
        angle: rotation in radians; shear: horizontal shift per unit of height.
        level: ink above this share of the darkest is stroke; lower is bolder.
    """

    digit: int
    row: int
    x: float
    y: float
    size: float
    angle: float
    shear: float
    level: float

    def matrix(self) -> tuple[float, float, float, float]:
        """(a, b, c, d) of the map from cells, seen from the glyph's middle, to pixels seen from its centre."""
        scale, cos, sin = self.size / _CELLS, math.cos(self.angle), math.sin(self.angle)
        return scale * cos, scale * (cos * self.shear - sin), scale * sin, scale * (sin * self.shear + cos)


@lru_cache(maxsize=1)
def handwriting() -> tuple[np.ndarray, np.ndarray]:
    """All glyphs: cells uint8 [1797, 8, 8] from 0 to 16, and digits uint8 [1797]. Read once per process.

    Raises:
        BadInput: scikit-learn, which brings the data, is not installed.
    """
    # Finding the package without importing it saves a second in every worker process.
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise BadInput(
            "playground world digits",
            expected="the data of the package scikit-learn",
            found="no such package",
            remedy="pip install scikit-learn",
        )
    table = np.loadtxt(
        Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz", delimiter=",", dtype=np.uint8
    )
    return table[:, :-1].reshape(-1, _CELLS, _CELLS), table[:, -1]


@lru_cache(maxsize=3)
def rows_of_digits(split: Split) -> tuple[tuple[int, ...], ...]:
    """For each digit, the rows of the data set that the split may show."""
    _, digits = handwriting()
    rows = range(TRAIN_GLYPHS) if split == "train" else range(TRAIN_GLYPHS, len(digits))
    return tuple(tuple(row for row in rows if digits[row] == digit) for digit in range(10))


def single_digit(row: int) -> Sample:
    """One glyph as a picture of 32 x 32 pixels, dark on light, whose class is the digit."""
    cells, digits = handwriting()

    def draw() -> Image.Image:
        return Image.fromarray(255 - cells[row] * 15).resize((32, 32), Image.Resampling.BICUBIC).convert("RGB")

    picture = DrawnImage(f"handwriting/{row}", (32, 32), draw)
    return Sample(f"handwriting/{row}", (user(picture),), source="handwriting", meta={"class": int(digits[row])})


def glyph_box(glyph: Glyph, size: tuple[int, int]) -> Box:
    """The box of the ink in a picture of ``size`` (width, height), in pixels, computed without drawing.

    Within a pixel of the drawn ink for most glyphs, within three for all.
    """
    ink, xs, ys = _fine_ink(glyph.row)
    strong = ink > glyph.level
    a, b, c, d = glyph.matrix()
    x, y = a * xs[strong] + b * ys[strong], c * xs[strong] + d * ys[strong]
    reach = glyph.size / _CELLS / _FINE / 2
    return Box(
        max(0.0, float(glyph.x + x.min() - reach)),
        max(0.0, float(glyph.y + y.min() - reach)),
        min(float(size[0]), float(glyph.x + x.max() + reach)),
        min(float(size[1]), float(glyph.y + y.max() + reach)),
        str(glyph.digit),
    )


def set_apart(glyphs: Sequence[Glyph], size: tuple[int, int]) -> tuple[Glyph, ...]:
    """The glyphs, smaller where two would touch: about their centres, until a gap lies between the boxes of any two.

    Cells leave room for most hands; few glyphs fill their cell to the edge and lean out of it.

    Args:
        size: (width, height) of the picture. The centres of the glyphs must differ.
    """
    placed = list(glyphs)
    while True:
        boxes = [glyph_box(glyph, size) for glyph in placed]
        touching = {k for i, j in combinations(range(len(boxes)), 2) if _touch(boxes[i], boxes[j]) for k in (i, j)}
        if not touching:
            return tuple(placed)
        for k in touching:
            placed[k] = replace(placed[k], size=placed[k].size * 0.97)


def _touch(a: Box, b: Box) -> bool:
    across = min(a.right, b.right) - max(a.left, b.left)
    down = min(a.bottom, b.bottom) - max(a.top, b.top)
    return min(across, down) > -_GAP


def glyph_ink(glyph: Glyph, size: tuple[int, int]) -> np.ndarray:
    """How much ink covers each pixel of a picture of ``size`` (width, height): float32 [height, width], 0 to 1."""
    a, b, c, d = glyph.matrix()
    det = a * d - b * c
    half = math.ceil(glyph.size * 0.8)
    left, top = math.floor(glyph.x) - half, math.floor(glyph.y) - half
    dx, dy = left - glyph.x, top - glyph.y
    ia, ib, ic, id_ = d / det, -b / det, -c / det, a / det
    middle = _CELLS / 2 + _PAD
    coefficients = (ia, ib, ia * dx + ib * dy + middle, ic, id_, ic * dx + id_ * dy + middle)
    tile = _cells_image(glyph.row).transform(
        (2 * half, 2 * half), Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC
    )
    ink = np.zeros((size[1], size[0]), np.float32)
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + 2 * half, size[0]), min(top + 2 * half, size[1])
    seen = np.asarray(tile, np.float32)[y0 - top : y1 - top, x0 - left : x1 - left] / 255
    ink[y0:y1, x0:x1] = np.clip((seen - glyph.level) * _CONTRAST + 0.5, 0, 1)
    return ink


@lru_cache(maxsize=2048)
def _cells_image(row: int) -> Image.Image:
    padded = np.pad(_stretched(row), _PAD)
    return Image.fromarray(np.round(padded * 255).astype(np.uint8))


@lru_cache(maxsize=2048)
def _fine_ink(row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Strength (0 to 1), x and y (from the glyph's middle, in cells) wherever the glyph, enlarged `_FINE` times, has ink."""
    side = (_CELLS + 2 * _PAD) * _FINE
    fine = np.asarray(_cells_image(row).resize((side, side), Image.Resampling.BICUBIC), np.float32) / 255
    ys, xs = np.nonzero(fine > _FAINT)
    return fine[ys, xs], (xs + 0.5) / _FINE - _CELLS / 2 - _PAD, (ys + 0.5) / _FINE - _CELLS / 2 - _PAD


def _stretched(row: int) -> np.ndarray:
    cells = handwriting()[0][row].astype(np.float32)
    return cells / cells.max()
