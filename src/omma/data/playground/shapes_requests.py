"""What to ask for so that a picture of the shapes world is what was asked: all of its things, in more or less detail."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

from omma.data.playground.shapes_layout import Layout, Thing
from omma.data.playground.shapes_questions import RELATIONS, relations_of
from omma.data.playground.shapes_words import at_place, joined, number_of, with_article

Name = Callable[[Thing], str]


def request(rng: random.Random, layout: Layout) -> str:
    """A text that names every thing: shapes alone, with colours, or with sizes too; of two things at times where one is seen from the
    other; or with the place of each."""
    names: list[Name] = [lambda t: t.shape, lambda t: f"{t.color} {t.shape}", lambda t: f"{t.color} {t.shape}", lambda t: t.label]
    name = rng.choice(names)
    things = list(layout.things)
    rng.shuffle(things)
    if rng.random() < 0.25:
        return joined([f"{with_article(name(t))} {at_place(t.place)}" for t in things])
    if len(things) == 2 and rng.random() < 0.6:
        first, second = things
        seen = sorted(relations_of(first, second))
        if seen:
            relation = rng.choice(RELATIONS[rng.choice(seen)])
            return f"{with_article(name(first))} {relation} {with_article(name(second))}"
    counts = Counter(map(name, things))
    return joined([number_of(count, named) for named, count in counts.items()])
