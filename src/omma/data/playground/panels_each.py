"""Questions with an answer for each of the three boxes: what statements about panels are decided by.

A verdict is one bit that a whole scene hangs on, and hides which box was misread. Here every box is answered for by itself.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from omma.data.playground.base import Question
from omma.data.playground.panels_layout import COLORS, PanelBox, Panels
from omma.data.playground.panels_scattered import WALL_WORDS, draw_wall, touches
from omma.data.playground.panels_terms import Kind, draw_kind, plural
from omma.data.playground.panels_words import Detail

HOW_MANY: tuple[str, ...] = (
    "How many {what} are in each box?", "Count the {what} in each of the three boxes.", "How many {what} does each box have?",
    "For each box, give the number of {what}.", "Box by box: how many {what} are there?", "Number of {what} in the first, second and third box?",
    "What are the numbers of {what} in the three boxes?", "{What}: how many in each box?",
)  # fmt: skip
WHAT_COLOR: tuple[str, ...] = (
    "What color is the {block} in each box?", "Which colors does the {block} of each tower have?", "Name the color of the {block} in each box.",
    "Box by box: what is the color of the {block}?", "Give the color of the {block} of each of the three towers.", "The {block} of each tower is of what color?",
)  # fmt: skip

FEW = 4
"""Tries for numbers that are not the same in all boxes."""

_PLACES: dict[str, int] = {"top block": -1, "block at the base": 0, "second block from the base": 1, "second block from the top": -2}
"""Where a block stands in a tower, as an index into its colours from the base up."""


def questions_of_each(rng: random.Random, panels: Panels, detail: Detail, number: int) -> list[Question]:
    """Up to ``number`` questions, no text twice; sizes and walls only if the detail tells them. The answers to one are
    joined by commas, from the first box to the third."""
    asked: dict[str, Question] = {}
    for _ in range(number):
        text, answers = _of_towers(rng, panels) if panels[0].towers else _of_items(rng, panels, detail)
        asked[text] = Question(text, ", ".join(answers), "each")
    return list(asked.values())


def _of_items(rng: random.Random, panels: Panels, detail: Detail) -> tuple[str, Sequence[str]]:
    for _ in range(FEW):
        kind = draw_kind(rng)
        if not detail.sizes:
            kind = Kind(kind.color, kind.shape)
        what = plural(kind.noun(rng.choice(("item", "object"))))
        numbers = [kind.number_in(box.items) for box in panels]
        chance = rng.random()
        if detail.walls and chance < 0.35:
            wall = draw_wall(rng)
            negative = rng.random() < 0.3
            numbers = [sum(kind.matches(i) and touches(i, wall) != negative for i in box.items) for box in panels]
            what = f"{what} {'not touching' if negative else 'touching'} {rng.choice(WALL_WORDS[wall.word])}"
        elif chance > 0.9:
            attribute = rng.choice(("color", "shape"))
            what, numbers = f"different {attribute}s", [len({getattr(i, attribute) for i in b.items}) for b in panels]
        if len(set(numbers)) > 1:
            break
    return _how_many(rng, what), [str(number) for number in numbers]


def _of_towers(rng: random.Random, panels: Panels) -> tuple[str, Sequence[str]]:
    single = all(len(box.towers) == 1 for box in panels)
    if single and rng.random() < 0.5:
        block, at = rng.choice([place for place in _PLACES.items() if all(_stands(box, place[1]) for box in panels)])
        return rng.choice(WHAT_COLOR).format(block=block), [box.towers[0].colors[at] for box in panels]
    if not single and rng.random() < 0.3:
        return _how_many(rng, "towers"), [str(len(box.towers)) for box in panels]
    if rng.random() < 0.1:
        return _how_many(rng, "different colors"), [str(len(set(_colors(box)))) for box in panels]
    color = rng.choice(("", *COLORS, *COLORS))
    numbers = [sum(color in ("", found) for found in _colors(box)) for box in panels]
    return _how_many(rng, plural(Kind(color=color).noun("block"))), [str(number) for number in numbers]


def _stands(box: PanelBox, at: int) -> bool:
    """Whether the one tower of the box has a block there."""
    return -len(box.towers[0].colors) <= at < len(box.towers[0].colors)


def _colors(box: PanelBox) -> list[str]:
    return [color for tower in box.towers for color in tower.colors]


def _how_many(rng: random.Random, what: str) -> str:
    return rng.choice(HOW_MANY).format(what=what, What=what[0].upper() + what[1:])
