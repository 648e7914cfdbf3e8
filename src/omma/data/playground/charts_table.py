"""The table behind a chart: its kind, names, values and colours, how they are drawn by lot, and how they read in words."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal, cast

ChartKind = Literal["vertical", "horizontal", "line", "pie"]
Family = Literal["months", "days", "fruits", "animals", "names", "cities"]

KINDS: tuple[ChartKind, ...] = ("vertical", "horizontal", "line", "pie")
_KIND_WEIGHTS = (30, 24, 23, 23)

COLORS: dict[str, tuple[int, int, int]] = {
    "red": (212, 38, 42),
    "green": (44, 148, 62),
    "blue": (44, 92, 208),
    "yellow": (240, 202, 30),
    "purple": (128, 58, 172),
    "orange": (244, 130, 28),
    "pink": (246, 146, 192),
    "gray": (130, 132, 134),
}
"""Colours by the name that questions use, far enough apart to be told at a glance."""

FAMILIES: dict[Family, tuple[str, ...]] = {
    "months": ("jan", "feb", "mar", "apr", "may", "june", "july", "aug", "sep", "oct", "nov", "dec"),
    "days": ("mon", "tue", "wed", "thu", "fri", "sat", "sun"),
    "fruits": (
        "fig", "kiwi", "lime", "plum", "pear", "date", "apple", "mango", "grape", "lemon", "peach", "melon", "cherry",
        "banana", "papaya",
    ),
    "animals": (
        "cat", "dog", "cow", "pig", "hen", "ant", "bee", "fox", "owl", "duck", "frog", "goat", "lion", "bear", "wolf",
        "sheep", "horse", "mouse", "tiger", "zebra", "rabbit", "monkey",
    ),
    "names": (
        "ann", "tom", "max", "eva", "leo", "mia", "zoe", "ben", "kim", "sam", "anna", "paul", "emma", "noah", "lily",
        "jack", "maria", "peter", "laura", "oscar", "julia", "sofia",
    ),
    "cities": (
        "rio", "ulm", "fez", "oslo", "lima", "bonn", "rome", "cairo", "paris", "tokyo", "delhi", "quito", "berlin",
        "london", "madrid", "dublin", "lisbon", "athens",
    ),
}  # fmt: skip
"""Names of categories, printed below bars and beside slices. Months and days keep their order."""

_ORDERED: tuple[Family, ...] = ("months", "days")

TITLES = (
    "sales", "visitors", "rainfall", "books", "points", "goals", "votes", "hours", "cars sold", "shoe sales", "test scores",
    "team score", "trees", "tickets", "orders", "profit", "sunny days", "bread sold", "bike rides", "letters", "phone calls",
    "lost keys", "growth", "budget",
)  # fmt: skip

CLEAR = 8
"""Percentage points by which two shares of a pie differ before a question compares them."""

_LETTERS = {3: 6, 4: 5, 5: 4}
"""Longest name by number of categories that may stand side by side below a chart of 128 pixels."""

HELD_OUT_FAMILIES: frozenset[tuple[ChartKind, Family]] = frozenset(
    {("vertical", "fruits"), ("horizontal", "cities"), ("line", "days"), ("pie", "animals")}
)
"""Chart kinds with categories that only the compositional split combines; each is known from other combinations."""

HELD_OUT_COLORS: frozenset[tuple[ChartKind, str]] = frozenset(
    {("vertical", "purple"), ("horizontal", "orange"), ("line", "green"), ("vertical", "pink"), ("line", "red")}
)
"""Chart kinds whose one shared colour is this only in the compositional split."""


@dataclass(frozen=True, slots=True)
class Table:
    """What a chart shows.

    Attributes:
        kind: which chart.
        title: one or two words, or "" for none.
        family: what the names are.
        names: the categories, in the order of the chart (left to right, top to bottom, clockwise).
        values: integers from 1 to 10; percentages, multiples of 5 that sum to 100, for a pie.
        colors: of each category; all the same where ``shared``.
        shared: bars of one colour, or a line.
    """

    kind: ChartKind
    title: str
    family: Family
    names: tuple[str, ...]
    values: tuple[int, ...]
    colors: tuple[str, ...]
    shared: bool

    @property
    def held_out(self) -> bool:
        """Whether the table has a combination that belongs to the compositional split."""
        return (self.kind, self.family) in HELD_OUT_FAMILIES or (
            self.shared and (self.kind, self.colors[0]) in HELD_OUT_COLORS
        )

    @property
    def noun(self) -> str:
        """What one category is drawn as."""
        return {"vertical": "bar", "horizontal": "bar", "line": "point", "pie": "slice"}[self.kind]

    @property
    def type_name(self) -> str:
        return {"vertical": "bar chart", "horizontal": "bar chart", "line": "line chart", "pie": "pie chart"}[self.kind]

    @property
    def labels(self) -> list[str]:
        """What each bar, point or slice is: "maria 4 pink", "ben 20 percent green"."""
        unit = " percent" if self.kind == "pie" else ""
        rows = zip(self.names, self.values, self.colors, strict=True)
        return [f"{name} {value}{unit} {color}" for name, value, color in rows]

    def caption(self, rng: random.Random) -> str:
        """One short sentence that is true and not complete."""
        about = f" of {self.title}" if self.title else ""
        forms = [
            f"a {self.type_name}{about} with {len(self.names)} {self.noun}s",
            f"a {self.type_name}{about} for {_listed(self.names)}",
            f"a {self.kind if self.kind in ('vertical', 'horizontal') else 'small'} {self.type_name}{about}",
        ]
        if self.shared:
            forms.append(f"a {self.type_name}{about} in {self.colors[0]}")
        return rng.choice(forms)

    def description(self, rng: random.Random) -> str:
        """The whole table with colours and order, in at most 50 words and one of several styles."""
        adjective = f"{self.kind} " if self.kind in ("vertical", "horizontal") else ""
        titled = f" titled {self.title}" if self.title else rng.choice([" without a title", ""])
        opening = rng.choice([f"a {adjective}{self.type_name}{titled}", f"{adjective}{self.type_name}{titled}"])
        order = {
            "vertical": "from left to right",
            "line": "from left to right",
            "horizontal": "from top to bottom",
            "pie": "clockwise",
        }[self.kind]
        unit = " percent" if self.kind == "pie" else ""
        joint = rng.choice([" {value}", " is {value}", ": {value}"] if self.shared else [" {value}", " is {value}"])
        entries = []
        colored = rng.choice(["{shown} ({color})", "{shown} in {color}"])
        for name, value, color in zip(self.names, self.values, self.colors, strict=True):
            shown = name + joint.format(value=f"{value}{unit}")
            entries.append(shown if self.shared else colored.format(shown=shown, color=color))
        if self.shared:
            noun = "the line is" if self.kind == "line" else rng.choice(["the bars are", "all bars are"])
            return f"{opening}. {order}: {', '.join(entries)}. {noun} {self.colors[0]}."
        return f"{opening}. {order}: {', '.join(entries)}."


def sample_kind(rng: random.Random) -> ChartKind:
    return rng.choices(KINDS, _KIND_WEIGHTS)[0]


def sample_table(kind: ChartKind, rng: random.Random, *, held_out: bool) -> Table:
    """A random table for a chart of that kind: with a combination of the compositional split, or without any."""
    combinations = sorted(pair for pair in HELD_OUT_FAMILIES | HELD_OUT_COLORS if pair[0] == kind)
    while True:
        family: Family | None = None
        color = None
        if held_out:
            _, value = rng.choice(combinations)
            family, color = (None, value) if value in COLORS else (cast(Family, value), None)
        table = _sample(kind, rng, family=family, shared_color=color)
        if table.held_out == held_out:
            return table


def _sample(kind: ChartKind, rng: random.Random, *, family: Family | None, shared_color: str | None) -> Table:
    chosen: Family = family if family is not None else rng.choice(sorted(FAMILIES))
    n = rng.choices((2, 3, 4, 5), (3, 3, 3, 3) if kind == "pie" else (0, 3, 4, 5))[0]
    names = _names(chosen, n, _LETTERS[n] if kind in ("vertical", "line") else 6, rng)
    shared = kind == "line" or (kind != "pie" and (shared_color is not None or rng.random() < 0.4))
    one = (shared_color or rng.choice(list(COLORS)),)
    colors = one * n if shared else tuple(rng.sample(list(COLORS), n))
    values = _shares(n, rng) if kind == "pie" else _values(n, rng)
    title = rng.choice(TITLES) if rng.random() < 0.5 else ""
    return Table(kind, title, chosen, names, values, colors, shared)


def _names(family: Family, n: int, letters: int, rng: random.Random) -> tuple[str, ...]:
    pool = tuple(name for name in FAMILIES[family] if len(name) <= letters)
    if family not in _ORDERED:
        return tuple(rng.sample(pool, n))
    if rng.random() < 0.4:
        start = rng.randint(0, len(pool) - n)
        return pool[start : start + n]
    return tuple(pool[i] for i in sorted(rng.sample(range(len(pool)), n)))


def _values(n: int, rng: random.Random) -> tuple[int, ...]:
    while True:
        values = tuple(rng.randint(1, 10) for _ in range(n))
        if len(set(values)) > 1:
            return values


def _shares(n: int, rng: random.Random) -> tuple[int, ...]:
    """Multiples of 5 from 10 that sum to 100, at least two of them clearly different, all such tuples equally likely."""
    free = 20 - 2 * n
    while True:
        cuts = sorted(rng.sample(range(free + n - 1), n - 1))
        ends = [-1, *cuts, free + n - 1]
        shares = tuple(5 * (2 + ends[i + 1] - ends[i] - 1) for i in range(n))
        if max(shares) - min(shares) >= CLEAR:
            return shares


def _listed(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
