"""VQA accuracy: the leave-one-out table, and what the published normalisations forgive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omma.evaluation.metrics.vqa import CONTRACTIONS, vqa_accuracy, vqa_normalised, vqa_soft_simple


@pytest.mark.parametrize(("agreeing", "expected"), [(0, 0.0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1.0), (10, 1.0)])
def test_ten_people(agreeing: int, expected: float) -> None:
    answers = ["red"] * agreeing + [f"other {i}" for i in range(10 - agreeing)]
    assert vqa_accuracy("red", answers) == pytest.approx(expected, abs=1e-12)


def test_the_short_form_is_another_metric() -> None:
    answers = ["red"] * 2 + ["blue"] * 8
    assert vqa_soft_simple("red", answers) == pytest.approx(2 / 3)
    assert vqa_accuracy("red", answers) == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("The  Red\tBall", "red ball"),
        ("two", "2"),
        ("none", "0"),
        ("dont", "don't"),
        ("couldn'tve", "couldn't've"),
        ("hell", "hell"),
        ("its", "its"),
        ("black-white", "black white"),
        ("black - white", "black white"),  # a mark beside a space anywhere is deleted everywhere
        ("1,000", "1000"),  # a grouped number: all marks are deleted
        ("1,000/day", "1000day"),
        ("3.5", "3.5"),
        ("mr. x", "mr x"),
        (".5", ".5"),
        ("yes!", "yes"),
        ("a", ""),
    ],
)
def test_normalisation(text: str, normalised: str) -> None:
    assert vqa_normalised(text) == normalised


def test_profiles_differ_where_the_scripts_do() -> None:
    """The first script leaves answers as they are if all agree, and number words in answers always."""
    assert vqa_accuracy("two", ["two"] * 10, "vqav2") == 0.0
    assert vqa_accuracy("two", ["two"] * 10, "clean") == 1.0
    mixed = ["two"] * 5 + ["2"] * 5
    assert vqa_accuracy("two", mixed, "vqav2") == 1.0  # of which only the five "2" count
    assert vqa_accuracy("dog's", ["dog 's"] * 10, "textvqa") == 1.0
    assert vqa_accuracy("dog's", ["dog 's"] * 10, "clean") == 0.0


def test_one_answer_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="expected two answers or more, found 1"):
        vqa_accuracy("red", ["red"])


def test_contractions_get_their_apostrophes() -> None:
    assert CONTRACTIONS["wont"] == "won't"
    assert CONTRACTIONS["you'dve"] == CONTRACTIONS["youd've"] == "you'd've"
    assert not set(CONTRACTIONS) & set(CONTRACTIONS.values())


@given(st.text(max_size=30), st.lists(st.text(max_size=10), min_size=2, max_size=10))
def test_a_share_that_does_not_depend_on_the_order_of_people(prediction: str, answers: list[str]) -> None:
    found = vqa_accuracy(prediction, answers)
    assert 0 <= found <= 1
    assert vqa_accuracy(prediction, answers[::-1]) == pytest.approx(found)
