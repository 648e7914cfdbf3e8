"""Where the digits of a scene stand, what each place is called, and how the layout reads in words."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

LayoutName = Literal["single", "row", "column", "grid", "scatter", "sum"]

HELD_OUT_PAIRS = ((0, 7), (1, 0), (2, 3), (3, 6), (4, 9), (5, 2), (6, 5), (7, 8), (8, 1), (9, 4))
"""Ordered pairs that never stand next to each other, left to right or top to bottom, outside the compositional split.
Each digit is once the first and once the second of a pair, so no digit becomes rarer by it."""

PLACES = (
    ("top left", "top center", "top right"),
    ("middle left", "center", "middle right"),
    ("bottom left", "bottom center", "bottom right"),
)
"""Names of the nine parts of a picture, by row and column."""

_ORDINALS = ("first", "second", "third", "fourth")
# Layouts that can hold so many digits, each with its weight.
_LAYOUTS: dict[int, tuple[tuple[LayoutName, int], ...]] = {
    1: (("single", 1),),
    2: (("row", 4), ("column", 2), ("scatter", 2), ("sum", 4)),
    3: (("row", 5), ("column", 2), ("scatter", 2)),
    4: (("row", 4), ("column", 1), ("scatter", 2), ("grid", 4)),
    5: (("scatter", 1),),
    6: (("grid", 1),),
}
_COUNT_WEIGHTS = {1: 13, 2: 22, 3: 19, 4: 20, 5: 10, 6: 16}


@dataclass(frozen=True, slots=True)
class Layout:
    """Digits at cells of a small table.

    Attributes:
        name: the kind of layout.
        shape: (rows, columns) of the table; (3, 3) for scattered digits, whose cells are the nine parts of the picture.
        cells: (row, column) of each digit, in reading order.
        digits: the digits, in the same order.
    """

    name: LayoutName
    shape: tuple[int, int]
    cells: tuple[tuple[int, int], ...]
    digits: tuple[int, ...]

    def neighbours(self) -> list[tuple[int, int, str]]:
        """(i, j, how) for digits that stand next to each other: j is directly ``right`` of i, or directly ``below``."""
        at = {cell: i for i, cell in enumerate(self.cells)}
        pairs = [(i, at.get((row, column + 1)), "right") for i, (row, column) in enumerate(self.cells)]
        pairs += [(i, at.get((row + 1, column)), "below") for i, (row, column) in enumerate(self.cells)]
        return [(i, j, how) for i, j, how in pairs if j is not None]

    def pairs(self) -> list[tuple[int, int]]:
        """The ordered pairs of digits that stand next to each other."""
        return [(self.digits[i], self.digits[j]) for i, j, _ in self.neighbours()]

    def rows(self) -> list[tuple[int, ...]]:
        """The digits row by row."""
        return [
            tuple(digit for digit, cell in zip(self.digits, self.cells, strict=True) if cell[0] == row)
            for row in range(self.shape[0])
        ]

    def place(self, i: int) -> str:
        """Which part of the picture digit i is in, for grids and scattered digits."""
        row, column = self.cells[i]
        rows, columns = self.shape
        return PLACES[_spread(row, rows)][_spread(column, columns)]

    def names(self, i: int) -> list[str]:
        """Noun phrases that mean digit i and no other. Empty for a single digit."""
        n = len(self.digits)
        if self.name == "single":
            return []
        if self.name == "sum":
            return ["digit before the plus sign" if i == 0 else "digit after the plus sign", *self._row_names(i, n)[:1]]
        if self.name == "row":
            return self._row_names(i, n)
        if self.name == "column":
            names = ["top digit" if i == 0 else "bottom digit"] if i in (0, n - 1) else []
            names += [f"{_ORDINALS[i]} digit from the top"] if i else ["topmost digit"]
            return names + (["lowest digit in the column"] if i == n - 1 else [f"digit in row {i + 1}"])
        place = self.place(i)
        center = place == "center"
        names = ["digit in the center", "center digit"] if center else [f"{place} digit", f"digit at the {place}"]
        row, column = self.cells[i]
        if self.name == "grid":
            return names
        others = [cell for j, cell in enumerate(self.cells) if j != i]
        names += ["leftmost digit"] if all(column < c for _, c in others) else []
        names += ["rightmost digit"] if all(column > c for _, c in others) else []
        names += ["highest placed digit"] if all(row < r for r, _ in others) else []
        return names + (["lowest placed digit"] if all(row > r for r, _ in others) else [])

    @staticmethod
    def _row_names(i: int, n: int) -> list[str]:
        if i == 0:
            return ["leftmost digit", "first digit"]
        if i == n - 1:
            return ["rightmost digit", "last digit"]
        return [
            f"{_ORDINALS[i]} digit",
            f"{_ORDINALS[i]} digit from the left",
            f"{_ORDINALS[n - 1 - i]} digit from the right",
        ]

    def description(self, rng: random.Random) -> str:
        """All digits and their places in words, in one of several styles."""
        spaced = [" ".join(map(str, row)) for row in self.rows()]
        digits = list(map(str, self.digits))
        if self.name == "single":
            return rng.choice(
                ["one handwritten digit: {}", "a single handwritten digit, {}", "the digit {}, alone"]
            ).format(*digits)
        if self.name == "sum":
            form = rng.choice(
                ["a handwritten sum: {} + {}", "{} + {}, written by hand", "two handwritten digits: {} plus {}"]
            )
            return form.format(*digits)
        if self.name == "row":
            forms = [
                "a handwritten number: {}",
                "handwritten digits in a row, from left to right: {}",
                "a row of digits: {}",
            ]
            return rng.choice(forms).format(spaced[0])
        if self.name == "column":
            forms = ["a column of digits from top to bottom: {}", "handwritten digits, one below the other: {}"]
            return rng.choice(forms).format(", ".join(digits))
        if self.name == "grid":
            names = ["top row", "bottom row"] if len(spaced) == 2 else ["top row", "middle row", "bottom row"]
            listed = ". ".join(f"{name}: {row}" for name, row in zip(names, spaced, strict=True))
            count = "two" if len(spaced) == 2 else "three"
            return rng.choice([f"{count} rows of digits. {listed}", f"a grid of handwritten digits. {listed}"])
        placed = [
            f"{article(digit)} {digit} {'in' if (place := self.place(i)) == 'center' else 'at'} the {place}"
            for i, digit in enumerate(self.digits)
        ]
        rng.shuffle(placed)
        listed = ", ".join(placed)
        return rng.choice([listed, f"scattered digits: {listed}", f"{len(placed)} handwritten digits: {listed}"])


def article(digit: int) -> str:
    return "an" if digit == 8 else "a"


def sample_layout(rng: random.Random, *, held_out: bool) -> Layout:
    """A random layout with its digits: with a held-out pair among the neighbours, or without any."""
    while True:
        layout = _sample(rng)
        if not held_out:
            if not any(pair in HELD_OUT_PAIRS for pair in layout.pairs()):
                return layout
        elif neighbours := layout.neighbours():
            i, j, _ = rng.choice(neighbours)
            digits = list(layout.digits)
            digits[i], digits[j] = rng.choice(HELD_OUT_PAIRS)
            return Layout(layout.name, layout.shape, layout.cells, tuple(digits))


def _sample(rng: random.Random) -> Layout:
    n = rng.choices(list(_COUNT_WEIGHTS), list(_COUNT_WEIGHTS.values()))[0]
    names, weights = zip(*_LAYOUTS[n], strict=True)
    name: LayoutName = rng.choices(names, weights)[0]
    if name == "scatter":
        shape = (3, 3)
        cells = sorted(rng.sample([(row, column) for row in range(3) for column in range(3)], n))
    else:
        if name == "column":
            shape = (n, 1)
        elif name == "grid":
            shape = (2, 2) if n == 4 else rng.choice([(2, 3), (2, 3), (3, 2)])
        else:
            shape = (1, n)
        cells = [(row, column) for row in range(shape[0]) for column in range(shape[1])]
    digits = [rng.randrange(10) for _ in range(n)]
    if n >= 3 and rng.random() < 0.45:
        # Without repeats, "how many 4s" would be answered by 0 or 1.
        repeated = rng.randrange(10)
        for i in rng.sample(range(n), rng.randint(2, min(n, 4))):
            digits[i] = repeated
    return Layout(name, shape, tuple(cells), tuple(digits))


def _spread(index: int, count: int) -> int:
    """0, 1 or 2 for the first, a middle and the last of ``count`` places."""
    return 0 if index == 0 else 2 if index == count - 1 else 1
