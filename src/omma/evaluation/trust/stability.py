"""Stability: whether a model stays with its answer when the question is put again.

Again may be in other words, with options in another order, about the picture slightly changed, or the same with another
seed at a temperature above zero. I items, each with K replies; replies are compared after normalisation.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from omma.evaluation.metrics.text import normalised


@dataclass(frozen=True, slots=True)
class Stability:
    """Shares of items unless said otherwise.

    Attributes:
        mean: accuracy over all items and variants.
        worst: accuracy of the worst variant (a prompt, an order, a change), as whoever has to choose one may meet it.
        best: accuracy of the best one.
        deviation: standard deviation of accuracy over variants.
        always_right: right under every variant.
        flips: right under one variant and wrong under another.
        agreement: chance that two replies to one item are the same, right or not.
        kappa: that agreement beyond what replies this common would have by chance (Fleiss), at most 1; 1 if all are the same.
    """

    mean: float
    worst: float
    best: float
    deviation: float
    always_right: float
    flips: float
    agreement: float
    kappa: float


def stability(replies: Sequence[Sequence[str]], right_IK: np.ndarray) -> Stability:
    """Stability of K replies to each of I items, in the same order of variants.

    Args:
        right_IK: which of them are right.

    Raises:
        ValueError: for fewer than two variants or no items, or if outcomes and replies differ in number.
    """
    right = np.asarray(right_IK, dtype=np.float64)
    if right.ndim != 2 or not len(right) or right.shape[1] < 2:
        raise ValueError(f"stability needs items with two replies or more, found outcomes of shape {right.shape}")
    if [len(row) for row in replies] != [right.shape[1]] * len(right):
        raise ValueError(f"expected {right.shape[1]} replies to each of {len(right)} items")
    said = [[normalised(reply) for reply in row] for row in replies]
    by_variant = right.mean(axis=0)
    agreement, chance = _agreement(said)
    return Stability(
        mean=float(right.mean()),
        worst=float(by_variant.min()),
        best=float(by_variant.max()),
        deviation=float(by_variant.std(ddof=1)),
        always_right=float(right.all(axis=1).mean()),
        flips=float((right.any(axis=1) & ~right.all(axis=1)).mean()),
        agreement=agreement,
        kappa=(agreement - chance) / (1 - chance) if chance < 1 else 1.0,
    )


def _agreement(said: Sequence[Sequence[str]]) -> tuple[float, float]:
    """(how often two replies to one item agree, how often two replies to any items would)."""
    count = len(said[0])
    observed = [sum(n * (n - 1) for n in Counter(row).values()) / (count * (count - 1)) for row in said]
    overall = Counter(reply for row in said for reply in row)
    total = sum(overall.values())
    return float(np.mean(observed)), sum((n / total) ** 2 for n in overall.values())


def majority(replies: Sequence[str]) -> tuple[str, float]:
    """The commonest reply and its share; of equally common ones the one that was said first."""
    counts = Counter(normalised(reply) for reply in replies)
    commonest = max(counts.values())
    first = next(reply for reply in replies if counts[normalised(reply)] == commonest)
    return first, commonest / len(replies)


def pass_at(k: int, *, right: int, samples: int) -> float:
    """Chance that one of k drawn from the samples is right (Chen et al., arXiv 2107.03374, equation 1).

    Raises:
        ValueError: for k below 1 or above the number of samples.
    """
    if not 1 <= k <= samples:
        raise ValueError(f"k is between 1 and the {samples} samples, found {k}")
    return 1 - math.comb(samples - right, k) / math.comb(samples, k)


def answer_entropy(replies: Sequence[str]) -> float:
    """Entropy of the answers in nats; 0 if all are the same, log K if none are."""
    shares = np.array(list(Counter(normalised(reply) for reply in replies).values())) / len(replies)
    return float(-(shares * np.log(shares)).sum()) + 0.0
