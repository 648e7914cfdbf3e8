"""The geometry of the drawings: three for every cut picture. Templates turn it into SVG.

- the picture with the regions of its views, in the picture's pixels;
- the canvases with the views that are cut from them and the grids of their tokens, in the canvas's pixels;
- the sequence, piece by piece, in tokens: what is twice as large is twice as many.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from omma.evaluation.report.pictures import COARSE, data_uri
from omma.show.cutting import Box, Cutting, Piece, SeenView

HUES = 7
"""Colours of tiles, taken in turn."""

WHOLE = "whole"
"""Class of what shows the whole picture."""


@dataclass(frozen=True, slots=True)
class Outline:
    """A rectangle, and whose it is."""

    x: float
    y: float
    width: float
    height: float
    hue: str
    number: int = 0

    @property
    def label(self) -> float:
        """Height of its number, 0 if there is no room for one."""
        height = 0.3 * min(self.width, self.height)
        return height if height > 0 and self.width < 12 * self.height < 144 * self.width else 0


@dataclass(frozen=True, slots=True)
class PictureDrawing:
    """The picture and what views show of it. What lies outside of the picture is padding."""

    left: float
    top: float
    width: float
    height: float
    outlines: tuple[Outline, ...]
    padded: bool
    unseen: bool


@dataclass(frozen=True, slots=True)
class ViewDrawing:
    """A view on its canvas: lines between tokens as an SVG path, and strips of tokens that do not enter the sequence."""

    outline: Outline
    lines: str
    dropped: tuple[Outline, ...]
    seen: SeenView


@dataclass(frozen=True, slots=True)
class CanvasDrawing:
    """A canvas: what is on it, where no picture is, and its views.

    Attributes:
        complete: whether all of the picture is on it.
        coarse: whether its pixels are to be seen.
    """

    id: str
    width: int
    height: int
    picture: str
    complete: bool
    coarse: bool
    padding: tuple[Outline, ...]
    views: tuple[ViewDrawing, ...]

    @property
    def words(self) -> str:
        """What its views are, in a sentence."""
        first, count = self.views[0].seen, len(self.views)
        width, height = first.size
        if first.cell is None:
            said = f"{'The whole' if self.complete else 'A part of the'} picture at {width} × {height}"
        elif count == 1:
            said = f"One tile of {width} × {height}"
        else:
            rows, columns = (len({view.seen.cell[axis] for view in self.views if view.seen.cell}) for axis in (0, 1))
            said = f"{columns} × {rows} tiles of {width} × {height} on a canvas of {self.width} × {self.height}"
        rows, columns = first.grid
        each = " each" if count > 1 else ""
        if not rows:
            return f"{said}; its features join those of the view before"
        if first.placed:
            return f"{said}; {columns} × {rows} tokens{each}"
        return f"{said}; {rows * columns} tokens{each}, of no single place"


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of the sequence, in tokens.

    Attributes:
        width, height: of all of it, in tokens; 0 for marks and text.
        canvas: whose picture shows in it, None for tokens without places; ``crop`` is the part of it that does.
        dots: SVG path of single tokens.
    """

    piece: Piece
    width: float = 0
    height: float = 0
    canvas: CanvasDrawing | None = None
    crop: Box = (0, 0, 0, 0)
    outlines: tuple[Outline, ...] = ()
    dots: str = ""
    hue: str = WHOLE

    @property
    def words(self) -> str:
        """The piece in words, without its number of tokens."""
        piece = self.piece
        said = "newline" if piece.words == "\n" else f"“{piece.words}”"
        if piece.kind == "text":
            return f"text: {said}"
        if piece.kind == "mark":
            return f"mark: {piece.words}"
        rows, columns = piece.grid
        numbers = [number for row in piece.views for number in row]
        who = f"view {numbers[0]}" if len(numbers) == 1 else f"views {numbers[0]} to {numbers[-1]} as one map"
        ends = f", and {piece.ends} × {piece.words}" if piece.ends else ""
        ends += f", and {piece.breaks} × text: {said}" if piece.breaks else ""
        return f"{who}: {columns} × {rows}{ends}" if self.canvas is not None else f"{who}{ends}"


@dataclass(frozen=True, slots=True)
class Drawing:
    """All that is drawn of one cutting."""

    picture: PictureDrawing
    canvases: tuple[CanvasDrawing, ...]
    blocks: tuple[Block, ...]

    @property
    def dropped(self) -> bool:
        """Whether tokens are left out of the sequence."""
        return any(view.dropped for canvas in self.canvases for view in canvas.views)

    @property
    def marked(self) -> bool:
        """Whether there are learned marks in the sequence."""
        return any(block.piece.kind == "mark" or block.piece.ends for block in self.blocks)

    @property
    def places_lost(self) -> bool:
        """Whether there are tokens that stand for no single place."""
        return any(block.dots and block.canvas is None for block in self.blocks)

    @property
    def widest(self) -> float:
        """Tokens that the widest block is wide."""
        return max(block.width for block in self.blocks)


def drawing_of(cutting: Cutting, pixels: Sequence[np.ndarray], *, prefix: str, longest: int) -> Drawing:
    """The drawings of a cut picture.

    Args:
        pixels: uint8 [height, width, 3] of every view, as the encoder sees them before they are normalised.
        prefix: of the identifiers of its canvases, one for every cutting on a page.
        longest: pixels of a side that an embedded canvas has at most.
    """
    canvases = _canvases(cutting, pixels, prefix, longest)
    by_number = {canvas.id: canvas for canvas in canvases}
    blocks = tuple(_block(piece, cutting, by_number, prefix) for piece in cutting.pieces)
    return Drawing(_picture(cutting), canvases, blocks)


def _hue(view: SeenView) -> str:
    return WHOLE if view.cell is None else f"hue-{(view.cell[0] * 3 + view.cell[1]) % HUES}"


def _outline(box: Box, hue: str, number: int = 0) -> Outline:
    return Outline(box[0], box[1], box[2] - box[0], box[3] - box[1], hue, number)


def _picture(cutting: Cutting) -> PictureDrawing:
    width, height = cutting.plan.image
    regions = [view.region for view in cutting.views]
    left, top = min(0.0, *(r[0] for r in regions)), min(0.0, *(r[1] for r in regions))
    right, bottom = max(width, *(r[2] for r in regions)), max(height, *(r[3] for r in regions))
    slack = 1e-6 * max(width, height)
    whole = [view for view in cutting.views if view.cell is None]
    tiles = [view for view in cutting.views if view.cell is not None]
    shown: dict[Box, Outline] = {}
    for view in (*tiles, *whole):
        # Two views of the same region are one rectangle.
        shown.setdefault(view.region, _outline(view.region, _hue(view), 0 if tiles and view in whole else view.number))
    return PictureDrawing(
        left, top, right - left, bottom - top, tuple(shown.values()),
        padded=left < -slack or top < -slack or right > width + slack or bottom > height + slack,
        unseen=not _covers(_bounds(regions), cutting.plan.image),
    )  # fmt: skip


def _covers(region: Box, image: tuple[int, int]) -> bool:
    """Whether a region holds the whole picture, but for rounding."""
    slack = 1e-6 * max(image)
    return region[0] < slack and region[1] < slack and region[2] > image[0] - slack and region[3] > image[1] - slack


def _bounds(boxes: Sequence[Box]) -> Box:
    return min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes)


def _canvases(cutting: Cutting, pixels: Sequence[np.ndarray], prefix: str, longest: int) -> tuple[CanvasDrawing, ...]:
    drawings = []
    for number, canvas in enumerate(cutting.plan.canvases):
        views = [view for view in cutting.views if view.canvas == number]
        if not views:
            continue
        painted = Image.new("RGB", canvas.size)
        for view in views:
            painted.paste(Image.fromarray(pixels[view.number - 1]), view.box[:2])
        drawings.append(
            CanvasDrawing(
                f"{prefix}{number}",
                *canvas.size,
                data_uri(painted, longest),
                complete=_covers(_bounds([view.region for view in views]), cutting.plan.image),
                coarse=max(canvas.size) < COARSE,
                padding=_padding(canvas.size, views[0], cutting.plan.image),
                views=tuple(_view(view) for view in views),
            )
        )
    return tuple(drawings)


def _padding(size: tuple[int, int], view: SeenView, image: tuple[int, int]) -> tuple[Outline, ...]:
    """Strips of a canvas that show none of the picture."""
    (left, top, right, bottom), (width, height) = view.region, view.size
    x, y = width / (right - left), height / (bottom - top)
    # The corners of the picture on the canvas.
    first, upper = view.box[0] - left * x, view.box[1] - top * y
    strips = _around((first, upper, first + image[0] * x, upper + image[1] * y), *size)
    return tuple(_outline(s, "padding") for s in strips if s[2] - s[0] > 0.5 and s[3] - s[1] > 0.5)


def _around(inside: Box, width: float, height: float) -> list[Box]:
    """What is left of a rectangle at the origin without the one inside: strips above, below, left and right."""
    left, top = max(inside[0], 0), max(inside[1], 0)
    right, bottom = min(inside[2], width), min(inside[3], height)
    strips = [(0, 0, width, top), (0, bottom, width, height), (0, top, left, bottom), (right, top, width, bottom)]
    return [strip for strip in strips if strip[0] < strip[2] and strip[1] < strip[3]]


def _view(view: SeenView) -> ViewDrawing:
    (left, top, right, bottom), (rows, columns) = view.box, view.grid
    outline = _outline(view.box, _hue(view), view.number)
    if not view.placed:
        return ViewDrawing(outline, "", (), view)
    x, y = (right - left) / columns, (bottom - top) / rows
    lines = "".join(f"M{left + n * x:.6g} {top}V{bottom}" for n in range(1, columns))
    lines += "".join(f"M{left} {top + n * y:.6g}H{right}" for n in range(1, rows))
    dropped = tuple(
        _outline((left + a * x, top + b * y, left + c * x, top + d * y), "dropped")
        for a, b, c, d in _around(view.kept, columns, rows)
    )
    return ViewDrawing(outline, lines, dropped, view)


def _block(piece: Piece, cutting: Cutting, canvases: dict[str, CanvasDrawing], prefix: str) -> Block:
    if not piece.views:
        return Block(piece)
    views = [cutting.views[number - 1] for row in piece.views for number in row]
    hue = _hue(views[0])
    (rows, columns), ends = piece.grid, piece.ends
    if not views[0].placed:
        columns, rows = _squarish(rows * columns)
        return Block(piece, columns, rows, dots=_dots(piece.tokens, columns), hue=hue)
    # From tokens of the whole map to pixels of the canvas.
    left, top, right, bottom = _bounds([view.box for view in views])
    all_rows, all_columns = views[0].grid[0] * len(piece.views), views[0].grid[1] * len(piece.views[0])
    x, y = (right - left) / all_columns, (bottom - top) / all_rows
    first, upper, last, lower = piece.kept
    crop = (left + first * x, top + upper * y, left + last * x, top + lower * y)
    outlines = []
    for view in views:
        box = (
            (view.box[0] - crop[0]) / x,
            (view.box[1] - crop[1]) / y,
            (view.box[2] - crop[0]) / x,
            (view.box[3] - crop[1]) / y,
        )
        inside = max(box[0], 0), max(box[1], 0), min(box[2], columns), min(box[3], rows)
        if inside[0] < inside[2] and inside[1] < inside[3]:
            outlines.append(_outline(inside, _hue(view), view.number))
    marks = "".join(f"M{columns + 0.55} {row + 0.1}h.8v.8h-.8z" for row in range(ends))
    width = columns + 1.6 if ends else columns
    return Block(piece, width, rows, canvases[f"{prefix}{views[0].canvas}"], crop, tuple(outlines), marks, hue)


def _squarish(count: int) -> tuple[int, int]:
    """(columns, rows) for so many tokens without places."""
    columns = math.ceil(math.sqrt(count))
    return columns, math.ceil(count / columns)


def _dots(count: int, columns: int) -> str:
    return "".join(f"M{number % columns + 0.1:.4g} {number // columns + 0.1:.4g}h.8v.8h-.8z" for number in range(count))
