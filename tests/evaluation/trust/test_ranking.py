"""Ranking: closed forms, strengths that were put in, and rankings that cannot be."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omma.errors import BadInput
from omma.evaluation.trust.ranking import (
    Battle,
    bradley_terry,
    detectable_difference,
    items_to_separate,
    mean_ranks,
)


def test_two_models_have_a_closed_form() -> None:
    battles = [Battle("a", "b", 1)] * 30 + [Battle("b", "a", 1)] * 10
    found = bradley_terry(battles, anchor="b", resamples=20)
    assert list(found) == ["a", "b"]
    assert found["b"].points == 1000
    assert found["a"].points - 1000 == pytest.approx(400 * math.log10(3), abs=1e-3)


def test_a_tie_is_half_a_win_each() -> None:
    with_ties = [Battle("a", "b", 1)] * 10 + [Battle("a", "b", 0.5)] * 10
    without = [Battle("a", "b", 1)] * 15 + [Battle("a", "b", 0)] * 5
    assert bradley_terry(with_ties, resamples=2)["a"].points == pytest.approx(bradley_terry(without, resamples=2)["a"].points)


def simulated(strengths: dict[str, float], count: int, seed: int) -> list[Battle]:
    rng = random.Random(seed)
    battles = []
    for item in range(count):
        first, second = rng.sample(sorted(strengths), 2)
        chance = 1 / (1 + 10 ** ((strengths[second] - strengths[first]) / 400))
        battles.append(Battle(first, second, float(rng.random() < chance), cluster=item // 2))
    return battles


def test_strengths_that_were_put_in_are_found() -> None:
    truth = {"a": 1200.0, "b": 1000.0, "c": 950.0, "d": 850.0}
    found = bradley_terry(simulated(truth, 3000, 0), seed=1)
    for name, strength in found.items():
        assert strength.low - 20 <= truth[name] <= strength.high + 20, name
        assert strength.low < strength.points < strength.high
    assert [found[name].best_rank for name in "abcd"] == sorted(found[name].best_rank for name in "abcd")
    assert (found["a"].best_rank, found["a"].worst_rank) == (1, 1)


@given(st.randoms(use_true_random=False))
def test_the_order_of_battles_does_not_count(rng: random.Random) -> None:
    battles = simulated({"a": 1100.0, "b": 1000.0, "c": 900.0}, 60, 3)
    shuffled = battles.copy()
    rng.shuffle(shuffled)
    one, other = (bradley_terry(b, resamples=2) for b in (battles, shuffled))
    for name in one:
        assert one[name].points == pytest.approx(other[name].points, abs=1e-2)


@pytest.mark.parametrize("battles", [[Battle("a", "b", 1)] * 3, [Battle("a", "b", 0.5), Battle("c", "d", 0.5)], []])
def test_who_never_lost_has_no_strength(battles: list[Battle]) -> None:
    with pytest.raises(BadInput, match="ranking: expected every model to win against and lose to others"):
        bradley_terry(battles)


def test_mean_ranks() -> None:
    assert mean_ranks({"a": [0.9, 0.5], "b": [0.8, 0.5], "c": [0.7, 0.6]}) == {"a": 1.75, "b": 2.25, "c": 2.0}
    with pytest.raises(ValueError, match="every model on every task"):
        mean_ranks({"a": [1.0], "b": [1.0, 2.0]})


def test_how_many_items_a_difference_takes() -> None:
    """Worked through by hand: (1.95996 + 0.84162)^2 = 7.8489; 7.8489 * 0.25 / 0.0009 = 2,180.2."""
    assert items_to_separate(0.03, 0.5) == 2181
    assert detectable_difference(0.5, 2181) == pytest.approx(0.03, abs=1e-5)
    with pytest.raises(ValueError, match="no number of items"):
        items_to_separate(0, 0.5)
