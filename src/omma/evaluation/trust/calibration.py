"""Calibration: whether confidence is worth anything (ECE: Guo et al., arXiv 1706.04599; AURC: Geifman & El-Yaniv, 1705.08500).

Confidence is whatever number in [0, 1] a model gives with an answer: the probability of an option, the exponential of the
mean log-probability of the tokens, the share of resampled answers that agree. N answers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import rankdata


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of like confidence.

    Attributes:
        low, high: range of confidence.
        confidence, accuracy: means over the answers in it.
        count: how many.
    """

    low: float
    high: float
    confidence: float
    accuracy: float
    count: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """Attributes:
    ece: expected calibration error over bins of equal width: mean distance of confidence and accuracy, by count.
    adaptive_ece: the same over bins of equally many answers.
    brier: mean squared distance of confidence and outcome.
    nll: mean negative log-likelihood of the outcome, in nats.
    auroc: chance that a right answer has more confidence than a wrong one; None if all are right or all are wrong.
    aurc: mean share of wrong answers over all rates of answering, the surest first; lower is better.
    bins: those of equal width that are not empty, for the diagram.
    """

    ece: float
    adaptive_ece: float
    brier: float
    nll: float
    auroc: float | None
    aurc: float
    bins: tuple[Bin, ...]


def calibration(confidence_N: np.ndarray, right_N: np.ndarray, *, bins: int = 15) -> Calibration:
    """All measures of calibration of answers with their confidence.

    Raises:
        ValueError: for no answers, as many outcomes as confidences missing, or a confidence outside [0, 1].
    """
    confidence, right = np.asarray(confidence_N, dtype=np.float64), np.asarray(right_N, dtype=np.float64)
    if confidence.shape != right.shape or not len(confidence):
        raise ValueError(f"expected one outcome for each of some confidences, found {right.shape} and {confidence.shape}")
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError(f"confidence is between 0 and 1, found {confidence.min():g} to {confidence.max():g}")
    # A confidence of 0 belongs to the first bin, all others to the bin whose upper end they do not exceed.
    places = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    shown = tuple(
        Bin(place / bins, (place + 1) / bins, float(confidence[inside].mean()), float(right[inside].mean()), int(inside.sum()))
        for place in range(bins)
        if (inside := places == place).any()
    )
    order = np.argsort(confidence, kind="stable")
    equal = [part for part in np.array_split(order, min(bins, len(order))) if len(part)]
    clear = np.clip(confidence, 1e-12, 1 - 1e-12)
    return Calibration(
        ece=sum(b.count * abs(b.accuracy - b.confidence) for b in shown) / len(confidence),
        adaptive_ece=sum(len(part) * abs(right[part].mean() - confidence[part].mean()) for part in equal) / len(confidence),
        brier=float(((confidence - right) ** 2).mean()),
        nll=float(-(right * np.log(clear) + (1 - right) * np.log1p(-clear)).mean()),
        auroc=_auroc(confidence, right),
        aurc=float(risk_coverage(confidence, right)[1].mean()),
        bins=shown,
    )


def risk_coverage(confidence_N: np.ndarray, right_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(coverage, risk), [N] each: share of questions answered, the surest first, and the share of wrong ones among those.

    Among equally sure answers right and wrong ones are mixed evenly, so their order does not count.
    """
    order = np.argsort(-confidence_N, kind="stable")
    sure, wrong = confidence_N[order], 1 - right_N[order].astype(np.float64)
    _, group = np.unique(-sure, return_inverse=True)
    mixed = (np.bincount(group, weights=wrong) / np.bincount(group))[group]
    counts = np.arange(1, len(order) + 1)
    return counts / len(order), np.cumsum(mixed) / counts


def _auroc(confidence: np.ndarray, right: np.ndarray) -> float | None:
    """By ranks (Mann and Whitney), ties counting half."""
    positives = int(right.sum())
    negatives = len(right) - positives
    if not positives or not negatives:
        return None
    ranks = rankdata(confidence)
    return float((ranks[right == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def fitted_temperature(logits_NO: np.ndarray, truth_N: np.ndarray) -> float:
    """The temperature by which option logits [N, O] are divided for the best likelihood of the true options.

    To be fitted on other answers than it is judged by.
    """

    def loss(log_temperature: float) -> float:
        scaled = logits_NO / np.exp(log_temperature)
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        return float((np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(truth_N)), truth_N]).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-5, 5), method="bounded").x))
