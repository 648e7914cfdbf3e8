"""What a printed page says, before it is laid out: rows of cells, and the plain data behind them.

Everything here is words; where a row lands on the page is `documents_layouts`'s affair. All text is lower-case, the page
decides how to print it. A row has at most about 15 characters and a page at most six rows, so that print stays legible on
a picture of 128 pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Arrange = Literal["left", "center", "right", "spread", "grid"]


@dataclass(frozen=True, slots=True)
class Cell:
    """Words printed together. ``field`` names what they are the value of; ``code`` is always printed in capitals."""

    text: str
    field: str = ""
    code: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Cells on one printed line.

    ``arrange``: one cell or several one after the other at the left, in the middle or at the right; ``spread`` puts the
    first at the left edge and the last at the right edge; ``grid`` lines the cells up in columns with the other grid
    rows. ``scale`` is the print's size relative to the page's.
    """

    cells: tuple[Cell, ...]
    arrange: Arrange = "left"
    scale: float = 1.0
    rule_below: bool = False
    bullet: bool = False

    @property
    def text(self) -> str:
        return " ".join(cell.text for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Document:
    """A page's words and the data behind them.

    Attributes:
        kind: one of `documents_kinds.KINDS`.
        layout: which variant of the kind's layout it is.
        fields: (name, printed value) of what can be looked up.
        items: (name, price in cents) of a receipt.
        entries: what a list enumerates.
        table: a header and rows, all printed text; empty for other kinds.
        present: printed words with the lexicon's group and the greatest length that they were drawn with: what to ask
            after, and how to draw a word that is *not* on the page but might have been.
        by_line: whether the page is read line by line, so that "the second line" means one thing.
    """

    kind: str
    layout: str
    rows: tuple[Row, ...]
    caption: str
    description: str
    fields: tuple[tuple[str, str], ...] = ()
    items: tuple[tuple[str, int], ...] = ()
    entries: tuple[str, ...] = ()
    table: tuple[tuple[str, ...], ...] = ()
    present: tuple[tuple[str, str, int], ...] = ()
    by_line: bool = True

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(row.text for row in self.rows)


def single(text: str, field: str = "", *, code: bool = False, arrange: Arrange = "left", scale: float = 1.0) -> Row:
    """A row of one cell."""
    return Row((Cell(text, field, code),), arrange, scale)


def told_by_line(kind: str, rows: Sequence[Row]) -> str:
    """A description of any document: its kind, then its lines in order."""
    return f"{kind}, line by line: {' / '.join(row.text for row in rows)}."
