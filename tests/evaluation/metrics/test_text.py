from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omma.evaluation.metrics.text import exact_match, normalised


@pytest.mark.parametrize(
    ("prediction", "answer", "right"),
    [
        ("Red.", "red", True),
        ("  red \n circle ", "red circle", True),
        ("\uff12", "2", True),  # full-width two
        ("ﬁve", "five", True),  # a ligature
        ("yes .", "yes", True),
        ("3.5", "35", False),
        ("two", "2", False),
        ("a cat", "cat", False),
        ("yes!", "yes", False),
        ("red..", "red", False),
        ("", "red", False),
        (".", "", False),
        ("", "", True),
    ],
)
def test_only_the_declared_differences_are_forgiven(prediction: str, answer: str, right: bool) -> None:
    assert exact_match(prediction, answer) is right


@given(st.text(), st.text())
def test_matching_is_symmetric_and_everything_matches_itself(one: str, other: str) -> None:
    assert exact_match(one, one)
    assert exact_match(one, other) == exact_match(other, one)


@given(st.text())
def test_outer_white_space_and_case_of_ascii_never_matter(text: str) -> None:
    assert normalised(f" \t{text}\n ") == normalised(text)
