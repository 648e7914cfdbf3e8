"""How the panels world describes: complete descriptions at four levels of detail, captions, and ways to ask for a verdict."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

from omma.data.playground.panels_layout import Item, PanelBox, Panels
from omma.data.playground.panels_terms import NUMBER_WORDS, article, plural

MOST_WORDS = 90
"""Longest description."""


@dataclass(frozen=True, slots=True)
class Detail:
    """Whether a description tells the sizes of the items and the walls that they touch."""

    sizes: bool
    walls: bool


VERDICTS: tuple[str, ...] = (
    "{claim}.", "{claim}.", "{claim}", "{claim}", "True or false: {claim}.", "True or false? {claim}.", "Is it true that {lower}?",
    "Is it right that {lower}? Answer true or false.", "Is this statement true or false? {claim}.", "Statement: {claim}. True or false?",
    "Decide whether this is true of the pictures: {claim}.", "{claim}. True or false?", "{claim}. Is that true or false?",
    "Check this against the three boxes: {claim}.", "Tell me whether it is true or false that {lower}.",
)  # fmt: skip


def ask_verdict(rng: random.Random, claim: str) -> str:
    """The user's text for a statement: bare, or as a question."""
    return rng.choice(VERDICTS).format(claim=claim, lower=claim[0].lower() + claim[1:])


def describe(rng: random.Random, panels: Panels, *, prefer_sizes: bool) -> tuple[str, Detail]:
    """Everything in the three boxes within `MOST_WORDS`, and the detail that there was room for.

    Towers are always told completely. Of crowded boxes of items, only colours and shapes. ``prefer_sizes`` is for scenes
    whose point is a size.
    """
    word, link = rng.choice((("Box", ":"), ("Picture", ":"), ("Box", " has")))
    if panels[0].towers:
        return " ".join(f"{word} {n}{link} {_towers(box)}." for n, box in enumerate(panels, 1)), Detail(True, True)
    first, second = (
        (Detail(True, False), Detail(False, True))
        if prefer_sizes or rng.random() < 0.5
        else (Detail(False, True), Detail(True, False))
    )
    wanted = [Detail(True, True), first, second]
    # Brief descriptions should not always be of crowds.
    if rng.random() < 0.25:
        wanted = [first]
    for detail in wanted:
        text = " ".join(f"{word} {n}{link} {_items(box, detail)}." for n, box in enumerate(panels, 1))
        if len(text.split()) <= MOST_WORDS:
            return text, detail
    plain = Detail(False, False)
    return " ".join(f"{word} {n}{link} {_items(box, plain)}." for n, box in enumerate(panels, 1)), plain


def _towers(box: PanelBox) -> str:
    stacks = [", ".join(reversed(tower.colors)) for tower in box.towers]
    if len(stacks) == 1:
        return f"a tower of {stacks[0]} from top to bottom" if "," in stacks[0] else f"a tower of one {stacks[0]} block"
    return f"{NUMBER_WORDS[len(stacks)]} towers, from top to bottom {'; '.join(stacks)}"


def _items(box: PanelBox, detail: Detail) -> str:
    groups = Counter(_name(item, detail) for item in sorted(box.items, key=lambda i: (i.walls, i.color, i.shape)))
    pieces = [_number_of(number, noun, walls) for (noun, walls), number in groups.items()]
    return pieces[0] if len(pieces) == 1 else f"{', '.join(pieces[:-1])} and {pieces[-1]}"


def _name(item: Item, detail: Detail) -> tuple[str, tuple[str, ...]]:
    noun = f"{item.size} {item.color} {item.shape}" if detail.sizes else f"{item.color} {item.shape}"
    return noun, item.walls if detail.walls else ()


def _number_of(number: int, noun: str, walls: tuple[str, ...]) -> str:
    text = article(noun) if number == 1 else f"{NUMBER_WORDS[number]} {plural(noun)}"
    if not walls:
        return text
    # Items in a corner are rare, and people say so.
    vertical = next((wall for wall in walls if wall in ("top", "bottom")), "")
    side = next((wall for wall in walls if wall in ("left", "right")), "")
    return (
        f"{text} touching the {vertical} {side} corner"
        if vertical and side
        else f"{text} touching the {vertical or side} wall"
    )


def caption(rng: random.Random, panels: Panels) -> str:
    """One short true sentence about the three boxes."""
    if panels[0].towers:
        return _caption_of_towers(rng, panels)
    numbers = [len(box.items) for box in panels]
    total = sum(numbers)
    shapes = sorted({item.shape for box in panels for item in box.items})
    colors = sorted({item.color for box in panels for item in box.items})
    first, second, third = (NUMBER_WORDS[n] for n in numbers)
    return rng.choice(
        (
            f"three boxes with {first}, {second} and {third} items", f"three grey boxes with {total} items in all",
            f"boxes with {_listed([plural(shape) for shape in shapes])}", f"scattered items in {_listed(colors)}",
            f"three boxes, the first with {first} item{'' if numbers[0] == 1 else 's'}",
            f"{total} shapes in three grey squares", f"three pictures of {_listed(colors)} shapes",
            f"three boxes of {_listed([plural(shape) for shape in shapes])} in {_listed(colors)}",
        )
    )  # fmt: skip


def _caption_of_towers(rng: random.Random, panels: Panels) -> str:
    stacks = [tower.colors for box in panels for tower in box.towers]
    number = NUMBER_WORDS[len(stacks)]
    colors = sorted({color for stack in stacks for color in stack})
    highest, lowest = max(map(len, stacks)), min(map(len, stacks))
    heights = (
        f"of {NUMBER_WORDS[lowest]} to {NUMBER_WORDS[highest]} blocks"
        if lowest < highest
        else f"with {highest} blocks each"
    )
    if highest == 1:
        heights = "of one block each"
    return rng.choice(
        (
            f"{number} towers of blocks in three boxes", f"{number} towers {heights}", f"towers of {_listed(colors)} blocks",
            f"three grey boxes with {number} towers", f"three pictures of stacked blocks in {_listed(colors)}",
            f"three boxes with towers, {sum(map(len, stacks))} blocks in all",
        )
    )  # fmt: skip


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
