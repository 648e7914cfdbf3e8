"""What is said against what is seen: the worlds *sagas* (words only) and *customs* (pictures).

In sagas every shape has one colour: a star is yellow, whoever tells of it. In the pictures of customs half of the things have
another. Who learned from sagas and then answers what a star usually is, and not what this one is, has a textual bias; what it takes
to correct that is what the worlds are for (docs/studies.md).
"""

from __future__ import annotations

import random

from omma.data.playground.base import WORLDS, Question, Scene, Split, World
from omma.data.playground.language_words import NAMES
from omma.data.playground.passages import Family, Passage, combination, listed, words_scene
from omma.data.playground.shapes import pictured, random_of
from omma.data.playground.shapes_layout import COLORS, KNOWN_PAIRS, PICTURE_SIZES, SHAPES, Thing, layout_of
from omma.data.playground.shapes_words import plural, with_article

CUSTOM: dict[str, str] = {
    "star": "yellow", "circle": "blue", "square": "green", "cross": "black",
    "heart": "pink", "triangle": "purple", "diamond": "orange", "ring": "red",
}  # fmt: skip
"""The colour that a shape has in every saga: none of the pairs that the shapes world holds out."""

CORRECTED, UNCORRECTED = tuple(CUSTOM)[:4], tuple(CUSTOM)[4:]
"""Shapes of the splits ``train`` and ``fresh``, and of ``compositional``."""

COLOR_PHRASES = ("what color is {x}?", "which color does {x} have?", "what is the color of {x}?", "name the color of {x}.")
JUDGED_PHRASES = ("is {x} {color}?", "{x} is {color}, yes or no?", "is it right that {x} is {color}?", "tell me whether {x} is {color}.")
"""The same in sagas and about pictures."""
KNOWN_PHRASES = ("what color are {xs}?", "which color do {xs} have?", "{xs} are of what color?", "in the sagas, what color are {xs}?")

DEEDS = ("found", "lost", "carried", "drew", "hid", "sold", "kept", "dreamed of", "asked for", "looked for", "painted", "gave away")


@WORLDS.register("customs")
class Customs(World):
    """Pictures of two to four different shapes, each with its custom's colour or, as often, with another. What color is it?

    The kinds of question say what the thing that is asked about does: *agreement* with the custom, or *conflict*. ``train``
    and ``fresh`` show and ask about four shapes, ``compositional`` the four others (kinds *other agreement* and *other
    conflict*): there it shows whether a correction is more than other colours for four shapes.
    """

    name = "customs"

    def scene(self, split: Split, index: int) -> Scene:
        rng = random_of(self.name, split, index)
        among = UNCORRECTED if split == "compositional" else CORRECTED
        pairs = [(_color(rng, shape), shape) for shape in rng.sample(among, rng.randint(2, 4))]
        layout = layout_of(rng, pairs, rng.choice(PICTURE_SIZES))
        return pictured(self.name, split, index, rng, layout, lambda: _questions(rng, layout.things, split))


def _color(rng: random.Random, shape: str) -> str:
    if rng.random() < 0.5:
        return CUSTOM[shape]
    return rng.choice([color for color, other in KNOWN_PAIRS if other == shape and color != CUSTOM[shape]])


def _questions(rng: random.Random, things: tuple[Thing, ...], split: Split) -> tuple[Question, ...]:
    """Of every thing its colour, and whether it has one. A conflicting thing is asked about with its custom's colour where the
    answer is no, an agreeing one where it is yes: custom alone is right in all agreements and wrong in all conflicts."""
    asked = []
    for thing in things:
        usual, x = CUSTOM[thing.shape], f"the {thing.shape}"
        agrees = thing.color == usual
        kind = ("other " if split == "compositional" else "") + ("agreement" if agrees else "conflict")
        asked.append(Question(rng.choice(COLOR_PHRASES).format(x=x), thing.color, kind))
        yes = rng.random() < 0.5
        wrong = usual if not agrees else rng.choice([color for color in COLORS if color != usual])
        text = rng.choice(JUDGED_PHRASES).format(x=x, color=thing.color if yes else wrong)
        asked.append(Question(text, "yes" if yes else "no", kind))
    rng.shuffle(asked)
    return tuple(asked)


def _saga(rng: random.Random) -> Passage:
    """Somebody did something with two to four things; half the time their colours are said, which are always the same."""
    who = rng.choice(NAMES)
    shapes = rng.sample(SHAPES, rng.randint(2, 4))
    said = [rng.random() < 0.5 for _ in shapes]
    told = [with_article(f"{CUSTOM[s]} {s}" if color else s) for s, color in zip(shapes, said, strict=True)]
    deed = rng.choice(DEEDS)
    questions = [question for shape in shapes for question in _asked(rng, shape)]
    rng.shuffle(questions)
    return Passage(
        f"{who} {deed} {listed(told)}.",
        "a saga",
        questions,
        [combination(deed, shape) for shape in shapes],
        {"shapes": shapes},
    )


def _lore(rng: random.Random) -> Passage:
    """What everybody knows, said or only asked."""
    shapes = rng.sample(SHAPES, rng.randint(2, 4))
    said = " ".join(f"{plural(shape)} are {CUSTOM[shape]}." for shape in shapes)
    phrase = rng.choice(KNOWN_PHRASES)
    questions = [Question(phrase.format(xs=plural(shape)), CUSTOM[shape], "custom") for shape in shapes]
    questions += [question for shape in shapes[:2] for question in _asked(rng, shape)]
    rng.shuffle(questions)
    pairs = [combination(phrase, shape) for shape in shapes]
    return Passage(said if rng.random() < 0.3 else "", "what everybody knows", questions, pairs, {"shapes": shapes})


def _asked(rng: random.Random, shape: str) -> list[Question]:
    usual, yes = CUSTOM[shape], rng.random() < 0.5
    color = usual if yes else rng.choice([color for color in COLORS if color != usual])
    x = f"the {shape}"
    return [
        Question(rng.choice(COLOR_PHRASES).format(x=x), usual, "color"),
        Question(rng.choice(JUDGED_PHRASES).format(x=x, color=color), "yes" if yes else "no", "yes_no"),
    ]


@WORLDS.register("sagas")
class Sagas(World):
    """Short sagas in words only, in which every shape has one colour (`CUSTOM`), said or not.

    The held-out combinations are pairs of deed and shape, and of wording and shape.
    """

    name = "sagas"

    FAMILIES = {"saga": Family(_saga, 3), "lore": Family(_lore, 2)}

    def scene(self, split: Split, index: int) -> Scene:
        return words_scene(self.name, split, index, self.FAMILIES)
