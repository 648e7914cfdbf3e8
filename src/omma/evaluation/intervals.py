"""95 % intervals for means and differences of scores, from a bootstrap that resamples whole pictures.

Questions about one picture are not independent, so a resample draws clusters with replacement and takes all of a
cluster's questions with it (Efron & Tibshirani, An Introduction to the Bootstrap, 1993, sections 8.5 and 13.3: percentile
intervals). 2,000 resamples, seeded: the same scores give the same interval on every machine.

A percentile bootstrap collapses to a point where every cluster scored alike (all right, all wrong, no difference), and is
too narrow close to that. Every interval here therefore has a floor: a share ``h = z^2 / (C + z^2)`` of pictures unlike
the C that were seen (the Wilson upper limit for 0 of C) is granted, and may score anything between the bounds of the
scale. For all right and all wrong this floor *is* the Wilson interval on the number of pictures, about the rule of three;
for middling scores of more than a few pictures the bootstrap is wider and the floor has no effect.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

RESAMPLES = 2000
Z95 = 1.959963984540054
_CHUNK = 1_000_000
"""Indices drawn at a time, which bounds the memory of a bootstrap over many clusters."""


class Estimate(BaseModel):
    """A number with its 95 % interval, as shares (0 to 1; differences -1 to 1)."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")

    value: float = Field(description='The estimate; "NaN" if nothing is known.')
    low: float = Field(description="Lower end of the 95 % interval.")
    high: float = Field(description="Upper end of the 95 % interval.")


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores of items with the cluster that each belongs to, equally long and not empty.

    Raises:
        ValueError: if they differ in length or are empty.
    """

    values: np.ndarray
    clusters: Sequence[Hashable]

    def __post_init__(self) -> None:
        if len(self.values) != len(self.clusters) or not len(self.values):
            raise ValueError(
                f"an interval needs as many clusters as scores and at least one, got {len(self.clusters)} clusters "
                f"and {len(self.values)} scores"
            )

    @property
    def mean(self) -> float:
        """Mean over items."""
        return float(np.mean(self.values))

    def totals(self) -> tuple[np.ndarray, np.ndarray]:
        """(sum of scores, number of items) per cluster, each [clusters], clusters in order of first appearance."""
        places: dict[Hashable, int] = {}
        index = np.array([places.setdefault(cluster, len(places)) for cluster in self.clusters])
        return np.bincount(index, weights=self.values), np.bincount(index)

    def resampled(self, seed: int, resamples: int = RESAMPLES) -> np.ndarray:
        """The mean over items of every resample, [resamples]."""
        sums, counts = self.totals()
        generator = np.random.default_rng(seed)
        rows = max(1, _CHUNK // len(sums))
        means = []
        for start in range(0, resamples, rows):
            drawn = generator.integers(0, len(sums), size=(min(rows, resamples - start), len(sums)))
            means.append(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
        return np.concatenate(means)

    def floor(self, bounds: tuple[float, float]) -> tuple[float, float]:
        """The interval that no bootstrap interval may be narrower than: see the module's docstring."""
        unseen = Z95**2 / (len(set(self.clusters)) + Z95**2)
        return tuple(float((1 - unseen) * self.mean + unseen * bound) for bound in bounds)  # type: ignore[return-value]


def mean_estimate(scored: Scored, *, bounds: tuple[float, float] = (0.0, 1.0), seed: int = 0) -> Estimate:
    """The mean score with its interval. ``bounds`` are the lowest and highest score that an item can have."""
    return estimate_of(scored.mean, scored.resampled(seed), scored.floor(bounds), bounds)


def paired_difference(
    first: Sequence[float] | np.ndarray,
    second: Sequence[float] | np.ndarray,
    clusters: Sequence[Hashable],
    *,
    seed: int = 0,
) -> Estimate:
    """Mean of ``first - second`` where both score the same items, each score between 0 and 1.

    Pairing removes what the items have in common, so a difference can be certain where the two intervals overlap.

    Raises:
        ValueError: if the three differ in length or are empty.
    """
    if len(first) != len(second):
        raise ValueError(f"paired scores must be equally many, got {len(first)} and {len(second)}")
    return mean_estimate(Scored(np.subtract(first, second, dtype=float), clusters), bounds=(-1.0, 1.0), seed=seed)


def unpaired_difference(first: Scored, second: Scored, *, seed: int = 0) -> Estimate:
    """``first`` minus ``second`` where they score different pictures, each score between 0 and 1."""
    value = first.mean - second.mean
    below, above = first.floor((0, 1)), second.floor((0, 1))
    # The two floors are independent errors, so they add as squares (Newcombe 1998, method 10).
    floor = (
        value - float(np.hypot(first.mean - below[0], above[1] - second.mean)),
        value + float(np.hypot(below[1] - first.mean, second.mean - above[0])),
    )
    return estimate_of(value, first.resampled(seed) - second.resampled(seed + 1), floor, (-1.0, 1.0))


def mean_of_means(groups: Sequence[Scored], *, bounds: tuple[float, float] = (0.0, 1.0), seed: int = 0) -> Estimate:
    """The mean over groups of each group's mean: every group counts the same however many items it has."""
    value = float(np.mean([group.mean for group in groups]))
    draws = np.mean([group.resampled(seed + number) for number, group in enumerate(groups)], axis=0)
    return estimate_of(value, draws, joint_floor(groups, bounds), bounds)


def joint_floor(groups: Sequence[Scored], bounds: tuple[float, float]) -> tuple[float, float]:
    """The interval that none of a mean of means may be narrower than: the groups' own are independent errors."""
    value = float(np.mean([group.mean for group in groups]))
    floors = np.array([group.floor(bounds) for group in groups])
    spread = [np.hypot.reduce([f[side] - g.mean for f, g in zip(floors, groups, strict=True)]) for side in (0, 1)]
    return value - float(spread[0]) / len(groups), value + float(spread[1]) / len(groups)


def clustered_error(groups: Sequence[Scored]) -> float:
    """Standard error of the mean of the groups' means, in closed form (Miller, arXiv 2411.00640, section 2.2).

    Residuals are added up within a cluster before they are squared, so that many questions about one picture count as
    what they are: one picture.
    """
    variances = []
    for group in groups:
        sums, counts = group.totals()
        variances.append(float(((sums - counts * group.mean) ** 2).sum()) / len(group.values) ** 2)
    return float(np.sqrt(sum(variances))) / len(groups)


def estimate_of(value: float, draws: np.ndarray, floor: tuple[float, float], bounds: tuple[float, float]) -> Estimate:
    """A value with the interval of its resamples, no narrower than ``floor`` and within the ``bounds`` of the scale."""
    low, high = np.quantile(draws, [0.025, 0.975])
    # Sums of many halves and thirds can leave the scale by a rounding error.
    return Estimate(
        value=value,
        low=max(bounds[0], min(float(low), floor[0], value)),
        high=min(bounds[1], max(float(high), floor[1], value)),
    )
