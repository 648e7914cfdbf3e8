"""What is not there: POPE's questions, CHAIR and AMBER on scenes small enough to count by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omma.evaluation.metrics.hallucination import (
    NEGATIVES,
    Ontology,
    amber_score,
    amber_scores,
    chair_counts,
    pope_questions,
)

PICTURES = {
    "1": ["dog", "ball"], "2": ["dog", "ball", "tree"], "3": ["dog", "car"], "4": ["tree", "cup"],
}  # fmt: skip

ONTOLOGY = Ontology(
    {"dog": "dog", "puppy": "dog", "hot dog": "hot dog", "person": "person", "man": "person", "knife": "knife", "bus": "bus", "glass": "glass"},
    irregular={"men": "man", "people": "person"},
)


def test_what_is_asked_for() -> None:
    popular = pope_questions(PICTURES, "popular", most=1)
    assert [q.thing for q in popular if not q.present] == ["tree", "car", "ball", "dog"]
    adversarial = pope_questions(PICTURES, "adversarial", most=1)
    # Beside a dog and a ball there is a tree once, a car once; beside a tree and a cup, a dog, a ball and nothing else.
    assert [q.thing for q in adversarial if not q.present] == ["tree", "car", "ball", "dog"]
    assert pope_questions(PICTURES, "random", seed=1) == pope_questions(PICTURES, "random", seed=1)
    assert pope_questions(PICTURES, "random", seed=1) != pope_questions(PICTURES, "random", seed=2)


@given(
    st.dictionaries(st.integers(0, 99), st.lists(st.sampled_from("abcdefgh"), max_size=6), min_size=1, max_size=8),
    st.sampled_from(NEGATIVES),
    st.integers(1, 4),
)
def test_questions_are_balanced_and_true(pictures: dict[int, list[str]], negatives: str, most: int) -> None:
    questions = pope_questions(pictures, negatives, most=most)  # type: ignore[arg-type]
    assert len(set(questions)) == len(questions)
    for question in questions:
        assert (question.thing in pictures[question.picture]) == question.present  # type: ignore[index]
    for picture in pictures:
        own = [q.present for q in questions if q.picture == picture]
        assert own.count(True) == own.count(False) <= most


@pytest.mark.parametrize(
    ("text", "things"),
    [
        ("A puppy and two dogs", ["dog", "dog"]),
        ("a hot dog", ["hot dog"]),
        ("Hot dogs, and a dog.", ["hot dog", "dog"]),
        ("three men, other people", ["person", "person"]),
        ("knives and buses", ["knife", "bus"]),
        ("a glass", ["glass"]),
        ("nothing", []),
    ],
)
def test_mentions(text: str, things: list[str]) -> None:
    assert ONTOLOGY.mentions(text) == things


def test_chair() -> None:
    captions = ["a dog, a dog and a bus", "a man", "empty"]
    found = chair_counts(captions, [["dog"], ["person", "knife"], ["dog"]], ONTOLOGY).scores()
    assert found.instance == 1 / 4  # mentions, not kinds
    assert found.sentence == 1 / 3
    assert found.recall == 2 / 4
    assert found.length == 10 / 3


def test_amber() -> None:
    named, present, tempting = [["a", "b", "x"], ["a"]], [["a", "b", "c", "d"], ["a"]], [["x", "y"], []]
    found = amber_scores(named, present, tempting)
    assert found.chair == pytest.approx((1 / 3 + 0) / 2)
    assert found.cover == pytest.approx((2 / 4 + 1) / 2)
    assert found.hallucination == 0.5
    assert found.cognition == pytest.approx((1 / 3 + 0) / 2)
    assert amber_scores(named, present, tempting, cognition_of="list").cognition == pytest.approx((1 / 2 + 0) / 2)
    assert amber_score(0.1, 0.8) == pytest.approx((90 + 80) / 2)
    with pytest.raises(ValueError, match="at least one reply"):
        amber_scores([], [], [])
