"""Tests of pairs: worked examples, all signs counted, and how often luck is taken for a difference."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omma.evaluation.intervals import Scored, clustered_error, mean_of_means
from omma.evaluation.trust.pairs import ALPHA, holm, mcnemar, sign_flip
from omma.evaluation.trust.ranking import items_to_separate


def test_holm_is_the_worked_example_of_the_textbooks() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.7, 0.9]) == [1.0, 1.0]


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_never_helps_and_keeps_the_order(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, corrected, strict=True))
    for p, q in zip(p_values, corrected, strict=True):
        assert all(q <= q2 for p2, q2 in zip(p_values, corrected, strict=True) if p < p2)


def test_mcnemar_is_the_binomial_test_of_the_discordant_items() -> None:
    # 2 (1 + 12 + 66) / 2**12
    assert mcnemar(10, 2) == pytest.approx(158 / 4096)
    assert mcnemar(0, 0) == 1.0


def test_random_signs_agree_with_all_signs() -> None:
    sums = np.array([3.0, 1.0, -2.0, 2.0, 4.0, 1.0, -1.0])
    values = np.repeat(sums / 2, 2)
    every = [abs(np.dot(signs, sums)) >= abs(sums.sum()) - 1e-9 for signs in product((-1, 1), repeat=len(sums))]
    scored = Scored(values, [place // 2 for place in range(len(values))])
    assert sign_flip([scored], flips=40_000) == pytest.approx(np.mean(every), abs=0.01)


def test_no_difference_is_no_evidence() -> None:
    assert sign_flip([Scored(np.zeros(4), "abcd")]) == 1.0


def correlated(generator: np.random.Generator, pictures: int, difference: float) -> Scored:
    """Five questions about each picture that mostly go the same way."""
    towards = generator.choice([-1.0, 1.0], size=pictures, p=[0.5 - difference / 2, 0.5 + difference / 2])
    return Scored(np.repeat(towards, 5), [picture for picture in range(pictures) for _ in range(5)])


def test_luck_is_taken_for_a_difference_in_one_case_of_twenty_although_questions_share_pictures() -> None:
    generator = np.random.default_rng(0)
    draws = [correlated(generator, 30, 0.0) for _ in range(300)]
    clustered = np.mean([sign_flip([draw], flips=400, seed=n) < ALPHA for n, draw in enumerate(draws)])
    single = np.mean([mcnemar(int((draw.values > 0).sum()), int((draw.values < 0).sum())) < ALPHA for draw in draws])
    assert 0.02 < clustered < 0.08
    assert single > 0.3, "to count questions as independent is what makes differences of luck"


def test_as_many_pictures_as_are_needed_show_the_difference_in_four_cases_of_five() -> None:
    difference = 0.4
    needed = items_to_separate(difference, (1 - difference**2) ** 0.5)
    generator = np.random.default_rng(1)
    seen = [sign_flip([correlated(generator, needed, difference)], flips=400, seed=n) < ALPHA for n in range(300)]
    assert 0.7 < np.mean(seen) < 0.9


def test_the_clustered_error_is_the_plain_one_for_single_questions_and_that_of_the_bootstrap() -> None:
    generator = np.random.default_rng(2)
    values = generator.random(50)
    assert clustered_error([Scored(values, range(50))]) == pytest.approx(values.std() / 50**0.5)
    groups = [correlated(generator, 40, 0.2), correlated(generator, 60, 0.1)]
    found = mean_of_means(groups, bounds=(-1.0, 1.0))
    assert clustered_error(groups) == pytest.approx((found.high - found.low) / (2 * 1.96), rel=0.1)
