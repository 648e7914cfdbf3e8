"""What stands where in a picture of the shapes world: vocabulary, held-out pairs, and the sampling of a layout.

A layout is the scene graph. No pixels here.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from omma.data.playground.base import Split
from omma.data.playground.shapes_outlines import MAX_TURN, Polygon, extent, outline

RGB = tuple[int, int, int]

COLORS: dict[str, RGB] = {
    "red": (218, 36, 40), "green": (38, 158, 68), "blue": (42, 82, 218), "yellow": (244, 214, 38),
    "purple": (132, 50, 178), "orange": (246, 132, 22), "pink": (246, 132, 190), "black": (22, 22, 24),
}  # fmt: skip
COLOR_JITTER = 12
"""Largest change per channel. Any jittered colour stays nearer to its own name than to any other."""

SHAPES: tuple[str, ...] = ("circle", "square", "triangle", "star", "cross", "diamond", "heart", "ring")
SIZES: dict[str, tuple[float, float]] = {"small": (16.0, 22.0), "large": (32.0, 42.0)}
"""Diameter in pixels, with a gap between the two names."""

PLACES: tuple[tuple[str, str, str], ...] = (
    ("top left", "top", "top right"),
    ("left", "middle", "right"),
    ("bottom left", "bottom", "bottom right"),
)
"""``PLACES[row][column]``: the names of a picture's nine cells."""

PICTURE_SIZES: tuple[tuple[int, int], ...] = ((128, 128),) * 6 + ((128, 96), (96, 128))

HELD_OUT: frozenset[tuple[str, str]] = frozenset(
    {
        ("red", "heart"), ("green", "star"), ("blue", "diamond"), ("yellow", "cross"),
        ("purple", "circle"), ("orange", "triangle"), ("pink", "ring"), ("black", "square"),
    }
)  # fmt: skip
"""(colour, shape) pairs that ``train`` and ``fresh`` never show nor mention. Each colour and each shape loses one."""

PAIRS: tuple[tuple[str, str], ...] = tuple((c, s) for c in COLORS for s in SHAPES)
KNOWN_PAIRS: tuple[tuple[str, str], ...] = tuple(pair for pair in PAIRS if pair not in HELD_OUT)

CELL_MARGIN = 5.0
"""Pixels between an object's centre and the border of its cell, so that the cell's name is beyond doubt."""

GAP = 3.0
"""Free pixels between two bounding boxes."""

EDGE = 2.0
"""Free pixels between a bounding box and the picture's edge."""

BACKGROUNDS: dict[str, RGB] = {
    "white": (252, 252, 252), "light gray": (222, 222, 224), "cream": (252, 244, 222), "pale blue": (214, 230, 248),
    "pale green": (220, 242, 220), "pale pink": (252, 230, 236), "lavender": (232, 224, 246), "gray": (158, 160, 164),
    "tan": (206, 184, 150), "sky blue": (142, 200, 236), "mint": (158, 220, 190), "dark gray": (72, 74, 80),
    "navy": (20, 30, 72), "brown": (96, 66, 44),
}  # fmt: skip
BACKGROUND_KINDS: tuple[str, ...] = ("plain", "plain", "gradient", "noise")
CONTRAST = 105.0
"""Smallest RGB distance between an object and its background, at both ends and in the middle of a gradient."""


@dataclass(frozen=True, slots=True)
class Background:
    """``color`` names ``top``, the fill; a gradient runs down to ``bottom``; noise is drawn from ``seed``."""

    kind: str
    color: str
    top: RGB
    bottom: RGB
    seed: int


@dataclass(frozen=True, slots=True)
class Thing:
    """One object: its names, and its geometry in pixels (``x`` and ``y`` are the centre of the bounding box)."""

    color: str
    shape: str
    size: str
    rgb: RGB
    diameter: float
    angle: float
    x: float = 0.0
    y: float = 0.0
    row: int = 0
    column: int = 0

    @property
    def pair(self) -> tuple[str, str]:
        return self.color, self.shape

    @property
    def place(self) -> str:
        return PLACES[self.row][self.column]

    @property
    def label(self) -> str:
        return f"{self.size} {self.color} {self.shape}"

    @property
    def extent(self) -> tuple[float, float]:
        """(width, height) of the bounding box in pixels."""
        return extent(outline(self.shape, self.diameter, self.angle))

    @property
    def polygon(self) -> Polygon:
        """The outline in picture pixels."""
        return tuple((self.x + dx, self.y + dy) for dx, dy in outline(self.shape, self.diameter, self.angle))

    @property
    def box(self) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) in picture pixels."""
        width, height = self.extent
        return self.x - width / 2, self.y - height / 2, self.x + width / 2, self.y + height / 2


@dataclass(frozen=True, slots=True)
class Layout:
    """A whole picture: its things in reading order (row by row, left to right) on a background."""

    width: int
    height: int
    things: tuple[Thing, ...]
    background: Background


def sample_layout(rng: random.Random, split: Split) -> Layout:
    """A layout of 1 to 6 things. Only ``compositional`` ones have held-out pairs, and each of those has at least one."""
    size = rng.choice(PICTURE_SIZES)
    return layout_of(rng, _pairs(rng, split), size)


def layout_of(rng: random.Random, pairs: Sequence[tuple[str, str]], picture: tuple[int, int]) -> Layout:
    """Things of these colours and shapes, at most six, with sizes, places and a background of their own.

    Args:
        picture: (width, height) in pixels, one of `PICTURE_SIZES`.
    """
    width, height = picture
    things = _placed(rng, [_thing(rng, pair, size) for pair, size in zip(pairs, _sizes(rng, len(pairs)), strict=True)],
                     width, height)  # fmt: skip
    things.sort(key=lambda t: (t.row, t.column, t.x, t.y))
    return Layout(width, height, tuple(things), _background(rng, things))


def _pairs(rng: random.Random, split: Split) -> list[tuple[str, str]]:
    """Colours and shapes with repetitions, so that counting and comparing have something to count."""
    allowed = PAIRS if split == "compositional" else KNOWN_PAIRS
    number = rng.choices((1, 2, 3, 4, 5, 6), weights=(1, 2, 3, 3, 3, 3))[0]
    first = rng.choice(sorted(HELD_OUT)) if split == "compositional" else rng.choice(allowed)
    pairs = [first]
    style = rng.choices(("mixed", "one color", "one shape", "one pair"), weights=(14, 3, 3, 1))[0]
    while len(pairs) < number:
        color, shape = rng.choice(allowed)
        echo_color, echo_shape = rng.choice(pairs)
        # In mixed pictures, a third of the things echo another thing's colour, shape or both.
        roll = rng.random() if style == "mixed" else 1.0
        if style in ("one color", "one pair") or roll < 0.17:
            color = echo_color
        if style in ("one shape", "one pair") or 0.12 < roll < 0.29:
            shape = echo_shape
        if (color, shape) in allowed:
            pairs.append((color, shape))
    rng.shuffle(pairs)
    return pairs


def _sizes(rng: random.Random, number: int) -> list[str]:
    most_large = 4 if number <= 4 else 2
    sizes = ["large" if rng.random() < 0.5 else "small" for _ in range(number)]
    while sizes.count("large") > most_large:
        large = [i for i, size in enumerate(sizes) if size == "large"]
        sizes[rng.choice(large)] = "small"
    return sizes


def _thing(rng: random.Random, pair: tuple[str, str], size: str) -> Thing:
    color, shape = pair
    low, high = SIZES[size]
    base = COLORS[color]
    rgb = tuple(min(255, max(0, channel + rng.randint(-COLOR_JITTER, COLOR_JITTER))) for channel in base)
    turn = MAX_TURN[shape]
    return Thing(
        color,
        shape,
        size,
        rgb=(rgb[0], rgb[1], rgb[2]),
        diameter=rng.uniform(low, high),
        angle=rng.uniform(-turn, turn),
    )


def _placed(rng: random.Random, things: list[Thing], width: int, height: int) -> list[Thing]:
    """The things with centres, none overlapping. Large ones go first; if a try fails, start again, then go smaller."""
    tries = 0
    while True:
        order = sorted(things, key=lambda t: -t.diameter)
        done: list[Thing] = []
        boxes: list[tuple[float, float, float, float]] = []
        for thing in order:
            placed = _place_one(rng, thing, boxes, width, height)
            if placed is None:
                break
            done.append(placed)
            boxes.append(placed.box)
        if len(done) == len(things):
            return done
        tries += 1
        if tries % 8 == 0:
            biggest = order[0]
            things = [
                replace(t, size="small", diameter=rng.uniform(*SIZES["small"])) if t is biggest else t for t in things
            ]


def _place_one(
    rng: random.Random, thing: Thing, boxes: list[tuple[float, float, float, float]], width: int, height: int
) -> Thing | None:
    w, h = thing.extent
    for _ in range(24):
        row, column = rng.randrange(3), rng.randrange(3)
        x, y = _within(rng, column, width, w), _within(rng, row, height, h)
        near = (x - w / 2 - GAP, y - h / 2 - GAP, x + w / 2 + GAP, y + h / 2 + GAP)
        if all(near[2] <= b[0] or b[2] <= near[0] or near[3] <= b[1] or b[3] <= near[1] for b in boxes):
            return replace(thing, x=x, y=y, row=row, column=column)
    return None


def _within(rng: random.Random, cell: int, length: int, length_of_thing: float) -> float:
    """A centre coordinate inside cell 0, 1 or 2 of an axis, away from the cell's borders and inside the picture."""
    low = max(cell * length / 3 + CELL_MARGIN, length_of_thing / 2 + EDGE)
    high = min((cell + 1) * length / 3 - CELL_MARGIN, length - length_of_thing / 2 - EDGE)
    return rng.uniform(low, high)


def _background(rng: random.Random, things: list[Thing]) -> Background:
    """A background that every thing stands out from. White does for all, so there always is one."""
    kind = rng.choice(BACKGROUND_KINDS)
    good = [
        name for name, rgb in BACKGROUNDS.items() if all(math.dist(rgb, thing.rgb) >= CONTRAST for thing in things)
    ]  # fmt: skip
    color = rng.choice(good)
    top = bottom = BACKGROUNDS[color]
    if kind == "gradient":
        ends = [
            BACKGROUNDS[name] for name in good if name != color and _gradient_is_clear(top, BACKGROUNDS[name], things)
        ]
        bottom = rng.choice(ends) if ends else top
    return Background(kind, color, top, bottom, seed=rng.getrandbits(32))


def _gradient_is_clear(top: RGB, bottom: RGB, things: list[Thing]) -> bool:
    # Only between neighbours in brightness, so that every picture still reads as one surface.
    if math.dist(top, bottom) > 110:
        return False
    middle = tuple((a + b) / 2 for a, b in zip(top, bottom, strict=True))
    return all(math.dist(middle, thing.rgb) >= CONTRAST for thing in things)
