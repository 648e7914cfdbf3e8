"""Changes of a picture of the shapes world that words can ask for: another colour for one thing or for all, or one thing less."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace

from omma.data.playground.base import Split
from omma.data.playground.shapes_layout import COLORS, CONTRAST, HELD_OUT, Layout, Thing
from omma.data.playground.shapes_words import ATTRIBUTES, references


@dataclass(frozen=True, slots=True)
class Edit:
    """What is asked for, and the layout that is the answer."""

    text: str
    layout: Layout


def edit(rng: random.Random, layout: Layout, split: Split) -> Edit:
    """A change of the layout; everything else stays as it is. Training never sees held-out pairs come out of one."""
    makers = [_recolored, _recolored, _recolored, _without_one, _all_recolored]
    rng.shuffle(makers)
    for make in makers:
        made = make(rng, layout, split)
        if made is not None:
            return made
    # Twins alone, which no name tells apart, in the only colour that this background lets be seen.
    return Edit("draw this picture again", layout)


def _recolored(rng: random.Random, layout: Layout, split: Split) -> Edit | None:
    things = list(enumerate(layout.things))
    rng.shuffle(things)
    for number, thing in things:
        names = references(thing, layout.things, ATTRIBUTES, "object")
        colors = [color for color in COLORS if color != thing.color and _possible(layout, thing, color, split)]
        if names and colors:
            color = rng.choice(colors)
            changed = (*layout.things[:number], _in_color(thing, color), *layout.things[number + 1 :])
            text = rng.choice(("make {name} {color}", "paint {name} {color}", "change the color of {name} to {color}"))
            return Edit(text.format(name=rng.choice(names), color=color), replace(layout, things=changed))
    return None


def _all_recolored(rng: random.Random, layout: Layout, split: Split) -> Edit | None:
    colors = [color for color in COLORS if all(_possible(layout, thing, color, split) for thing in layout.things)]
    colors = [color for color in colors if any(thing.color != color for thing in layout.things)]
    if not colors:
        return None
    color = rng.choice(colors)
    return Edit(f"make all objects {color}", replace(layout, things=tuple(_in_color(t, color) for t in layout.things)))


def _without_one(rng: random.Random, layout: Layout, split: Split) -> Edit | None:
    things = [(thing, references(thing, layout.things, ATTRIBUTES, "object")) for thing in layout.things]
    named = [(thing, names) for thing, names in things if names]
    if len(layout.things) < 2 or not named:
        return None
    gone, names = rng.choice(named)
    text = rng.choice(("remove {name}", "take {name} away", "leave out {name}"))
    left = tuple(thing for thing in layout.things if thing is not gone)
    return Edit(text.format(name=rng.choice(names)), replace(layout, things=left))


def _possible(layout: Layout, thing: Thing, color: str, split: Split) -> bool:
    """Whether a thing of that colour would stand out, and may be shown."""
    background = layout.background
    middle = tuple((a + b) / 2 for a, b in zip(background.top, background.bottom, strict=True))
    seen = all(math.dist(COLORS[color], ground) >= CONTRAST for ground in (background.top, middle, background.bottom))
    return seen and (split == "compositional" or (color, thing.shape) not in HELD_OUT)


def _in_color(thing: Thing, color: str) -> Thing:
    return thing if thing.color == color else replace(thing, color=color, rgb=COLORS[color])
