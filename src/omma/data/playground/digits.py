"""The world ``digits``: real handwriting, composed into numbers, columns, grids, sums and scattered digits.

The compositional split places digits next to each other that no other split ever shows as neighbours, in handwriting that
training never shows either.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
from PIL import Image

from omma.data.playground.base import SPLITS, WORLDS, DrawnImage, Scene, Split, World, scene_random
from omma.data.playground.digits_layout import HELD_OUT_PAIRS, Layout, LayoutName, sample_layout
from omma.data.playground.digits_questions import ask
from omma.data.playground.handwriting import Glyph, glyph_box, glyph_ink, rows_of_digits, set_apart
from omma.data.sample import Mask

Color = tuple[int, int, int]

SIDE = 128
_MARGIN = 4
_DARK: tuple[Color, ...] = (
    (20, 20, 24),
    (24, 36, 110),
    (16, 70, 50),
    (110, 22, 30),
    (72, 44, 24),
    (62, 26, 92),
    (60, 62, 70),
)
_LIGHT: tuple[Color, ...] = (
    (250, 250, 248), (244, 238, 220), (228, 238, 248), (236, 246, 232), (252, 232, 232), (255, 246, 190), (226, 224, 222),
)  # fmt: skip
_CAPTIONS: dict[LayoutName, tuple[str, ...]] = {
    "single": ("a handwritten {first}", "the digit {first} written by hand", "one handwritten digit"),
    "row": (
        "a handwritten number with {n} digits",
        "the number {number} in handwriting",
        "the handwritten number {number}",
    ),
    "column": ("{n} digits in a column", "a column of {n} handwritten digits", "{n} digits, one below the other"),
    "grid": ("a grid of {n} handwritten digits", "{n} digits in {rows} rows", "{rows} rows of {columns} digits"),
    "scatter": ("{n} scattered digits", "{n} handwritten digits here and there", "some handwritten digits"),
    "sum": ("a handwritten sum", "two digits with a plus sign", "{first} plus {last}, written by hand"),
}


@dataclass(frozen=True, slots=True)
class Page:
    """All that a picture of digits is drawn from.

    Attributes:
        size: (width, height) in pixels.
        paper, ink: colours.
        ruled: pixels between faint lines, 0 for none; squared: whether they also run down.
        grain: standard deviation of the paper's noise, in grey levels; grain_seed: which noise.
        glyphs: the digits.
        plus: centre and half length of a plus sign, if there is one.
    """

    size: tuple[int, int]
    paper: Color
    ink: Color
    ruled: int
    squared: bool
    grain: float
    grain_seed: int
    glyphs: tuple[Glyph, ...]
    plus: tuple[float, float, float] | None


def draw_page(page: Page) -> Image.Image:
    """The picture, RGB."""
    width, height = page.size
    paper, ink = np.array(page.paper, np.float32), np.array(page.ink, np.float32)
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = paper
    if page.ruled:
        line = paper * 0.86 + ink * 0.14
        picture[page.ruled // 2 :: page.ruled] = line
        if page.squared:
            picture[:, page.ruled // 2 :: page.ruled] = line
    cover = np.zeros((height, width), np.float32)
    for glyph in page.glyphs:
        np.maximum(cover, glyph_ink(glyph, page.size), out=cover)
    if page.plus:
        np.maximum(cover, _plus_ink(page.plus, page.size), out=cover)
    picture += cover[..., None] * (ink - picture)
    if page.grain:
        noise = np.random.Generator(np.random.PCG64(page.grain_seed)).standard_normal((height, width, 1), np.float32)
        picture += page.grain * noise
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


def digit_masks(page: Page) -> tuple[Mask, ...]:
    """The ink of each digit, in the order of the scene's boxes."""
    return tuple(Mask(glyph_ink(glyph, page.size) > 0.5, str(glyph.digit)) for glyph in page.glyphs)


@WORLDS.register("digits")
class Digits(World):
    """Handwritten digits: reading, counting, comparing and adding them."""

    name: ClassVar[str] = "digits"

    class Config(World.Config):
        pass

    def scene(self, split: Split, index: int) -> Scene:
        if split not in SPLITS or index < 0:
            raise ValueError(f"digits has the splits {', '.join(SPLITS)} and indices from 0, not {split!r}, {index}")
        rng = scene_random(self.name, split, index)
        layout = sample_layout(rng, held_out=split == "compositional")
        page = _page(layout, split, rng)
        caption = rng.choice(_CAPTIONS[layout.name]).format(
            n=len(layout.digits),
            number="".join(map(str, layout.digits)),
            first=layout.digits[0],
            last=layout.digits[-1],
            rows=layout.shape[0],
            columns=layout.shape[1],
        )
        description, questions = layout.description(rng), ask(layout, rng)
        return Scene(
            id=f"{self.name}/{split}/{index}",
            images=(DrawnImage(f"playground/1/{self.name}/{split}/{index}/0", page.size, partial(draw_page, page)),),
            caption=caption,
            description=description,
            questions=questions,
            boxes=tuple(glyph_box(glyph, page.size) for glyph in page.glyphs),
            masks=partial(digit_masks, page),
            facts={
                "layout": layout.name,
                "shape": list(layout.shape),
                "cells": [list(cell) for cell in layout.cells],
                "digits": list(layout.digits),
                "glyphs": [glyph.row for glyph in page.glyphs],
                "held_out_pairs": [list(pair) for pair in layout.pairs() if pair in HELD_OUT_PAIRS],
            },
        )


def _page(layout: Layout, split: Split, rng: random.Random) -> Page:
    width, height = _picture_size(layout.name, rng)
    rows, columns = (1, 3) if layout.name == "sum" else layout.shape
    if layout.name == "scatter":
        size = rng.uniform(28, 35)
        pitch_x = pitch_y = SIDE / 3
        left = top = 0.0
    else:
        size = min(rng.uniform(30, 44), (width - 2 * _MARGIN) / columns, (height - 2 * _MARGIN) / rows)
        pitch_x = rng.uniform(size, min(size * 1.3, (width - 2 * _MARGIN) / columns))
        pitch_y = rng.uniform(size, min(size * 1.3, (height - 2 * _MARGIN) / rows))
        left = rng.uniform(_MARGIN, width - _MARGIN - columns * pitch_x)
        top = rng.uniform(_MARGIN, height - _MARGIN - rows * pitch_y)
    lean = rng.uniform(-0.06, 0.06)  # one hand leans all its digits alike, each a little differently
    level = rng.uniform(0.34, 0.48)
    pool = rows_of_digits(split)
    glyphs = []
    for digit, (row, column) in zip(layout.digits, layout.cells, strict=True):
        column = column * 2 if layout.name == "sum" else column
        jitter = 3.0 if layout.name == "scatter" else 1.2
        glyphs.append(
            Glyph(
                digit,
                rng.choice(pool[digit]),
                left + (column + 0.5) * pitch_x + rng.uniform(-jitter, jitter),
                top + (row + 0.5) * pitch_y + rng.uniform(-jitter, jitter),
                size * rng.uniform(0.88, 0.98),
                math.radians(rng.uniform(-10, 10)),
                lean + rng.uniform(-0.08, 0.08),
                level,
            )
        )
    plus = (left + 1.5 * pitch_x, top + 0.5 * pitch_y, size * rng.uniform(0.22, 0.3)) if layout.name == "sum" else None
    paper, ink = rng.choice(_LIGHT), rng.choice(_DARK)
    if rng.random() < 0.2:
        paper, ink = ink, paper
    return Page(
        size=(width, height),
        paper=paper,
        ink=ink,
        ruled=rng.randint(9, 18) if rng.random() < 0.3 else 0,
        squared=rng.random() < 0.5,
        grain=rng.uniform(1, 6) if rng.random() < 0.5 else 0.0,
        grain_seed=rng.getrandbits(32),
        glyphs=set_apart(glyphs, (width, height)),
        plus=plus,
    )


def _picture_size(name: LayoutName, rng: random.Random) -> tuple[int, int]:
    if rng.random() < 0.65 or name in ("grid", "scatter"):
        return SIDE, SIDE
    if name == "single":
        side = rng.randint(64, 112)
        return side, side
    short = rng.randint(52, 104)
    return (short, SIDE) if name == "column" else (SIDE, short)


def _plus_ink(plus: tuple[float, float, float], size: tuple[int, int]) -> np.ndarray:
    x, y, half = plus
    dx = np.abs(np.arange(size[0], dtype=np.float32) + 0.5 - x)
    dy = np.abs(np.arange(size[1], dtype=np.float32) + 0.5 - y)[:, None]
    thick = half * 0.25 + 0.5
    # Coverage of a pixel falls from 1 to 0 over the one pixel at the edge of a bar.
    across = np.clip(half - dx + 0.5, 0, 1) * np.clip(thick - dy + 0.5, 0, 1)
    down = np.clip(thick - dx + 0.5, 0, 1) * np.clip(half - dy + 0.5, 0, 1)
    return np.maximum(across, down)
