"""Where a document's words land: rows become words with pixel positions, rules, bullets and a frame, before any drawing.

Sizes are in pixels. The print is as large as the page allows, within bounds, so that pages are full and legible.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from omma.data.playground.documents_contents import Document, Row
from omma.data.playground.fonts import font, middles_of_characters
from omma.data.sample import Box

SMALLEST, LARGEST = 11, 26
TINY = 7
"""Font sizes in pixels per em. Below the first, print is not legible on these pictures."""

MARGIN = 6
"""Kept free at every edge, so that skew moves no word off the page."""

PAGE_SIZES = ((128, 128), (128, 96), (96, 128), (128, 64), (112, 80), (112, 112))
_BETWEEN_COLUMNS = 8
_REFERENCE = 16  # the size at which widths are first measured; they grow almost linearly from there


class PrintedWord(NamedTuple):
    """A word with its pen position: ``x`` of the left end of the baseline, ``y`` of the baseline, before skew."""

    text: str
    field: str
    x: int
    y: int
    font: str
    size: int


class Bar(NamedTuple):
    """A filled rectangle: a rule, a bullet. ``outline`` means that only its edge is drawn."""

    left: int
    top: int
    right: int
    bottom: int
    outline: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A laid-out page.

    Attributes:
        size: (width, height).
        skew: degrees, counter-clockwise, about the middle of the picture.
        frame: "", "line", "double", "round" or "dashed".
    """

    size: tuple[int, int]
    words: tuple[PrintedWord, ...]
    bars: tuple[Bar, ...]
    frame: str
    skew: float

    def word_boxes(self) -> tuple[Box, ...]:
        """The printed words with the boxes that their ink fills after skew, in picture pixels."""
        return tuple(self._skewed(*_ink(word), word) for word in self.words)

    def field_boxes(self, word_boxes: tuple[Box, ...]) -> tuple[Box, ...]:
        """One box for the value of each field, around all of its words; ``Box.label`` is the field's name.

        Args:
            word_boxes: what `word_boxes` gave.
        """
        boxes: dict[str, Box] = {}
        for word, box in zip(self.words, word_boxes, strict=True):
            if word.field:
                boxes[word.field] = _around(boxes.get(word.field, box), box, word.field)
        return tuple(boxes.values())

    def _skewed(self, left: float, top: float, right: float, bottom: float, word: PrintedWord) -> Box:
        width, height = self.size
        angle = math.radians(self.skew)
        cos, sin = math.cos(angle), math.sin(angle)

        def turned(x: float, y: float) -> tuple[float, float]:
            x, y = x - width / 2, y - height / 2
            return round(width / 2 + x * cos + y * sin, 1), round(height / 2 - x * sin + y * cos, 1)

        xs, ys = zip(*(turned(x, y) for x in (left, right) for y in (top, bottom)), strict=True)
        middles = middles_of_characters(word.font, word.size, word.text)
        characters = tuple(turned(word.x + x, (top + bottom) / 2) for x in middles)
        return Box(min(xs), min(ys), max(xs), max(ys), word.text, characters)


def _around(a: Box, b: Box, label: str) -> Box:
    return Box(min(a.left, b.left), min(a.top, b.top), max(a.right, b.right), max(a.bottom, b.bottom), label)


def _ink(word: PrintedWord) -> tuple[float, float, float, float]:
    left, top, right, bottom = font(word.font, word.size).getbbox(word.text, anchor="ls")
    return word.x + left, word.y + top, word.x + right, word.y + bottom


@lru_cache(maxsize=8192)
def _width(name: str, size: int, word: str) -> int:
    return math.ceil(font(name, size).getlength(word))


@dataclass(frozen=True, slots=True)
class _Print:
    """A document's rows as they are printed (in their case), with the font: what can be measured."""

    rows: tuple[Row, ...]
    texts: tuple[tuple[str, ...], ...]
    font: str
    size: int

    def size_of(self, row: Row) -> int:
        return max(min(SMALLEST, self.size), min(LARGEST, round(self.size * row.scale)))

    def width(self, text: str, size: int) -> int:
        words = text.split()
        return sum(self.word_width(word, size) for word in words) + self.space(size) * (len(words) - 1)

    def word_width(self, word: str, size: int) -> int:
        return _width(self.font, size, word)

    def space(self, size: int) -> int:
        """Between words: the font's own space, but wide enough to be seen at small sizes."""
        return max(round(size * 0.36), self.word_width(" ", size))

    def columns(self) -> list[int]:
        """The widths of the grid's columns."""
        widths: list[int] = []
        for row, texts in zip(self.rows, self.texts, strict=True):
            if row.arrange == "grid":
                size = self.size_of(row)
                for i, text in enumerate(texts):
                    if i == len(widths):
                        widths.append(0)
                    widths[i] = max(widths[i], self.width(text, size))
        return widths

    def needs(self) -> tuple[int, int]:
        """(width, height) that the rows take at the least."""
        columns, height = self.columns(), 0
        widest = sum(columns) + _BETWEEN_COLUMNS * max(0, len(columns) - 1)
        for row, texts in zip(self.rows, self.texts, strict=True):
            size = self.size_of(row)
            height += line_height(size)
            if row.arrange != "grid":
                between = self.space(size) if row.arrange != "spread" else size // 2
                bullet = size if row.bullet else 0
                widest = max(widest, bullet + sum(self.width(t, size) for t in texts) + between * (len(texts) - 1))
        return widest, height


def line_height(size: int) -> int:
    return math.ceil(size * 1.22)


def lay_out(
    rng: random.Random, document: Document, casing: str, font_name: str, narrow_font: str, *, skew: float
) -> Page:
    """The document on a page of one of `PAGE_SIZES`.

    Args:
        casing: "lower", "upper" or "title"; codes are always upper.
        narrow_font: printed with instead if the text does not fit the largest page at `SMALLEST`; in lower case and down
            to `TINY` if even that does not (one page in some thousand: a table of long words).

    Raises:
        ValueError: if the text does not fit even so, which no document of `documents_kinds.KINDS` brings about.
    """
    wanted = rng.choice(PAGE_SIZES)
    largest = rng.randint(14, 22)
    frame = _frame(rng, document)
    roomy = rng.random()
    full = (128, 128)
    attempts = (
        (wanted, font_name, casing, SMALLEST),
        (full, font_name, casing, SMALLEST),
        (full, narrow_font, casing, SMALLEST),
        (full, narrow_font, "lower", TINY),
    )
    for size, name, case, smallest in attempts:
        printed = _fitted(document.rows, _printed(document, case), name, (smallest, largest), size)
        if printed is not None:
            words, bars = _placed(printed, size, roomy)
            return Page(size, tuple(words), tuple(bars), frame, skew)
    raise ValueError(f"a {document.kind} does not fit any page: {document.lines}")


def _printed(document: Document, casing: str) -> tuple[tuple[str, ...], ...]:
    """The texts of the cells of each row as they are printed."""
    return tuple(
        tuple(cell.text.upper() if cell.code else cased(cell.text, casing) for cell in row.cells)
        for row in document.rows
    )


def cased(text: str, casing: str) -> str:
    """The text in "lower", "upper" or "title" case; title case touches the first letter of each word only."""
    if casing == "upper":
        return text.upper()
    return " ".join(word[0].upper() + word[1:] for word in text.split()) if casing == "title" else text


def _frame(rng: random.Random, document: Document) -> str:
    if document.kind == "plate":
        return rng.choice(("round", "double"))
    if document.kind == "ticket":
        return rng.choice(("dashed", "dashed", "line"))
    if document.kind in ("sign", "price tag", "badge"):
        return rng.choice(("", "line", "round", "double"))
    return rng.choice(("", "", "", "line"))


def _fitted(
    rows: tuple[Row, ...], texts: tuple[tuple[str, ...], ...], name: str, sizes: tuple[int, int], page: tuple[int, int]
) -> _Print | None:
    """The print at the largest of the sizes (smallest, largest) that fits, or None if the smallest does not."""
    smallest, largest = sizes
    room = (page[0] - 2 * MARGIN, page[1] - 2 * MARGIN)
    width, height = _Print(rows, texts, name, _REFERENCE).needs()
    guess = min(room[0] / width, room[1] / height) * _REFERENCE
    for size in range(max(smallest, min(largest, math.ceil(guess))), smallest - 1, -1):
        printed = _Print(rows, texts, name, size)
        width, height = printed.needs()
        if width <= room[0] and height <= room[1]:
            return printed
    return None


def _placed(printed: _Print, page: tuple[int, int], roomy: float) -> tuple[list[PrintedWord], list[Bar]]:
    width, height = page
    needed_width, needed_height = printed.needs()
    free = height - 2 * MARGIN - needed_height
    leading = min(8, int(free * roomy / len(printed.rows)))
    y = MARGIN + (free - leading * len(printed.rows)) // 2
    # Text in columns spreads over most of the page, but not over an emptiness that the eye cannot cross.
    used = min(width - 2 * MARGIN, max(needed_width, round((0.6 + 0.4 * roomy) * (width - 2 * MARGIN))))
    left = (width - used) // 2
    words: list[PrintedWord] = []
    bars: list[Bar] = []
    columns = printed.columns()
    for row, texts in zip(printed.rows, printed.texts, strict=True):
        size = printed.size_of(row)
        baseline = y + leading // 2 + round(size * 0.95)
        widths = [printed.width(text, size) for text in texts]
        start = left
        if row.bullet:
            middle, half = baseline - round(size * 0.3), max(1, size // 6)
            bars.append(Bar(left, middle - half, left + 2 * half, middle + half, outline=size >= 14))
            start += size
        for x, text, cell in zip(_starts(row, widths, columns, start, used, printed), texts, row.cells, strict=True):
            for word in text.split():
                words.append(PrintedWord(word, cell.field, x, baseline, printed.font, size))
                x += printed.word_width(word, size) + printed.space(size)
        y += line_height(size) + leading
        if row.rule_below:
            bars.append(Bar(left, y - leading // 2, left + used, y - leading // 2))
    return words, bars


def _starts(row: Row, widths: list[int], columns: list[int], start: int, used: int, printed: _Print) -> list[int]:
    """The x at which each cell of the row starts."""
    size = printed.size_of(row)
    if row.arrange == "grid":
        spare = (used - sum(columns)) // max(1, len(columns) - 1)
        return [start + sum(columns[:i]) + i * min(spare, 30) for i in range(len(widths))]
    if row.arrange == "spread":
        return [start] * (len(widths) - 1) + [start + used - widths[-1]]
    total = sum(widths) + printed.space(size) * (len(widths) - 1)
    slack = {"center": (used - total) // 2, "right": used - total}.get(row.arrange, 0)
    return [start + slack + sum(widths[:i]) + i * printed.space(size) for i in range(len(widths))]
