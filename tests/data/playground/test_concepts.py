"""The concepts world: answers computed anew from the scene graph, balance, and that nothing gives the meaning away."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omma.data.playground.base import SPLITS, Question, Scene, Split
from omma.data.playground.concepts import CONCEPTS, Concepts
from omma.data.playground.shapes_layout import COLORS, HELD_OUT, PLACES, SHAPES
from omma.data.playground.shapes_words import at_place, plural

WORLD = Concepts.Config().build()
WORDS = re.compile("|".join(rf"\b{word}(?:e?s)?\b" for word in CONCEPTS))


@cache
def scenes(split: Split, number: int) -> tuple[Scene, ...]:
    return tuple(WORLD.scene(split, index) for index in range(number))


def is_one(thing: dict[str, Any], word: str) -> bool:
    concept = CONCEPTS[word]
    return thing["color"] in concept.colors and thing["shape"] in concept.shapes and thing["place"] in concept.places


def word_of(question: Question) -> str:
    (found,) = WORDS.findall(question.text)
    return next(word for word in CONCEPTS if found in (word, plural(word)))


def asked_about(question: Question, things: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The things that the size and the place in a question leave."""
    places = [place for row in PLACES for place in row if re.search(rf"\b{at_place(place)}\b(?! (left|right))", question.text)]
    sizes = [size for size in ("small", "large") if re.search(rf"\b{size}\b", question.text)]
    return [t for t in things if t["place"] in (places or [t["place"]]) and t["size"] in (sizes or [t["size"]])]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SPLITS), st.integers(0, 10**9))
def test_answers_follow_from_the_scene_graph(split: Split, index: int) -> None:
    scene = WORLD.scene(split, index)
    things = scene.facts["objects"]
    assert len({question.text for question in scene.questions}) == len(scene.questions) >= 3
    for question in scene.questions:
        word = word_of(question)
        found = [thing for thing in things if is_one(thing, word)]
        if question.kind == "member":
            (thing,) = asked_about(question, things)
            assert question.answer == ("yes" if is_one(thing, word) else "no"), question
        elif question.kind == "exist":
            assert question.answer == ("yes" if found else "no")
        elif question.kind == "count":
            assert question.answer == str(len(found))
        else:
            (thing,) = found
            assert question.answer == f"{thing['color']} {thing['shape']}"


def test_yes_and_no_are_balanced_for_every_word_and_no_number_pays() -> None:
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    members: dict[str, Counter[str]] = defaultdict(Counter)
    for scene in scenes("train", 2500):
        for question in scene.questions:
            answers[question.kind][question.answer] += 1
            if question.kind == "member":
                members[word_of(question)][question.answer] += 1
    assert members.keys() == CONCEPTS.keys()
    for counts in (*members.values(), answers["exist"]):
        assert 0.42 < counts["yes"] / counts.total() < 0.58
    assert max(answers["count"].values()) < 0.25 * answers["count"].total()
    assert max(answers["which"].values()) < 0.05 * answers["which"].total()


def test_every_word_means_about_half_of_all_things_and_none_means_what_another_does() -> None:
    things = [{"color": c, "shape": s, "place": p} for c in COLORS for s in SHAPES for row in PLACES for p in row]
    meanings = {word: tuple(is_one(thing, word) for thing in things) for word in CONCEPTS}
    for word, meaning in meanings.items():
        assert 0.4 < sum(meaning) / len(meaning) < 0.6, word
        for other, others in meanings.items():
            same = sum(a == b for a, b in zip(meaning, others, strict=True)) / len(meaning)
            assert word == other or 0.25 < same < 0.75, (word, other)


@pytest.mark.parametrize("split", SPLITS)
def test_no_text_says_what_a_word_means(split: Split) -> None:
    for scene in scenes(split, 300):
        assert not WORDS.search(f"{scene.caption} {scene.description}")
        for question in scene.questions:
            if question.kind != "which":
                assert not re.search(rf"\b({'|'.join((*COLORS, *SHAPES))})\b", question.text), question


def test_things_that_were_never_seen_are_held_out() -> None:
    for split, there in (("train", False), ("fresh", False), ("compositional", True)):
        for scene in scenes(split, 150):  # type: ignore[arg-type]
            assert any((t["color"], t["shape"]) in HELD_OUT for t in scene.facts["objects"]) is there
