"""What one choice of parts makes of a picture of some size, as numbers: views, their tokens, the sequence, the cost.

All of it is read off the plan and the arrangement that the model itself uses (`omma.model.views.Arranger`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from torch import nn

from omma.model.views import Arranger
from omma.parts.resolution import Plan, Resolution
from omma.parts.resolution.base import Rectangle, Size
from omma.parts.resolution.layout import (
    Arrangement,
    Grid,
    LayoutItem,
    MapTokens,
    Mark,
    Text,
    ViewTokens,
    arrange,
    content_of,
)
from omma.show.cost import Cost, cost_of

Box = tuple[float, float, float, float]
"""(left, top, right, bottom)."""


@dataclass(frozen=True, slots=True)
class SeenView:
    """One view with what becomes of it.

    Attributes:
        number: from 1, in the order of the plan.
        canvas: that it is cut from.
        box: in pixels of the canvas.
        region: in pixels of the picture; may reach beyond it.
        cell: (row, column) on the canvas; None for a view of the whole.
        grid: (rows, columns) of tokens; (0, 0) if its features are joined to those of another view.
        kept: (left, top, right, bottom) of the tokens that enter the sequence; all zeros if none do.
    """

    number: int
    canvas: int
    box: Rectangle
    region: Box
    cell: tuple[int, int] | None
    grid: Grid
    kept: Rectangle

    @property
    def size(self) -> Size:
        return self.box[2] - self.box[0], self.box[3] - self.box[1]

    @property
    def detail(self) -> float:
        """Pixels along a side for one of the picture; of both sides, where it is stretched, the geometric mean."""
        left, top, right, bottom = self.region
        return math.sqrt(self.size[0] * self.size[1] / ((right - left) * (bottom - top)))

    @property
    def tokens(self) -> int:
        """Of them that enter the sequence."""
        left, top, right, bottom = self.kept
        return (right - left) * (bottom - top)

    @property
    def placed(self) -> bool:
        """Whether tokens stand for places of the view. The queries of a Q-Former, say, which are one row, do not."""
        (rows, columns), (width, height) = self.grid, self.size
        return rows > 0 and (rows > 1 or height * columns <= 2 * width)


@dataclass(frozen=True, slots=True)
class Piece:
    """What stands in one place of the sequence.

    Attributes:
        tokens: image vectors, marks among them; text has none.
        views: numbers of the views in it, row by row.
        grid: (rows, columns) of its tokens, marks left out.
        kept: of all tokens of the map, if it is one, those that enter: (left, top, right, bottom).
        ends: marks behind rows.
        breaks: texts behind rows.
        words: the name of the mark, or the text.
    """

    kind: Literal["view", "map", "mark", "text"]
    tokens: int
    views: tuple[tuple[int, ...], ...] = ()
    grid: Grid = (0, 0)
    kept: Rectangle = (0, 0, 0, 0)
    ends: int = 0
    breaks: int = 0
    words: str = ""


@dataclass(frozen=True, slots=True)
class Cutting:
    """How a picture is cut, what sequence it becomes, and what that costs.

    Attributes:
        texts: number of them between the image tokens; each is taken for one token of the language model.
    """

    plan: Plan
    arrangement: Arrangement
    views: tuple[SeenView, ...]
    pieces: tuple[Piece, ...]
    texts: int
    cost: Cost

    @property
    def tokens(self) -> int:
        """Image vectors."""
        return len(self.arrangement)

    @property
    def detail(self) -> float:
        """Pixels along a side that the sharpest view has for one of the picture: below 1 detail is lost."""
        return max(view.detail for view in self.views)


def cutting_of(resolution: Resolution, parts: Mapping[str, nn.Module], size: Size) -> Cutting:
    """What is made of a picture of that size (width, height).

    Args:
        parts: modules on the meta device by ``encoder``, ``projector``, ``language_model``, ``expert``; all but the first may
            be missing.

    Raises:
        BadInput: if the parts do not go together.
    """
    encoder: Any = parts["encoder"]
    projector: Any = parts.get("projector")
    encoder.check(resolution)
    arranger = Arranger(resolution, encoder, projector)
    arranger.check()
    plan, arrangement = arranger.of(size)
    grids = [arranger.grid(view.size, view.branch) for view in plan.views]
    everything = (_piece(item, grids, resolution.marks) for item in plan.layout)
    # A view whose features are joined to those of another is listed, but nothing of it stands in the sequence.
    pieces = tuple(piece for piece in everything if piece.tokens or piece.kind == "text")
    texts = sum(isinstance(run, str) for run in arrangement.runs)
    cost = cost_of(parts, plan, len(arrangement), texts)
    return Cutting(plan, arrangement, _views(plan, arrangement, grids), pieces, texts, cost)


def _views(plan: Plan, arrangement: Arrangement, grids: list[Grid]) -> tuple[SeenView, ...]:
    enters = np.zeros(arrangement.tokens, bool)
    enters[arrangement.index[arrangement.index >= 0]] = True
    starts = np.cumsum([0] + [rows * columns for rows, columns in grids])
    return tuple(
        SeenView(
            number=number + 1,
            canvas=view.canvas,
            box=view.box,
            region=plan.region_of(number),
            cell=view.cell,
            grid=grids[number],
            kept=_bounds(enters[starts[number] : starts[number + 1]].reshape(grids[number])),
        )
        for number, view in enumerate(plan.views)
    )


def _bounds(enters: np.ndarray) -> Rectangle:
    """The rectangle of what is true; layouts leave out whole rows and columns at the edges."""
    rows, columns = np.flatnonzero(enters.any(axis=1)), np.flatnonzero(enters.any(axis=0))
    return (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1) if len(rows) else (0, 0, 0, 0)


def _piece(item: LayoutItem, grids: list[Grid], marks: tuple[str, ...]) -> Piece:
    alone = arrange((item,), len(grids), lambda view: grids[view], marks)
    tokens, ends = len(alone), int((alone.index < 0).sum())
    breaks = sum(isinstance(run, str) for run in alone.runs)
    if isinstance(item, Text):
        return Piece("text", tokens, words=item.text)
    if isinstance(item, Mark):
        return Piece("mark", tokens, words=item.name)
    if isinstance(item, ViewTokens):
        rows, columns = grids[item.view]
        return Piece("view", tokens, ((item.view + 1,),), (rows, columns), (0, 0, columns, rows))
    rows, columns = grids[item.views[0][0]]
    rows, columns = rows * len(item.views), columns * len(item.views[0])
    kept = _kept(item, rows, columns)
    grid = (kept[3] - kept[1], kept[2] - kept[0])
    numbers = tuple(tuple(view + 1 for view in row) for row in item.views)
    return Piece("map", tokens, numbers, grid, kept, ends, breaks, item.row_end or item.row_text or "")


def _kept(item: MapTokens, rows: int, columns: int) -> Rectangle:
    if item.content is None:
        return 0, 0, columns, rows
    down, across = content_of(rows, columns, item.content)
    top, bottom, _ = down.indices(rows)
    left, right, _ = across.indices(columns)
    return left, top, right, bottom
