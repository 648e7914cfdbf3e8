"""How the shapes world speaks: names for things, captions, and complete descriptions.

The nine places have one name each, the same in descriptions, questions and answers: whoever has only the words must find
exactly what whoever has only the picture finds.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from omma.data.playground.shapes_layout import Layout, Thing

NUMBER_WORDS: tuple[str, ...] = ("no", "one", "two", "three", "four", "five", "six")

ATTRIBUTES: tuple[str, ...] = ("size", "color", "shape", "place")


def with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def plural(shape: str) -> str:
    """The plural of a shape's name or of "object" and the like."""
    return f"{shape}es" if shape.endswith("s") else f"{shape}s"


def at_place(place: str) -> str:
    """A place as an adverbial: "in the middle", "on the left", "at the top right"."""
    preposition = {"middle": "in", "left": "on", "right": "on"}.get(place, "at")
    return f"{preposition} the {place}"


def number_of(number: int, noun: str) -> str:
    """ "a red star", "two red stars" (``noun`` ends in a shape's name)."""
    return with_article(noun) if number == 1 else f"{NUMBER_WORDS[number]} {plural(noun)}"


def joined(pieces: Sequence[str]) -> str:
    """ "a, b and c"."""
    return pieces[0] if len(pieces) == 1 else f"{', '.join(pieces[:-1])} and {pieces[-1]}"


def references(thing: Thing, things: Sequence[Thing], allowed: Sequence[str], noun: str) -> list[str]:
    """All shortest ways to name one thing so that it cannot be taken for another, "the" included.

    Args:
        allowed: which of `ATTRIBUTES` the name may use (a question about the colour must not say the colour).
        noun: what to call it where its shape is not said ("object", "figure").

    Returns:
        Names of the fewest attributes that do it, then the names with one attribute more; empty if none can.
    """
    # One bit per attribute: a name is unique if, for every other thing, it says an attribute in which they differ.
    differing = [
        sum(1 << i for i, attribute in enumerate(ATTRIBUTES) if getattr(other, attribute) != getattr(thing, attribute))
        for other in things
        if other is not thing
    ]
    usable = sum(1 << ATTRIBUTES.index(attribute) for attribute in allowed)
    unique = [bits for bits in range(1, 16) if not bits & ~usable and all(bits & other for other in differing)]
    shortest = min((bits.bit_count() for bits in unique), default=0)
    return [_name(thing, bits, noun) for bits in unique if bits.bit_count() <= shortest + 1]


def _name(thing: Thing, bits: int, noun: str) -> str:
    words = [thing.size] if bits & 1 else []
    words += [thing.color] if bits & 2 else []
    words += [thing.shape if bits & 4 else noun]
    words += [at_place(thing.place)] if bits & 8 else []
    return "the " + " ".join(words)


def caption(rng: random.Random, layout: Layout) -> str:
    """One short sentence that is true, but need not say everything."""
    things = layout.things
    if len(things) == 1:
        text = _caption_of_one(rng, things[0])
    else:
        groups = list(Counter(thing.pair for thing in things).items())
        rng.shuffle(groups)
        if len(groups) <= 3 and rng.random() < 0.8:
            listed = joined([number_of(number, " ".join(pair)) for pair, number in groups])
            text = rng.choice(_CAPTIONS_OF_ALL).format(listed=listed)
        else:
            text = _caption_of_some(rng, things)
    if layout.background.kind == "plain" and rng.random() < 0.15 and " background" not in text:
        text += f" on a {layout.background.color} background"
    return text


_CAPTIONS_OF_ALL: tuple[str, ...] = (
    "{listed}", "{listed}", "{listed}", "a picture of {listed}", "a picture with {listed}", "an image showing {listed}",
    "there is {listed}", "a drawing of {listed}", "this picture shows {listed}", "we can see {listed}", "{listed} together",
    "simple shapes: {listed}",
)  # fmt: skip


def _caption_of_one(rng: random.Random, thing: Thing) -> str:
    size = rng.choice({"small": ("", "", "small", "tiny", "little"), "large": ("", "", "large", "big")}[thing.size])
    what = with_article(" ".join(filter(None, (size, thing.color, thing.shape))))
    where = at_place(thing.place)
    return rng.choice(
        (
            f"{what}", f"{what} {where}", f"a picture of {what}", f"a picture with {what} {where}", f"a single {what.split(' ', 1)[1]}",
            f"there is {what} {where}", f"just {what}", f"{what}, alone in the picture", f"an image of {what} {where} of the picture",
            f"only one object: {what}",
        )
    )  # fmt: skip


def _caption_of_some(rng: random.Random, things: Sequence[Thing]) -> str:
    number, thing = NUMBER_WORDS[len(things)], rng.choice(things)
    shapes, colors = {t.shape for t in things}, {t.color for t in things}
    name = f"{thing.color} {thing.shape}"
    options = [
        f"{number} objects, one of them {with_article(name)}",
        f"{number} shapes with {with_article(f'{thing.size} {name}')} {at_place(thing.place)}",
        f"a picture with {number} objects",
        f"{with_article(f'{thing.size} {name}')} {at_place(thing.place)} and {_others(len(things) - 1)}",
        f"{with_article(name)} {at_place(thing.place)} of a picture with {number} objects",
        f"{number} figures, among them {with_article(name)}",
        f"a picture of {number} shapes in {_variety(len(colors), 'color')}",
    ]
    if len(shapes) == 1:
        options += [
            f"{number} {plural(thing.shape)}",
            f"{number} {plural(thing.shape)} in {_variety(len(colors), 'color')}",
        ]
    elif len(shapes) <= 3:
        by_shape = joined([number_of(n, s) for s, n in Counter(t.shape for t in things).items()])
        options += [by_shape, f"a picture with {by_shape}"]
    if len(colors) == 1:
        options += [f"{number} {thing.color} shapes", f"{number} objects, all {thing.color}"]
    elif len(colors) <= 3:
        options.append(f"{number} shapes in {joined(sorted(colors))}")
    return rng.choice(options)


def _others(number: int) -> str:
    return "another object" if number == 1 else f"{NUMBER_WORDS[number]} other objects"


def _variety(number: int, noun: str) -> str:
    return f"the same {noun}" if number == 1 else f"{NUMBER_WORDS[number]} different {noun}s"


def describe(rng: random.Random, layout: Layout) -> str:
    """Every thing with size, colour, shape and place, in reading order. At most 60 words, in one of several styles."""
    things = layout.things
    style = rng.randrange(6)
    if style == 0:
        return _sentence(joined([f"{with_article(t.label)} {at_place(t.place)}" for t in things]))
    if style == 1:
        listed = joined([f"{with_article(t.label)} {at_place(t.place)}" for t in things])
        return f"The picture shows {listed}."
    if style == 2:
        return " ".join(f"{t.place.capitalize()}: {with_article(t.label)}." for t in things)
    if style == 3:
        return _sentence("; ".join(f"{t.label}, {t.place}" for t in things))
    if style == 4:
        count = "one object" if len(things) == 1 else f"{NUMBER_WORDS[len(things)]} objects"
        return (
            f"There {'is' if len(things) == 1 else 'are'} {count}: "
            + ", ".join(f"{t.label} {at_place(t.place)}" for t in things)
            + "."
        )
    clauses = joined([f"{at_place(t.place)} {with_article(t.label)}" for t in things])
    return f"We see {clauses}."


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
