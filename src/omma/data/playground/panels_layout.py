"""What is in the three boxes of a panels scene: scattered items, or towers of blocks.

Sizes and colours are those of the Cornell NLVR pictures (Suhr, Lewis, Yeh, Artzi, ACL 2017), so that what is learned here
carries over to them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from omma.data.playground.base import Split

BOX = 100
"""Side of a box in pixels."""

COLORS: tuple[str, ...] = ("black", "blue", "yellow")
SHAPES: tuple[str, ...] = ("circle", "triangle", "square")
SIZES: dict[str, int] = {"small": 10, "medium": 20, "large": 30}
WALLS: tuple[str, ...] = ("left", "right", "top", "bottom")

BLOCK, BLOCK_STEP = 20, 21
"""Side of a tower's block, and the distance from one block to the next, in pixels."""

MOST_ITEMS, MOST_BLOCKS, MOST_TOWERS = 8, 4, 3

HELD_OUT_ITEMS: frozenset[tuple[str, str, str]] = frozenset(
    {("yellow", "circle", "large"), ("blue", "triangle", "small"), ("black", "square", "medium")}
)
HELD_OUT_TOWERS: frozenset[tuple[str, ...]] = frozenset(
    {("black", "yellow", "blue"), ("blue", "blue", "yellow"), ("yellow", "black", "black", "blue")}
)
"""(colour, shape, size) of items, and colours of towers from the base up, that only the compositional split has."""

GAP = 2
"""Free pixels between two items."""

CLEARANCE = 4
"""Free pixels between an item and a wall that it does not touch."""


@dataclass(frozen=True, slots=True)
class Item:
    """One scattered item; ``left`` and ``top`` in pixels of its box."""

    color: str
    shape: str
    size: str
    left: int
    top: int

    @property
    def side(self) -> int:
        return SIZES[self.size]

    @property
    def walls(self) -> tuple[str, ...]:
        """The walls that it touches: none, one, or two in a corner."""
        edge = BOX - self.side
        touching = (self.left == 0, self.left == edge, self.top == 0, self.top == edge)
        return tuple(wall for wall, touches in zip(WALLS, touching, strict=True) if touches)


@dataclass(frozen=True, slots=True)
class Tower:
    """Colours from the base up, and the left side in pixels."""

    colors: tuple[str, ...]
    left: int


@dataclass(frozen=True, slots=True)
class PanelBox:
    """One picture: items or towers, never both."""

    items: tuple[Item, ...] = ()
    towers: tuple[Tower, ...] = ()


Panels = tuple[PanelBox, PanelBox, PanelBox]


def sample_panels(rng: random.Random, split: Split) -> Panels:
    """Three boxes of one kind. Each compositional scene has a held-out item or tower, the other splits never."""
    special = rng.randrange(3) if split == "compositional" else -1
    if rng.random() < 0.5:
        boxes = [_scattered(rng, split, needs_held_out=i == special) for i in range(3)]
    else:
        most = rng.choice((1, 1, 1, 2, 3))
        boxes = [_towers(rng, split, rng.randint(1, most), needs_held_out=i == special) for i in range(3)]
    return boxes[0], boxes[1], boxes[2]


def _scattered(rng: random.Random, split: Split, *, needs_held_out: bool) -> PanelBox:
    number = rng.randint(1, MOST_ITEMS)
    looks = [_look(rng) for _ in range(number)]
    # People speak of colours and shapes that repeat: some boxes keep to few colours or to one shape.
    if rng.random() < 0.25:
        colors = rng.sample(COLORS, rng.choice((1, 2)))
        looks = [(rng.choice(colors), shape, size) for _, shape, size in looks]
    if rng.random() < 0.15:
        shape_of_all = rng.choice(SHAPES)
        looks = [(color, shape_of_all, size) for color, _, size in looks]
    if split != "compositional":
        looks = [look if look not in HELD_OUT_ITEMS else (look[0], look[1], _other_size(rng, look)) for look in looks]
    if needs_held_out:
        looks[0] = rng.choice(sorted(HELD_OUT_ITEMS))
    while True:
        items = _place(rng, looks)
        if items is not None:
            rng.shuffle(items)
            return PanelBox(items=tuple(items))


def _look(rng: random.Random) -> tuple[str, str, str]:
    return rng.choice(COLORS), rng.choice(SHAPES), rng.choice(tuple(SIZES))


def _other_size(rng: random.Random, look: tuple[str, str, str]) -> str:
    # Each (colour, shape) loses at most one size, so the other two are free.
    return rng.choice([size for size in SIZES if size != look[2]])


def _place(rng: random.Random, looks: list[tuple[str, str, str]]) -> list[Item] | None:
    items: list[Item] = []
    for color, shape, size in sorted(looks, key=lambda look: -SIZES[look[2]]):
        side = SIZES[size]
        for _ in range(30):
            item = Item(color, shape, size, *_corner(rng, side))
            if all(_apart(item, other) for other in items):
                items.append(item)
                break
        else:
            return None
    return items


def _corner(rng: random.Random, side: int) -> tuple[int, int]:
    edge = BOX - side
    left, top = (rng.randint(CLEARANCE, edge - CLEARANCE) for _ in range(2))
    roll = rng.random()
    if roll < 0.22:
        left = rng.choice((0, edge))
    # Gravity is popular in these pictures, hence more at the bottom than at the top.
    if 0.18 < roll < 0.42:
        top = rng.choice((0, edge, edge))
    return left, top


def _apart(a: Item, b: Item) -> bool:
    return (
        a.left + a.side + GAP <= b.left
        or b.left + b.side + GAP <= a.left
        or a.top + a.side + GAP <= b.top
        or b.top + b.side + GAP <= a.top
    )


def _towers(rng: random.Random, split: Split, number: int, *, needs_held_out: bool) -> PanelBox:
    stacks = [_stack(rng, split) for _ in range(number)]
    if needs_held_out:
        stacks[rng.randrange(number)] = rng.choice(sorted(HELD_OUT_TOWERS))
    # Evenly spread and centred, with at least 8 pixels between two towers.
    free = (BOX - number * BLOCK) // (number + 1)
    return PanelBox(towers=tuple(Tower(stack, free + i * (BLOCK + free)) for i, stack in enumerate(stacks)))


def _stack(rng: random.Random, split: Split) -> tuple[str, ...]:
    while True:
        height = rng.randint(1, MOST_BLOCKS)
        palette = COLORS if rng.random() < 0.8 else rng.sample(COLORS, rng.choice((1, 2)))
        stack = tuple(rng.choice(palette) for _ in range(height))
        if split == "compositional" or stack not in HELD_OUT_TOWERS:
            return stack
