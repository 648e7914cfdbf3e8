"""What is asked to be drawn, and when a picture is what was asked: the six tasks of GenEval (arXiv 2310.11513, section 3) in the
vocabulary of the shapes world.

A picture passes or it does not; a task's score is the share that passes, and the score of all is the mean over tasks.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations

from omma.data.playground.base import Split, scene_random
from omma.data.playground.shapes_layout import HELD_OUT, KNOWN_PAIRS, SHAPES
from omma.data.playground.shapes_questions import RELATIONS
from omma.data.playground.shapes_words import joined, number_of
from omma.evaluation.drawing.read_back import SIDE, Found

MOST = 4
"""Highest number that is counted, as in GenEval."""
NEAR = 0.1
"""Share of both things' sizes by which their offset is shortened before anybody says where one is seen from the other."""
CLEAR = 0.5
"""Component of an offset's direction from which it is said."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Things that a picture has to show.

    Attributes:
        color: any if None.
        count: at least so many.
        exactly: and not one more.
        seen_from: (relation, place in the prompt's list of what they are seen from), if that matters.
    """

    shape: str
    color: str | None = None
    count: int = 1
    exactly: bool = False
    seen_from: tuple[str, int] | None = None

    def is_one(self, thing: Found) -> bool:
        return thing.shape == self.shape and self.color in (None, thing.color)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text, and what a picture has to show to be a picture of it."""

    task: str
    text: str
    wanted: tuple[Wanted, ...]

    def met(self, found: Sequence[Found]) -> bool:
        """Whether a picture with these things passes: as many of each, of which all that are seen from something are where they
        should be, no thing counting twice."""
        of_each = [[thing for thing in found if wanted.is_one(thing)] for wanted in self.wanted]
        for wanted, things in zip(self.wanted, of_each, strict=True):
            if len(things) < wanted.count or (wanted.exactly and len(things) > wanted.count):
                return False
        return self._chosen(of_each, [])

    def _chosen(self, of_each: list[list[Found]], chosen: list[tuple[Found, ...]]) -> bool:
        if len(chosen) == len(self.wanted):
            return True
        wanted, taken = self.wanted[len(chosen)], [id(thing) for things in chosen for thing in things]
        free = [thing for thing in of_each[len(chosen)] if id(thing) not in taken]
        for things in permutations(free, wanted.count):
            if wanted.seen_from is not None:
                relation, other = wanted.seen_from
                if any(relation not in relations(thing, origin) for thing in things for origin in chosen[other]):
                    continue
            if self._chosen(of_each, [*chosen, things]):
                return True
        return False


def relations(thing: Found, origin: Found) -> set[str]:
    """Where a thing is seen from another: left, right, above, below, two of them, or nowhere in particular."""
    offsets = []
    for there, here, sizes in (
        (thing.x, origin.x, thing.width + origin.width),
        (thing.y, origin.y, thing.height + origin.height),
    ):
        offset = (there - here) * SIDE
        offsets.append(max(abs(offset) - NEAR * sizes, 0.0) * (1 if offset > 0 else -1))
    length = (offsets[0] ** 2 + offsets[1] ** 2) ** 0.5
    if not length:
        return set()
    x, y = (offset / length for offset in offsets)
    said = {"left": -x, "right": x, "above": -y, "below": y}
    return {relation for relation, share in said.items() if share > CLEAR}


def _single(rng: random.Random, pairs: Sequence[tuple[str, str]]) -> tuple[str, tuple[Wanted, ...]]:
    shape = rng.choice(SHAPES)
    return number_of(1, shape), (Wanted(shape),)


def _two(rng: random.Random, pairs: Sequence[tuple[str, str]]) -> tuple[str, tuple[Wanted, ...]]:
    shapes = rng.sample(SHAPES, 2)
    return joined([number_of(1, shape) for shape in shapes]), tuple(map(Wanted, shapes))


def _counting(rng: random.Random, pairs: Sequence[tuple[str, str]]) -> tuple[str, tuple[Wanted, ...]]:
    shape, count = rng.choice(SHAPES), rng.randint(2, MOST)
    return number_of(count, shape), (Wanted(shape, count=count, exactly=True),)


def _colors(rng: random.Random, pairs: Sequence[tuple[str, str]]) -> tuple[str, tuple[Wanted, ...]]:
    color, shape = rng.choice(pairs)
    return number_of(1, f"{color} {shape}"), (Wanted(shape, color),)


def _position(rng: random.Random, pairs: Sequence[tuple[str, str]]) -> tuple[str, tuple[Wanted, ...]]:
    shape, origin = rng.sample(SHAPES, 2)
    relation = rng.choice(tuple(RELATIONS))
    text = f"{number_of(1, shape)} {RELATIONS[relation][0]} {number_of(1, origin)}"
    return text, (Wanted(origin), Wanted(shape, seen_from=(relation, 0)))


def _attribution(rng: random.Random, pairs: Sequence[tuple[str, str]]) -> tuple[str, tuple[Wanted, ...]]:
    first = rng.choice(pairs)
    second = rng.choice([pair for pair in pairs if pair[0] != first[0] and pair[1] != first[1]])
    both = (first, second)
    return joined([number_of(1, " ".join(pair)) for pair in both]), tuple(Wanted(shape, color) for color, shape in both)


Maker = Callable[[random.Random, Sequence[tuple[str, str]]], tuple[str, tuple[Wanted, ...]]]
TASKS: dict[str, Maker] = {
    "single object": _single, "two objects": _two, "counting": _counting, "colors": _colors, "position": _position,
    "color attribution": _attribution,
}  # fmt: skip
COLORED = ("colors", "color attribution")
"""Tasks that have a compositional split: of pairs of colour and shape that training never shows nor names."""


def prompts(task: str, count: int, split: Split = "fresh") -> list[Prompt]:
    """The first prompts of a task, the same everywhere.

    Raises:
        ValueError: for the compositional split of a task without colours.
    """
    if split == "compositional" and task not in COLORED:
        raise ValueError(f"only {' and '.join(COLORED)} have a compositional split, not {task}")
    pairs = sorted(HELD_OUT) if split == "compositional" else KNOWN_PAIRS
    made = []
    for index in range(count):
        text, wanted = TASKS[task](scene_random(f"drawing/{task}", split, index), pairs)
        made.append(Prompt(task, text, wanted))
    return made


