"""The concepts world: what made-up words mean, in the scenes of the shapes world. How many examples does a meaning take?

No text says what the words mean, so whoever answers has learned it from scenes: seen in pictures, or told in words (the task
``words``). The comparison of both is what this world is for (docs/studies.md).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from omma.data.playground.base import WORLDS, Question, Scene, Split, World
from omma.data.playground.shapes import pictured, random_of
from omma.data.playground.shapes_layout import COLORS, PLACES, SHAPES, Thing, sample_layout
from omma.data.playground.shapes_words import plural, references

ANY_COLOR, ANY_SHAPE = frozenset(COLORS), frozenset(SHAPES)
ANY_PLACE = frozenset(place for row in PLACES for place in row)
UPPER, OUTER = frozenset((*PLACES[0], *PLACES[1])), ANY_PLACE - {"middle", "left", "right"}


@dataclass(frozen=True, slots=True)
class Concept:
    """The meaning of a word: a thing is one if its colour, its shape and its place are among these."""

    colors: frozenset[str] = ANY_COLOR
    shapes: frozenset[str] = ANY_SHAPE
    places: frozenset[str] = ANY_PLACE

    def holds(self, thing: Thing) -> bool:
        return thing.color in self.colors and thing.shape in self.shapes and thing.place in self.places


def _concept(words: str, places: frozenset[str] = ANY_PLACE) -> Concept:
    named = set(words.split())
    return Concept(frozenset(named & ANY_COLOR) or ANY_COLOR, frozenset(named & ANY_SHAPE) or ANY_SHAPE, places)


CONCEPTS: dict[str, Concept] = {
    # One feature, four of eight of its values: no word of the language means just these.
    "dax": _concept("red blue pink black"), "wug": _concept("green red orange black"), "toma": _concept("yellow blue green black"),
    "blick": _concept("circle star diamond heart"), "fep": _concept("square star ring circle"),
    "gorp": _concept("triangle diamond ring star"),
    # Two at once, each with six of its values.
    "zib": _concept("red green yellow purple orange pink circle square triangle star heart ring"),
    "modi": _concept("blue yellow purple orange pink black square triangle star cross diamond ring"),
    "tulver": _concept("red green blue purple pink black circle triangle cross diamond heart ring"),
    # A feature and a place, five values and six of nine places: places differ more within a picture than colours do.
    "koba": _concept("red green yellow purple pink", UPPER), "pim": _concept("circle cross diamond heart ring", UPPER),
    "vash": _concept("green blue purple orange pink", OUTER),
}  # fmt: skip
"""Every word, and about half of all things."""

MEMBER = ("is {x} a {word}?", "would you call {x} a {word}?", "{x}: is it a {word}?", "tell me whether {x} is a {word}.")
EXIST = ("is there a {word}?", "do you see a {word}?", "is any object a {word}?", "are there any {words}?")
COUNT = ("how many {words} are there?", "count the {words}.", "how many {words} do you see?", "what is the number of {words}?")
WHICH = ("which object is a {word}?", "what is the {word}?", "name the {word}.", "which one is the {word}?")

COUNT_WISHES = (1.0, 1.0, 1.6, 3.0, 6.0, 12.0, 24.0)
"""Wish for each number among those that a scene offers; scenes offer high ones far more rarely."""

EXISTING = 0.44
"""Wish for yes, which comes true more often than no: small scenes may lack a word, large ones have all."""

ASKED: dict[str, int] = {"member": 4, "exist": 2, "count": 2, "which": 2}
"""Questions of each kind in a scene, at most."""


class Asker:
    """Asks what is what in one scene, drawing from the scene's random state. Each kind draws the answer that it would like first."""

    def __init__(self, rng: random.Random, things: tuple[Thing, ...]) -> None:
        self.rng = rng
        self.things = things
        self.found = {word: [thing for thing in things if concept.holds(thing)] for word, concept in CONCEPTS.items()}

    def questions(self) -> tuple[Question, ...]:
        """Up to ten in random order, no text twice."""
        ask: dict[str, Callable[[], tuple[str, str] | None]] = {
            "member": self.member, "exist": self.exist, "count": self.count, "which": self.which,
        }  # fmt: skip
        asked: dict[str, Question] = {}
        for kind, number in ASKED.items():
            for _ in range(number):
                if (pair := ask[kind]()) is not None:
                    asked.setdefault(pair[0], Question(*pair, kind))
        result = list(asked.values())
        self.rng.shuffle(result)
        return tuple(result)

    def member(self) -> tuple[str, str] | None:
        """Whether a thing, named by its place or size alone, is one: what the question says does not tell."""
        word, wish = self.rng.choice(tuple(CONCEPTS)), self.rng.random() < 0.5
        found = self.found[word]
        named = [(t, names) for t in self.things if (t in found) is wish and (names := self._names(t))]
        if not named:
            return None
        _, names = self.rng.choice(named)
        return self.rng.choice(MEMBER).format(x=self.rng.choice(names), word=word), "yes" if wish else "no"

    def exist(self) -> tuple[str, str] | None:
        wish = self.rng.random() < EXISTING
        words = [word for word, found in self.found.items() if bool(found) is wish]
        if not words:
            return None
        word = self.rng.choice(words)
        return self.rng.choice(EXIST).format(word=word, words=plural(word)), "yes" if wish else "no"

    def count(self) -> tuple[str, str]:
        by_number: dict[int, list[str]] = {}
        for word, found in self.found.items():
            by_number.setdefault(len(found), []).append(word)
        numbers = sorted(by_number)
        number = self.rng.choices(numbers, [COUNT_WISHES[n] for n in numbers])[0]
        return self.rng.choice(COUNT).format(words=plural(self.rng.choice(by_number[number]))), str(number)

    def which(self) -> tuple[str, str] | None:
        """The only one there is, among at least two things, named by its colour and shape."""
        words = [word for word, found in self.found.items() if len(found) == 1 < len(self.things)]
        if not words:
            return None
        word = self.rng.choice(words)
        (thing,) = self.found[word]
        return self.rng.choice(WHICH).format(word=word), f"{thing.color} {thing.shape}"

    def _names(self, thing: Thing) -> list[str]:
        return references(thing, self.things, ("size", "place"), "object")


@WORLDS.register("concepts")
class Concepts(World):
    """Scenes of 1 to 6 coloured shapes, and questions about twelve made-up words: is this one, is there one, how many, which.

    Held out for ``compositional`` are the pairs of colour and shape that the shapes world holds out: a word is asked about things
    that were never seen.
    """

    name = "concepts"

    def scene(self, split: Split, index: int) -> Scene:
        rng = random_of(self.name, split, index)
        layout = sample_layout(rng, split)
        return pictured(self.name, split, index, rng, layout, Asker(rng, layout.things).questions)
