"""Layouts: the order in which the tokens of a picture's views, and what separates them, enter the sequence.

A planner lists what comes after what; `arrange` is the one function that turns the list into integers, for the prompt, the
model and the estimate of costs alike. So what the prompt reserves and what the model delivers cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

Size = tuple[int, int]
"""(width, height) in pixels."""
Grid = tuple[int, int]
"""(rows, columns) of features or tokens."""


@dataclass(frozen=True, slots=True)
class ViewTokens:
    """Layout item: all tokens of one view, row by row."""

    view: int


@dataclass(frozen=True, slots=True)
class MapTokens:
    """Layout item: views of equal grids as one map, row by row across views.

    Attributes:
        views: row by row; all rows are equally long.
        row_end: name of the mark behind every row of tokens, if there is one.
        row_text: text behind every row instead.
        content: size of a picture that was fitted and centred on the canvas: rows or columns of tokens beside it are
            left out (LLaVA-NeXT's "unpad").
    """

    views: tuple[tuple[int, ...], ...]
    row_end: str | None = None
    row_text: str | None = None
    content: Size | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """Layout item: one learned vector with a name that the resolution strategy lists among its ``marks``."""

    name: str


@dataclass(frozen=True, slots=True)
class Text:
    """Layout item: words between views, as the tokenizer writes them (LLaVA-UHD's commas and newlines). What it has as one
    token is that token."""

    text: str


LayoutItem = ViewTokens | MapTokens | Mark | Text


@dataclass(frozen=True, slots=True, eq=False)
class Arrangement:
    """The sequence that one picture becomes.

    Attributes:
        index: int64 [K], for every image vector in order: which of the picture's tokens it is, counted through all views
            row by row; or -1 - m for the m-th mark.
        runs: numbers of image vectors in a row, and the text between them.
        tokens: of all views, whether they enter the sequence or not.
    """

    index: np.ndarray
    runs: tuple[int | str, ...]
    tokens: int

    @property
    def reorders(self) -> bool:
        """Whether the sequence is anything but all tokens in the order of the views."""
        return len(self.index) != self.tokens or bool((self.index != np.arange(self.tokens)).any())

    def __len__(self) -> int:
        """Image vectors; text between them is not counted."""
        return len(self.index)


def arrange(
    layout: tuple[LayoutItem, ...], views: int, grid_of: Callable[[int], Grid], marks: tuple[str, ...]
) -> Arrangement:
    """Where every token of a picture goes.

    Args:
        views: how many there are.
        grid_of: rows and columns of *tokens* (after encoder and projector) of a view, by number; (0, 0) for one that is
            joined to another.
        marks: names of the learned vectors, in their order.

    Raises:
        ValueError: for an unknown mark, or a map of views with different grids.
    """
    grids = [grid_of(view) for view in range(views)]
    starts = np.cumsum([0] + [rows * columns for rows, columns in grids])
    pieces: list[np.ndarray] = []
    runs: list[int | str] = []

    def enter(piece: np.ndarray) -> None:
        pieces.append(piece)
        if runs and isinstance(runs[-1], int):
            runs[-1] += len(piece)
        else:
            runs.append(len(piece))

    for item in layout:
        if isinstance(item, Text):
            runs.append(item.text)
        elif isinstance(item, ViewTokens):
            enter(np.arange(starts[item.view], starts[item.view + 1]))
        elif isinstance(item, Mark):
            enter(np.array([_mark(item.name, marks)]))
        elif item.row_text is None:
            enter(_map(item, grids, starts, marks).flatten())
        else:
            for row in _map(item, grids, starts, marks):
                enter(row)
                runs.append(item.row_text)
    index = np.concatenate(pieces).astype(np.int64) if pieces else np.zeros(0, np.int64)
    return Arrangement(index, tuple(runs), int(starts[-1]))


def _mark(name: str, marks: tuple[str, ...]) -> int:
    if name not in marks:
        raise ValueError(f"a layout wants the mark {name!r}, but its strategy lists {', '.join(marks) or 'none'}")
    return -1 - marks.index(name)


def _map(item: MapTokens, grids: list[Grid], starts: np.ndarray, marks: tuple[str, ...]) -> np.ndarray:
    """Tokens and the marks behind them, [rows, columns]."""
    found = {grids[view] for row in item.views for view in row}
    if len(found) != 1:
        raise ValueError(f"a map of views needs equal grids, these have {sorted(found)}")
    rows, columns = found.pop()
    tiles = np.array([[starts[view] for view in row] for row in item.views])
    # [view row, view column, row, column] -> [row of the map, column of the map]
    tokens = tiles[:, :, None, None] + np.arange(rows * columns).reshape(rows, columns)
    tokens = tokens.transpose(0, 2, 1, 3).reshape(tiles.shape[0] * rows, tiles.shape[1] * columns)
    if item.content is not None:
        tokens = tokens[content_of(tokens.shape[0], tokens.shape[1], item.content)]
    if item.row_end is not None:
        ends = np.full((len(tokens), 1), _mark(item.row_end, marks))
        tokens = np.concatenate([tokens, ends], axis=1)
    return tokens


def content_of(rows: int, columns: int, content: Size) -> tuple[slice, slice]:
    """The rows and columns of a map that show a picture which was fitted and centred on its canvas.

    As the reference computes it (LLaVA-NeXT): what is cut off is floored and the same on both sides, so a row or column
    of padding may stay.
    """
    width, height = content
    if width / height > columns / rows:
        cut = (rows - int(round(height * (columns / width), 7))) // 2
        return slice(cut, rows - cut), slice(None)
    cut = (columns - int(round(width * (rows / height), 7))) // 2
    return slice(None), slice(cut, columns - cut)


@lru_cache(maxsize=1024)
def row_major(rows: int, columns: int, first: int = 0) -> tuple[tuple[int, ...], ...]:
    """Numbers of views that were cut row by row, as `MapTokens` wants them."""
    return tuple(tuple(first + row * columns + column for column in range(columns)) for row in range(rows))
