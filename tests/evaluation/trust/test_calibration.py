"""Calibration: by hand, beside scikit-learn, and what perfect and useless confidence must come to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from omma.evaluation.trust.calibration import calibration, fitted_temperature, risk_coverage


def test_by_hand() -> None:
    confidence, right = np.array([0.95, 0.95, 0.95, 0.15]), np.array([1, 1, 0, 1])
    found = calibration(confidence, right, bins=10)
    assert found.ece == pytest.approx((3 * abs(2 / 3 - 0.95) + 1 * abs(1 - 0.15)) / 4)
    assert [(b.low, b.high, b.count) for b in found.bins] == [(0.1, 0.2, 1), (0.9, 1.0, 3)]
    assert found.adaptive_ece == pytest.approx((0.85 + 0.05 + 0.05 + 0.95) / 4)
    # Surest first: a third of the first three is wrong, whichever of them comes first.
    assert found.aurc == pytest.approx((1 / 3 * 3 + 1 / 4) / 4)


@given(st.integers(2, 200), st.integers(0, 10**6))
def test_beside_scikit_learn(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    confidence = rng.integers(0, 21, count) / 20  # with ties
    right = (rng.random(count) < confidence).astype(int)
    right[:2] = 0, 1
    found = calibration(confidence, right)
    assert found.auroc == pytest.approx(roc_auc_score(right, confidence))
    assert found.brier == pytest.approx(brier_score_loss(right, confidence))
    clear = np.clip(confidence, 1e-12, 1 - 1e-12)
    assert found.nll == pytest.approx(log_loss(right, clear))
    assert 0 <= found.ece <= 1 and 0 <= found.adaptive_ece <= 1
    shuffled = rng.permutation(count)
    assert calibration(confidence[shuffled], right[shuffled]).aurc == pytest.approx(found.aurc)


def test_confidence_on_the_edges_of_bins() -> None:
    found = calibration(np.array([0.0, 0.5, 1.0]), np.array([0, 1, 1]), bins=2)
    assert [b.count for b in found.bins] == [2, 1]


def test_who_knows_and_who_does_not() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(20_000)
    right = rng.random(20_000) < confidence
    assert calibration(confidence, right).ece < 0.02
    assert calibration(np.full(100, 1.0), np.zeros(100)).ece == 1.0
    assert calibration(np.full(100, 1.0), np.ones(100)).auroc is None
    coverage, risk = risk_coverage(np.array([0.9, 0.8, 0.1]), np.array([1, 1, 0]))
    assert list(risk) == [0, 0, pytest.approx(1 / 3)] and coverage[-1] == 1


def test_a_temperature_that_was_applied_is_found() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(5000, 4))
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    truth = (chances.cumsum(1) > rng.random((5000, 1))).argmax(1)
    assert fitted_temperature(3 * logits, truth) == pytest.approx(3, rel=0.1)


@pytest.mark.parametrize(
    ("confidence", "right", "said"),
    [([], [], "one outcome for each"), ([0.5], [1, 0], "one outcome"), ([1.5], [1], "between 0 and 1, found 1.5"), ([np.nan], [1], "between 0 and 1")],
)
def test_bad_input(confidence: list[float], right: list[int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        calibration(np.array(confidence), np.array(right))
