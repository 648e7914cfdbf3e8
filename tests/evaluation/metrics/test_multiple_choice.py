"""Multiple choice: the replies that have fooled other parsers, rotation, and corrections for luck."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omma.evaluation.metrics.multiple_choice import (
    LETTERS,
    Rotation,
    chance_corrected,
    chosen,
    circular_scores,
    likeliest,
    rotated,
)

ANIMALS = ["a cat", "a dog", "a big dog", "none of the above"]


@pytest.mark.parametrize(
    ("reply", "letter", "rule"),
    [
        ("B", "B", "alone"),
        ("b.", "B", "alone"),
        ("(C)", "C", "alone"),
        ("**D**", "D", "alone"),
        ("\uff22", "B", "alone"),  # full-width B
        ("The correct answer is (B)", "B", "answer"),
        ("Answer: C.", "C", "answer"),
        ("Thus \\boxed{B}", "B", "answer"),
        ("\\boxed{\\text{a cat}}", "A", "answer"),
        ("First I thought the answer is A. But the answer is B", "B", "answer"),
        ("The answer is a big dog.", "C", "answer"),
        ("I would choose option (B) here", "B", "brackets"),
        ("C. a big dog", "C", "leading"),
        ("B: it barks", "B", "leading"),
        ("Based on the picture, it is a cat.", "A", "option-text"),
        ("It shows a big dog", "C", "option-text"),  # in which "a dog" is not a part, but "dog" is
        ("none of the above", "D", "option-text"),
        ("A dog is seen", "B", "option-text"),  # "A" is an article
        ("a dog and a cat", None, "none"),
        ("A, B, C and D are all possible", None, "none"),
        ("Both", None, "none"),
        ("E", None, "none"),
        ("", None, "none"),
        ("The answer is unclear", None, "none"),
    ],
)
def test_replies(reply: str, letter: str | None, rule: str) -> None:
    found = chosen(reply, ANIMALS)
    assert (found.option, found.rule) == (None if letter is None else LETTERS.index(letter), rule)


def test_an_option_within_another() -> None:
    options = ["red", "dark red", "blue"]
    assert chosen("it looks dark red to me", options).option == 1
    assert chosen("it looks red to me", options).option == 0
    assert chosen("dark red or just red", options).option is None


def test_letters_are_limited_to_the_options() -> None:
    assert chosen("The answer is D", ["one", "two"]).option is None
    with pytest.raises(ValueError, match="expected 2 to 26 options, found 1"):
        chosen("A", ["one"])


@given(st.integers(2, 8), st.data())
def test_a_letter_in_any_dress_is_found(count: int, data: st.DataObject) -> None:
    options = [f"thing number {i}" for i in range(count)]
    letter = data.draw(st.sampled_from(LETTERS[:count]))
    dress = data.draw(st.sampled_from(["{}", "({})", "{}.", "Answer: {}", "the answer is {}.", "[{}]", "I say ({}), surely"]))
    assert chosen(dress.format(letter), options).option == LETTERS.index(letter)


def test_likelihood() -> None:
    assert likeliest([-3.0, -1.0, -2.0]) == 1
    assert likeliest([-3.0, -1.0, -2.0], [6, 1, 1]) == 0
    with pytest.raises(ValueError, match="for each option"):
        likeliest([-1.0], [1, 2])


def asked(item: str, choices: list[int | None], truth: int = 0) -> list[Rotation]:
    return [Rotation(item, by, len(choices), truth, choice) for by, choice in enumerate(choices)]


def test_circular() -> None:
    options = ["w", "x", "y"]
    right = [rotated(options, by).index("w") for by in range(3)]
    # One always right; one that says "A" whatever stands there; one that names the same wrong option; one unparsed once.
    wrong = [rotated(options, by).index("y") for by in range(3)]
    found = circular_scores([*asked("1", right), *asked("2", [0, 0, 0]), *asked("3", wrong), *asked("4", [*right[:2], None])])
    assert found.vanilla == 3 / 4
    assert found.circular == 1 / 4
    assert found.consistency == 2 / 4
    assert sum(found.letters) == pytest.approx(11 / 12)
    assert found.letters[0] == pytest.approx((1 + 3 + 1 + 1) / 12)
    assert circular_scores(asked("1", [0] * 3) * 1).letter_bias < circular_scores(asked("1", right)).letter_bias == 1.0


@given(st.lists(st.lists(st.one_of(st.none(), st.integers(0, 3)), min_size=4, max_size=4), min_size=1, max_size=6))
def test_circular_is_never_above_vanilla(choices: list[list[int | None]]) -> None:
    rotations = list(itertools.chain.from_iterable(asked(str(i), row) for i, row in enumerate(choices)))
    found = circular_scores(rotations)
    assert found.circular <= found.vanilla
    assert circular_scores(rotations[::-1]) == found


def test_a_rotation_missing_or_twice() -> None:
    with pytest.raises(ValueError, match=r"'1' wants rotations 0 to 2, it was asked in \[0, 1\]"):
        circular_scores(asked("1", [0, 1, 2])[:2])
    with pytest.raises(ValueError, match="asked twice with its options rotated by 0"):
        circular_scores([*asked("1", [0, 1, 2]), asked("1", [0, 1, 2])[0]])


def test_luck_is_taken_off() -> None:
    assert chance_corrected(0.25, [4, 4]) == pytest.approx(0)
    assert chance_corrected(1.0, [2, 4]) == pytest.approx(1)
    assert chance_corrected(0.375, [2, 4]) == pytest.approx(0)
