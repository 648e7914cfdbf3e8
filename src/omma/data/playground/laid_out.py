"""A scene in words that stand where they stand in the picture: a page as a text of rows and columns.

A description tells what there is in reading order. What an encoder gives a language model is a grid of features, most of
which say that nothing is there; finding the word to the right of another in that is another skill than finding the next
word of a sentence, and one that a language model can learn before it ever sees a picture (layout-preserving text, as in
LATIN-Prompt, arXiv 2306.00526).
"""

from __future__ import annotations

import math

from omma.data.playground.base import Scene
from omma.data.sample import told_by_place

ROWS = COLUMNS = 8
EMPTY = "-"
LINES = 3
"""Heights that are told apart within a row."""


def laid_out(scene: Scene) -> str:
    """Printed words, and boxes whose label says more than those, of the picture on a grid of 8 x 8 cells.

    The picture is put in the middle of a square first. A row is a line; a cell is an empty mark, or what begins in it. Cells
    that a word goes on through have no mark: what is longer takes more room here, too. Without words and boxes it is "", and
    so it is of several pictures, of which places are known in the first one alone.
    """
    if len(scene.images) > 1:
        return ""
    boxes = [box for box in told_by_place(scene.words, scene.boxes) if box.label]
    if not boxes:
        return ""
    width, height = scene.images[0].size
    side = max(width, height)
    begins: dict[tuple[int, int], list[tuple[int, float, str]]] = {}
    covered: set[tuple[int, int]] = set()
    for box in boxes:
        y = ((box.top + box.bottom) / 2 + (side - height) / 2) / side * ROWS
        left, right = (((x + (side - width) / 2) / side * COLUMNS) for x in (box.left, box.right))
        row, column = _cell(y, ROWS), _cell(left, COLUMNS)
        begins.setdefault((row, column), []).append((round(LINES * y), left, box.label.lower()))
        covered |= {(row, other) for other in range(column, _cell(right - 1e-6, COLUMNS) + 1)}
    rows = []
    for row in range(ROWS):
        cells: list[str] = []
        for column in range(COLUMNS):
            if (row, column) in begins:
                cells += [label for *_, label in sorted(begins[row, column])]
            elif (row, column) not in covered:
                cells.append(EMPTY)
        rows.append(" ".join(cells))
    return "\n".join(rows)


def _cell(place: float, count: int) -> int:
    return min(count - 1, max(0, math.floor(place)))
