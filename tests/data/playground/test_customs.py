"""Customs and sagas: what custom alone answers is right in all agreements, and wrong in all conflicts."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omma.data.playground.base import SPLITS, Question, Split
from omma.data.playground.customs import CORRECTED, CUSTOM, UNCORRECTED, Customs, Sagas
from omma.data.playground.shapes_layout import COLORS, HELD_OUT, SHAPES

CUSTOMS, SAGAS = Customs.Config().build(), Sagas.Config().build()


def by_colors(question: Question, colors: dict[str, str]) -> str:
    """What follows if things have these colours."""
    (shape,) = {shape for shape in SHAPES if re.search(rf"\b{shape}(e?s)?\b", question.text.lower())}
    named = re.findall(rf"\b({'|'.join(COLORS)})\b", question.text.lower())
    if not named:
        return colors[shape]
    return "yes" if named == [colors[shape]] else "no"


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SPLITS), st.integers(0, 10**9))
def test_pictures_answer_and_custom_is_right_where_they_agree_alone(split: Split, index: int) -> None:
    scene = CUSTOMS.scene(split, index)
    seen = {thing["shape"]: thing["color"] for thing in scene.facts["objects"]}
    assert len(seen) == len(scene.facts["objects"]) and not HELD_OUT & {(color, shape) for shape, color in seen.items()}
    assert set(seen) <= set(UNCORRECTED if split == "compositional" else CORRECTED)
    for question in scene.questions:
        assert question.answer == by_colors(question, seen)
        kind = "agreement" if by_colors(question, CUSTOM) == question.answer else "conflict"
        assert question.kind == ("other " if split == "compositional" else "") + kind
    assert len({question.text for question in scene.questions}) == len(scene.questions) == 2 * len(seen)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(SPLITS), st.integers(0, 10**9))
def test_sagas_never_leave_custom(split: Split, index: int) -> None:
    scene = SAGAS.scene(split, index)
    for color, shape in re.findall(rf"\b({'|'.join(COLORS)}) ({'|'.join(SHAPES)})\b", scene.description.lower()):
        assert CUSTOM[shape] == color
    for question in scene.questions:
        assert question.answer == by_colors(question, CUSTOM)
    assert not scene.images and len({question.text for question in scene.questions}) == len(scene.questions)


def test_every_shape_has_a_custom_of_its_own() -> None:
    assert sorted(CUSTOM) == sorted(SHAPES) and sorted(CUSTOM.values()) == sorted(COLORS)
    assert not HELD_OUT & {(color, shape) for shape, color in CUSTOM.items()}
    assert {*CORRECTED} ^ {*UNCORRECTED} == set(SHAPES)


@pytest.mark.parametrize("split", SPLITS)
def test_conflict_is_as_frequent_as_agreement_and_yes_as_no(split: Split) -> None:
    asked = [question for index in range(800) for question in CUSTOMS.scene(split, index).questions]
    for counts in (
        Counter(question.kind.endswith("conflict") for question in asked),
        Counter(question.answer == "yes" for question in asked if question.answer in ("yes", "no")),
    ):
        assert 0.46 < counts[True] / counts.total() < 0.54


def test_sagas_tell_of_all_shapes_with_and_without_their_colors() -> None:
    scenes = [SAGAS.scene("train", index) for index in range(300)]
    kinds = Counter(question.kind for scene in scenes for question in scene.questions)
    assert kinds.keys() == {"color", "yes_no", "custom"}
    for shape in SHAPES:
        told = [scene.description.lower() for scene in scenes if f" {shape}" in scene.description.lower()]
        with_color = sum(f"{CUSTOM[shape]} {shape}" in text for text in told)
        assert 0 < with_color < len(told)
