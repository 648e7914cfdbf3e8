"""Is one model better than another, or was it luck? Tests of paired scores, and what many of them at once are worth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest

from omma.evaluation.intervals import Scored

ALPHA = 0.05
"""Pairs whose corrected p-value is below it count as different."""

FLIPS = 10_000
"""Random signs drawn by a sign-flip test: p-values stay small when they are corrected for a hundred pairs."""

_CHUNK = 4_000_000
"""Signs drawn at a time, which bounds the memory of a test over many pictures."""


def sign_flip(groups: Sequence[Scored], *, flips: int = FLIPS, seed: int = 0) -> float:
    """Two-sided p-value that the mean over groups of their mean differences is 0, from random signs of whole clusters.

    If neither model is better, the difference of a picture's answers is as likely to go the other way; how often random
    signs give a mean at least as far from 0 is the p-value (Fisher, The Design of Experiments, 1935, section 21). The
    observed signs count as one of the draws, so it is never 0.

    Args:
        groups: differences of paired scores with their clusters, one group for each world and split.
    """
    weights = np.concatenate([group.totals()[0] / (len(group.values) * len(groups)) for group in groups])
    weights = weights[weights != 0]
    if not len(weights):
        return 1.0
    # A hair less: what is equal must not count as smaller because it was added up in another order.
    observed = abs(weights.sum()) * (1 - 1e-9)
    generator = np.random.default_rng(seed)
    rows, extreme = max(1, _CHUNK // len(weights)), 0
    for start in range(0, flips, rows):
        signs = 1 - 2 * generator.integers(0, 2, size=(min(rows, flips - start), len(weights)), dtype=np.int8)
        extreme += int((np.abs(signs @ weights) >= observed).sum())
    return (extreme + 1) / (flips + 1)


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided exact p-value that either model is as likely to be the only one that is right (McNemar, 1947).

    It takes items for independent of each other, which several questions about one picture are not.
    """
    discordant = only_first + only_second
    return float(binomtest(only_first, discordant).pvalue) if discordant else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """The same p-values corrected for their number by Holm's step-down method, in their order (Scand. J. Stat. 6(2), 1979)."""
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        # A corrected p-value is never below that of a smaller one.
        largest = max(largest, min(1.0, p_values[place] * (len(p_values) - rank)))
        corrected[place] = largest
    return corrected
