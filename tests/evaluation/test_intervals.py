from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from omma.evaluation.intervals import (
    RESAMPLES,
    Scored,
    mean_estimate,
    mean_of_means,
    paired_difference,
    unpaired_difference,
)

groups = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=40)


def scored(pairs: list[tuple[int, bool]]) -> Scored:
    return Scored(np.array([float(right) for _, right in pairs]), [cluster for cluster, _ in pairs])


@settings(deadline=None, max_examples=40)
@given(groups)
def test_the_interval_holds_the_mean_lies_on_the_scale_and_is_never_a_point(pairs: list[tuple[int, bool]]) -> None:
    estimate = mean_estimate(scored(pairs))
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert estimate.high - estimate.low > 0.01


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 8), st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_a_difference_turns_its_sign_with_its_sides(rows: list[tuple[int, bool, bool]]) -> None:
    clusters = [row[0] for row in rows]
    first, second = [float(row[1]) for row in rows], [float(row[2]) for row in rows]
    there, back = paired_difference(first, second, clusters), paired_difference(second, first, clusters)
    assert -1 <= there.low <= there.value <= there.high <= 1
    assert there.low < there.high
    assert (there.low, there.value, there.high) == pytest.approx((-back.high, -back.value, -back.low))


@pytest.mark.parametrize("right", [0, 30])
def test_all_right_and_all_wrong_give_the_wilson_interval_on_pictures(right: int) -> None:
    estimate = mean_estimate(Scored(np.full(60, right / 30), [item // 2 for item in range(60)]))
    wilson = binomtest(right, 30).proportion_ci(method="wilson")
    assert (estimate.low, estimate.high) == pytest.approx((wilson.low, wilson.high))


def test_no_discordant_pair_is_not_certainty() -> None:
    estimate = paired_difference(np.ones(50), np.ones(50), list(range(50)))
    assert estimate.value == 0
    assert estimate.low == pytest.approx(-estimate.high)
    assert 0.05 < estimate.high < 0.1


def test_independent_items_agree_with_the_normal_interval() -> None:
    values = np.random.default_rng(1).integers(0, 2, 400).astype(float)
    estimate = mean_estimate(Scored(values, list(range(400))))
    half = 1.96 * np.sqrt(values.var() / 400)
    assert (estimate.low, estimate.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.008)


def test_items_of_one_picture_count_as_one_when_they_agree() -> None:
    per_picture = np.random.default_rng(2).integers(0, 2, 50).astype(float)
    alone = mean_estimate(Scored(per_picture, list(range(50))))
    tenfold = mean_estimate(Scored(np.repeat(per_picture, 10), list(np.repeat(np.arange(50), 10))))
    assert (tenfold.low, tenfold.high) == pytest.approx((alone.low, alone.high))


def test_95_of_100_intervals_hold_the_truth() -> None:
    generator, held, trials = np.random.default_rng(3), 0, 300
    for trial in range(trials):
        skill = generator.beta(19, 1, 60)  # pictures differ, mean 0.95: where plain percentile intervals are too short
        values = (generator.random((60, 3)) < skill[:, None]).astype(float).ravel()
        estimate = mean_estimate(Scored(values, list(np.repeat(np.arange(60), 3))), seed=trial)
        held += estimate.low <= 0.95 <= estimate.high
    assert held / trials >= 0.92


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    values = Scored(np.random.default_rng(4).random(97), list(range(97)))
    assert mean_estimate(values, seed=5) == mean_estimate(values, seed=5)
    assert mean_estimate(values, seed=5) != mean_estimate(values, seed=6)


def test_many_clusters_are_resampled_in_pieces_to_the_full_number() -> None:
    values = Scored(np.random.default_rng(5).random(3000), list(range(3000)))
    draws = values.resampled(0)
    assert draws.shape == (RESAMPLES,)
    assert len(np.unique(draws)) > RESAMPLES * 0.99


def test_pairing_is_sharper_than_two_separate_samples() -> None:
    hard = np.random.default_rng(6).integers(0, 2, 100).astype(float)
    better = np.where(np.arange(100) < 10, 1.0, hard)
    paired = paired_difference(better, hard, list(range(100)))
    apart = unpaired_difference(Scored(better, list(range(100))), Scored(hard, list(range(100))))
    assert paired.value == pytest.approx(apart.value)
    assert paired.high - paired.low < (apart.high - apart.low) / 2


def test_worlds_count_the_same_however_many_items_they_have() -> None:
    large, small = Scored(np.ones(200), list(range(200))), Scored(np.zeros(20), list(range(20)))
    estimate = mean_of_means([large, small])
    assert estimate.value == 0.5
    assert estimate.low < 0.5 < estimate.high


def test_nothing_has_no_interval() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Scored(np.array([]), [])
    with pytest.raises(ValueError, match="equally many"):
        paired_difference([1.0], [1.0, 0.0], [0, 1])
