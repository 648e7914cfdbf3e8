"""Stability: by hand, Fleiss' own example, and resampled answers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omma.evaluation.trust.stability import answer_entropy, majority, pass_at, stability


def test_by_hand() -> None:
    replies = [["red", "Red", "red."], ["2", "2", "3"], ["yes", "no", "maybe"], ["x", "x", "x"]]
    right = np.array([[1, 1, 1], [1, 1, 0], [0, 1, 0], [0, 0, 0]])
    found = stability(replies, right)
    assert found.mean == pytest.approx(6 / 12)
    assert (found.worst, found.best) == (0.25, 0.75)
    assert found.deviation == pytest.approx(np.std([0.5, 0.75, 0.25], ddof=1))
    assert found.always_right == 0.25
    assert found.flips == 0.5
    assert found.agreement == pytest.approx((1 + 1 / 3 + 0 + 1) / 4)


def test_kappa_of_the_published_example() -> None:
    """Fleiss, Psychological Bulletin 76(5), 1971, as worked through in textbooks: ten subjects, fourteen raters, 0.210."""
    table = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    replies = [list(itertools.chain.from_iterable([str(c)] * n for c, n in enumerate(row))) for row in table]
    assert stability(replies, np.zeros((10, 14))).kappa == pytest.approx(0.210, abs=5e-4)


def test_always_the_same_is_agreement() -> None:
    assert stability([["a", "a"], ["a", "a"]], np.ones((2, 2))).kappa == 1.0


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=4, max_size=4), min_size=1, max_size=9))
def test_the_order_of_items_and_variants_does_not_count(replies: list[list[str]]) -> None:
    right = np.array([[reply == "a" for reply in row] for row in replies])
    found = stability(replies, right)
    turned = stability([row[::-1] for row in replies[::-1]], right[::-1, ::-1])
    assert turned.kappa == pytest.approx(found.kappa) and turned.flips == found.flips
    assert found.worst <= found.mean + 1e-12 and found.always_right <= found.worst + 1e-12


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="two replies or more, found outcomes of shape"):
        stability([["a"]], np.ones((1, 1)))
    with pytest.raises(ValueError, match="expected 2 replies to each of 2 items"):
        stability([["a", "b"]], np.ones((2, 2)))


def test_majority_and_its_ties() -> None:
    assert majority(["b", "A", "a.", "b"]) == ("b", 0.5)
    assert majority(["c", "A", "a"]) == ("A", pytest.approx(2 / 3))


@pytest.mark.parametrize(("k", "right", "expected"), [(1, 3, 0.3), (10, 1, 1.0), (5, 0, 0.0), (2, 9, 1.0)])
def test_pass_at(k: int, right: int, expected: float) -> None:
    assert pass_at(k, right=right, samples=10) == pytest.approx(expected)


@given(st.integers(1, 7), st.integers(0, 7))
def test_pass_at_is_the_share_of_all_draws(k: int, right: int) -> None:
    outcomes = [True] * right + [False] * (7 - right)
    draws = list(itertools.combinations(outcomes, k))
    assert pass_at(k, right=right, samples=7) == pytest.approx(sum(map(any, draws)) / len(draws))


def test_pass_at_more_than_there_are() -> None:
    with pytest.raises(ValueError, match="between 1 and the 3 samples, found 4"):
        pass_at(4, right=1, samples=3)


def test_entropy() -> None:
    assert answer_entropy(["a", "A", "a."]) == 0.0
    assert answer_entropy(["a", "b", "c", "d"]) == pytest.approx(np.log(4))
