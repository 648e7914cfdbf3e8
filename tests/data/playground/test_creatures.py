"""Creatures and bestiary: answers from the table, and what is never taught is never taught."""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omma.data.playground.base import SPLITS, Scene, Split
from omma.data.playground.creatures import CREATURES, FOODS, HOMES, LINKED, UNLINKED, Bestiary, Creature, Creatures
from omma.data.playground.shapes_layout import COLORS, KNOWN_PAIRS, PLACES, SHAPES
from omma.data.playground.shapes_words import at_place

PICTURES, BOOK = Creatures.Config().build(), Bestiary.Config().build()
BY_LOOK = {creature.look: creature for creature in CREATURES}
BY_NAME = {name: creature for creature in CREATURES for name in (creature.hill, creature.coast)}


def shown(scene: Scene, text: str) -> Creature:
    """The creature that a question is about."""
    places = [p for row in PLACES for p in row if re.search(rf"\b{at_place(p)}\b(?! (left|right))", text)]
    sizes = [size for size in ("small", "large") if re.search(rf"\b{size}\b", text)]
    (thing,) = (
        t for t in scene.facts["objects"] if t["place"] in (places or [t["place"]]) and t["size"] in (sizes or [t["size"]])
    )
    return BY_LOOK[thing["color"], thing["shape"]]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SPLITS), st.integers(0, 10**9))
def test_pictures_answer_by_the_table_and_teach_only_what_they_may(split: Split, index: int) -> None:
    scene = PICTURES.scene(split, index)
    assert scene.questions and len({question.text for question in scene.questions}) == len(scene.questions)
    for question in scene.questions:
        creature = shown(scene, question.text)
        table = {"hill name": creature.hill, "coast name": creature.coast, "home": creature.home, "food": creature.food}
        assert question.answer == table[question.kind.removeprefix("untaught ")]
        assert not re.search(rf"\b({'|'.join((*COLORS, *SHAPES))})\b", question.text)
        if split == "compositional":
            assert question.kind.startswith("untaught") and creature in UNLINKED
        else:
            assert "untaught" not in question.kind and (question.kind.endswith("name") or creature in LINKED)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SPLITS), st.integers(0, 10**9))
def test_the_book_answers_by_the_table_and_teaches_only_what_it_may(split: Split, index: int) -> None:
    scene = BOOK.scene(split, index)
    assert not scene.images and len({question.text for question in scene.questions}) == len(scene.questions)
    said = f"{scene.caption} {scene.description}"
    for creature in CREATURES:  # each fact under one name alone, and never a look
        for sentence in re.findall(r"[^.]+\.", said):
            if creature.hill in sentence:
                assert creature.home in sentence and not any(food in sentence for food in FOODS)
            if creature.coast in sentence:
                assert creature.food in sentence and not any(home in sentence for home in HOMES)
    for question in scene.questions:
        assert not re.search(rf"\b({'|'.join((*COLORS, *SHAPES))})\b", question.text)
        (name,) = (name for name in BY_NAME if re.search(rf"\b{name}\b", question.text))
        creature = BY_NAME[name]
        known = {creature.hill: creature.home, creature.coast: creature.food}
        if question.kind in ("home", "food"):
            assert question.answer == known[name] and split != "compositional"
        else:
            assert question.answer in {creature.home, creature.food, creature.hill, creature.coast} - {known[name], name}
            assert (question.kind == "untaught") is (split == "compositional") is (creature in UNLINKED)


def test_nothing_but_the_creature_itself_tells_its_facts() -> None:
    assert len(BY_LOOK) == 16 and len(BY_NAME) == 32 and set(BY_LOOK) <= set(KNOWN_PAIRS)
    for group in (LINKED, UNLINKED):
        assert sorted(c.home for c in group) == sorted(HOMES) and sorted(c.food for c in group) == sorted(FOODS)
    for one, other in combinations(CREATURES, 2):
        assert (one.home, one.food) != (other.home, other.food)
        if one.look[0] == other.look[0] or one.look[1] == other.look[1]:
            assert one.home != other.home and one.food != other.food


@pytest.mark.parametrize("split", ["train", "compositional"])
def test_no_answer_pays(split: Split) -> None:
    for world in (PICTURES, BOOK):
        answers: dict[str, Counter[str]] = {}
        for index in range(600):
            for question in world.scene(split, index).questions:
                answers.setdefault(question.kind, Counter())[question.answer] += 1
        for kind, counts in answers.items():
            assert max(counts.values()) < 0.18 * counts.total(), kind
