"""A chart as primitives (rectangles, texts, a line, a pie), their pixels, and the masks of what they show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw

from omma.data.playground.fonts import font, middles_of_characters
from omma.data.sample import Box, Mask

Color = tuple[int, int, int]
Rect = tuple[int, int, int, int]
Marker = Literal["circle", "square", "diamond"]

_FINE = 3  # lines and pies are drawn this many times larger and reduced


@dataclass(frozen=True, slots=True)
class Printed:
    """A text whose baseline begins at (x, y). ``ground`` is painted under it where lines would cross it."""

    text: str
    x: int
    y: int
    size: int
    color: Color
    ground: Color | None = None

    def box(self, font_name: str) -> Rect:
        """The box of the ink, in pixels."""
        left, top, right, bottom = ink_box(font_name, self.size, self.text)
        return self.x + left, self.y + top, self.x + right, self.y + bottom

    def words(self, font_name: str) -> list[Box]:
        """A box for each word."""
        left, top, right, bottom = self.box(font_name)
        middles = middles_of_characters(font_name, self.size, self.text)
        characters = [(self.x + x, (top + bottom) / 2) for x in middles]
        if " " not in self.text:
            return [Box(left, top, right, bottom, self.text, tuple(characters))]
        boxes, start = [], 0
        for word in self.text.split():
            start = self.text.index(word, start)
            # Spaces have no ink, so a word begins where its first letter ends, less the width of that letter.
            first_left, _, first_right, _ = ink_box(font_name, self.size, word[0])
            begin = ink_box(font_name, self.size, self.text[: start + 1])[2] - (first_right - first_left)
            end = start + len(word)
            right = self.x + ink_box(font_name, self.size, self.text[:end])[2]
            boxes.append(Box(self.x + begin, top, right, bottom, word, tuple(characters[start:end])))
            start = end
        return boxes


@dataclass(frozen=True, slots=True)
class Curve:
    """A line through points with a marker on each."""

    points: tuple[tuple[float, float], ...]
    color: Color
    width: float
    marker: Marker
    radius: float


@dataclass(frozen=True, slots=True)
class Pie:
    """Slices from ``start`` (degrees clockwise from the top), clockwise."""

    x: int
    y: int
    radius: int
    start: float
    shares: tuple[int, ...]
    colors: tuple[Color, ...]
    edge: Color
    hole: float

    def angles(self) -> list[tuple[float, float]]:
        """(begin, end) of each slice, in degrees clockwise from the top."""
        begins = [self.start + 3.6 * sum(self.shares[:i]) for i in range(len(self.shares) + 1)]
        return list(pairwise(begins))

    def point(self, angle: float, distance: float) -> tuple[float, float]:
        """The pixel at an angle, ``distance`` radii from the middle."""
        return (
            self.x + self.radius * distance * math.sin(math.radians(angle)),
            self.y - self.radius * distance * math.cos(math.radians(angle)),
        )

    def slice_box(self, i: int) -> tuple[float, float, float, float]:
        begin, end = self.angles()[i]
        quarters = [90 * k for k in range(math.ceil(begin / 90), math.floor(end / 90) + 1)]
        corners = [self.point(angle, 1) for angle in (begin, end, *quarters)]
        corners += [self.point(angle, self.hole) for angle in (begin, end)]
        xs, ys = zip(*corners, strict=True)
        return min(xs), min(ys), max(xs), max(ys)


@dataclass(frozen=True, slots=True)
class Figure:
    """All that a chart's picture is drawn from, back to front.

    Attributes:
        size: (width, height) in pixels.
        background: colour of the whole.
        rules: axes, grid lines, ticks, frames and swatches of a legend: filled rectangles (right and bottom exclusive).
        bars: filled rectangles, one per category; outline: colour of their edge, if any.
        curve, pie: at most one of them.
        texts: what is printed, in the font ``font_name``.
    """

    size: tuple[int, int]
    background: Color
    rules: tuple[tuple[Rect, Color], ...]
    bars: tuple[tuple[Rect, Color], ...]
    outline: Color | None
    curve: Curve | None
    pie: Pie | None
    texts: tuple[Printed, ...]
    font_name: str

    def shapes(self) -> list[tuple[float, float, float, float]]:
        """The boxes of the bars, markers or slices, in the table's order."""
        if self.curve:
            r = self.curve.radius
            return [(x - r, y - r, x + r, y + r) for x, y in self.curve.points]
        if self.pie:
            return [self.pie.slice_box(i) for i in range(len(self.pie.shares))]
        return [rect for rect, _ in self.bars]


@lru_cache(maxsize=1 << 14)
def ink_box(font_name: str, size: int, text: str) -> Rect:
    """The box of a text's ink, in pixels, seen from the beginning of its baseline."""
    left, top, right, bottom = font(font_name, size).getbbox(text, anchor="ls")
    return math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom)


def draw_figure(figure: Figure) -> Image.Image:
    """The picture, RGB."""
    picture = Image.new("RGB", figure.size, figure.background)
    pen = ImageDraw.Draw(picture)
    for (left, top, right, bottom), color in figure.rules:
        pen.rectangle((left, top, right - 1, bottom - 1), fill=color)
    for (left, top, right, bottom), color in figure.bars:
        pen.rectangle((left, top, right - 1, bottom - 1), fill=color, outline=figure.outline)
    if figure.pie:
        _draw_pie(picture, figure.pie, figure.background)
    if figure.curve:
        _draw_curve(picture, figure.curve)
    for text in figure.texts:
        if text.ground:
            left, top, right, bottom = text.box(figure.font_name)
            pen.rectangle((left - 1, top - 1, right, bottom), fill=text.ground)
        letters = font(figure.font_name, text.size)
        pen.text((text.x, text.y), text.text, fill=text.color, font=letters, anchor="ls")
    return picture


def figure_masks(figure: Figure, labels: tuple[str, ...]) -> tuple[Mask, ...]:
    """Pixels of each bar, marker or slice, in the table's order."""
    masks = []
    for i, label in enumerate(labels):
        fine = Image.new("L", (figure.size[0] * _FINE, figure.size[1] * _FINE), 0)
        pen = ImageDraw.Draw(fine)
        if figure.pie:
            begin, end = figure.pie.angles()[i]
            pen.pieslice(_circle(figure.pie, 1), begin - 90, end - 90, fill=255)
            if figure.pie.hole:
                pen.ellipse(_circle(figure.pie, figure.pie.hole), fill=0)
        elif figure.curve:
            _marker(pen, figure.curve, *figure.curve.points[i], fill=255)
        else:
            left, top, right, bottom = figure.bars[i][0]
            pen.rectangle((left * _FINE, top * _FINE, right * _FINE - 1, bottom * _FINE - 1), fill=255)
        masks.append(Mask(np.asarray(fine.reduce(_FINE)) > 127, label))
    return tuple(masks)


def _draw_pie(picture: Image.Image, pie: Pie, background: Color) -> None:
    side = 2 * pie.radius + 4
    left, top = pie.x - side // 2, pie.y - side // 2
    fine = Image.new("RGB", (side * _FINE, side * _FINE), background)
    pen = ImageDraw.Draw(fine)
    moved = Pie(pie.x - left, pie.y - top, pie.radius, pie.start, pie.shares, pie.colors, pie.edge, pie.hole)
    for (begin, end), color in zip(moved.angles(), pie.colors, strict=True):
        pen.pieslice(_circle(moved, 1), begin - 90, end - 90, fill=color)
    for begin, _ in moved.angles():
        x, y = moved.point(begin, 1)
        pen.line((moved.x * _FINE, moved.y * _FINE, x * _FINE, y * _FINE), fill=pie.edge, width=_FINE)
    if pie.hole:
        pen.ellipse(_circle(moved, pie.hole), fill=background)
    picture.paste(fine.reduce(_FINE), (left, top))


def _draw_curve(picture: Image.Image, curve: Curve) -> None:
    cover = Image.new("L", (picture.width * _FINE, picture.height * _FINE), 0)
    pen = ImageDraw.Draw(cover)
    pen.line(
        [(x * _FINE, y * _FINE) for x, y in curve.points], fill=255, width=round(curve.width * _FINE), joint="curve"
    )
    for x, y in curve.points:
        _marker(pen, curve, x, y, fill=255)
    picture.paste(curve.color, (0, 0), cover.reduce(_FINE))


def _marker(pen: ImageDraw.ImageDraw, curve: Curve, x: float, y: float, *, fill: int) -> None:
    x, y, r = x * _FINE, y * _FINE, curve.radius * _FINE
    if curve.marker == "circle":
        pen.ellipse((x - r, y - r, x + r - 1, y + r - 1), fill=fill)
    elif curve.marker == "square":
        pen.rectangle((x - r, y - r, x + r - 1, y + r - 1), fill=fill)
    else:
        pen.polygon([(x - r, y), (x, y - r), (x + r - 1, y), (x, y + r - 1)], fill=fill)


def _circle(pie: Pie, share: float) -> tuple[float, float, float, float]:
    x, y, r = pie.x * _FINE, pie.y * _FINE, pie.radius * share * _FINE
    return x - r, y - r, x + r - 1, y + r - 1
