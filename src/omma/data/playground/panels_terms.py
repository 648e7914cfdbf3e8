"""The terms of which statements about panels are made, and how a truth value is drawn from them.

A term knows its words, its meaning, and its *edits*: the same term with one thing changed (a number by one, another
colour, another quantifier). A false statement is an edit of a true one.

Truth has three values. Where two honest readers could disagree ("there are two black items" of three), the value is None,
and nobody is asked.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from omma.data.playground.panels_layout import COLORS, HELD_OUT_ITEMS, SHAPES, SIZES, Item

NUMBER_WORDS: tuple[str, ...] = (
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip

Truth = bool | None


def exists(values: Iterable[Truth]) -> Truth:
    """Whether any value is true, None if that hangs on a doubtful one."""
    listed = list(values)
    return True if True in listed else (None if None in listed else False)


def everywhere(values: Iterable[Truth]) -> Truth:
    """Whether all values are true, None if that hangs on a doubtful one."""
    listed = list(values)
    return False if False in listed else (None if None in listed else True)


def negation(value: Truth) -> Truth:
    return None if value is None else not value


def article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


class Term(Protocol):
    """One slot of a statement."""

    def edits(self) -> list[Any]:
        """The same with one small change, none equal to this."""


@dataclass(frozen=True, slots=True)
class Word:
    """One of a few words that stand for themselves: a colour, a wall, an ordinal."""

    word: str
    options: tuple[str, ...]

    def edits(self) -> list[Word]:
        return [Word(other, self.options) for other in self.options if other != self.word]


@dataclass(frozen=True, slots=True)
class Kind:
    """What is spoken of: items of a colour, shape and size, each of them only if said."""

    color: str = ""
    shape: str = ""
    size: str = ""

    def matches(self, item: Item) -> bool:
        return self.color in ("", item.color) and self.shape in ("", item.shape) and self.size in ("", item.size)

    def number_in(self, items: Sequence[Item]) -> int:
        return sum(self.matches(item) for item in items)

    def noun(self, generic: str) -> str:
        """Singular; ``generic`` ("item") where no shape is said."""
        return " ".join(filter(None, (self.size, self.color, self.shape or generic)))

    @property
    def held_out(self) -> bool:
        return (self.color, self.shape, self.size) in HELD_OUT_ITEMS

    def edits(self) -> list[Kind]:
        changed = [Kind(c, self.shape, self.size) for c in COLORS if self.color and c != self.color]
        changed += [Kind(self.color, s, self.size) for s in SHAPES if self.shape and s != self.shape]
        return changed + [Kind(self.color, self.shape, s) for s in SIZES if self.size and s != self.size]


QUANTIFIERS: tuple[str, ...] = (
    "exactly",
    "at least",
    "at most",
    "only",
    "more than",
    "fewer than",
    "bare",
    "a",
    "no",
    "multiple",
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """How many: "exactly two", "at least one", "a", "no", "multiple", or a bare number."""

    quantifier: str
    number: int

    def holds(self, count: int) -> Truth:
        n = self.number
        match self.quantifier:
            case "exactly" | "only":
                return count == n
            case "at least" | "a" | "multiple":
                return count >= n
            case "more than":
                return count > n
            # None at all is "at most two" to a logician only.
            case "at most":
                return None if count == 0 else count <= n
            case "fewer than":
                return None if count == 0 else count < n
            case "no":
                return count == 0
            case _:
                # A bare number means "exactly" to some and "at least" to others.
                return None if count > n else count == n

    def holds_among(self, values: Iterable[Truth]) -> Truth:
        """Whether it holds of the number of true values, None if that hangs on doubtful ones."""
        listed = list(values)
        sure = listed.count(True)
        results = {self.holds(count) for count in range(sure, sure + listed.count(None) + 1)}
        return results.pop() if len(results) == 1 else None

    @property
    def singular(self) -> bool:
        return self.quantifier in ("a", "no") or self.number == 1

    def words(self, noun: str, digits: bool) -> str:
        """ "exactly two black items", "a black item", "no black item"."""
        if self.quantifier == "a":
            return article(noun)
        if self.quantifier == "no":
            return f"no {noun}"
        if self.quantifier == "multiple":
            return f"multiple {plural(noun)}"
        number = str(self.number) if digits else NUMBER_WORDS[self.number]
        lead = "" if self.quantifier == "bare" else f"{self.quantifier} "
        return f"{lead}{number} {noun if self.number == 1 else plural(noun)}"

    def edits(self) -> list[Quantity]:
        if self.quantifier in ("a", "no", "multiple"):
            return [
                Quantity(q, n)
                for q, n in (("a", 1), ("no", 0), ("multiple", 2), ("exactly", 2))
                if q != self.quantifier
            ]
        changed = [Quantity(self.quantifier, n) for n in (self.number - 1, self.number + 1) if n >= self.least]
        swapped = {"exactly": ("at least", "more than"), "only": ("more than",), "at least": ("exactly", "fewer than"),
                   "at most": ("more than", "exactly"), "more than": ("exactly", "at most"), "fewer than": ("at least",)}  # fmt: skip
        others = [Quantity(q, self.number) for q in swapped.get(self.quantifier, ())]
        return changed + [other for other in others if other.number >= other.least]

    @property
    def least(self) -> int:
        """The smallest number that people say with this quantifier."""
        return 2 if self.quantifier == "fewer than" else 1


def plural(noun: str) -> str:
    return f"{noun}es" if noun.endswith("x") else f"{noun}s"


def draw_quantity(rng: random.Random, most: int = 4) -> Quantity:
    """Any quantity up to ``most``, small numbers more often."""
    quantifier = rng.choices(QUANTIFIERS, weights=(6, 5, 2, 2, 2, 1, 4, 5, 2, 1))[0]
    fixed = {"a": 1, "no": 0, "multiple": 2}
    if quantifier in fixed:
        return Quantity(quantifier, fixed[quantifier])
    number = min(rng.randint(1, most), rng.randint(1, most))
    return Quantity(quantifier, max(number, 2) if quantifier == "fewer than" else number)


def draw_plain_quantity(rng: random.Random, most: int = 4) -> Quantity:
    """A quantity with a number and an unmistakable quantifier, for counts of boxes and towers."""
    return Quantity(rng.choice(("exactly", "at least", "exactly", "only")), rng.randint(1, most))


def draw_kind(rng: random.Random) -> Kind:
    """Items by one or two of their attributes, now and then by all three or none."""
    said = rng.choices(("", "c", "s", "cs", "zs", "zc", "zcs"), weights=(2, 6, 4, 8, 2, 1, 2))[0]
    return Kind(
        rng.choice(COLORS) if "c" in said else "",
        rng.choice(SHAPES) if "s" in said else "",
        rng.choice(tuple(SIZES)) if "z" in said else "",
    )


def draw_color(rng: random.Random) -> Word:
    return Word(rng.choice(COLORS), COLORS)
