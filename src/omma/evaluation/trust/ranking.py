"""Several models at once: strengths from pairwise outcomes, ranks with intervals, and how many items a difference needs.

(Bradley & Terry, Biometrika 39, 1952; the minimal detectable difference: Miller, arXiv 2411.00640, section 5.)
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.sparse.csgraph import connected_components
from scipy.stats import norm

from omma.errors import BadInput

ELO = 400 / math.log(10)
"""Points per unit of strength, so that 400 points are odds of ten to one."""
ANCHOR = 1000.0
RIDGE = 1e-6


@dataclass(frozen=True, slots=True)
class Battle:
    """Two models on one item: 1 if the first is better, 0 if the second is, 0.5 if neither."""

    first: str
    second: str
    outcome: float
    cluster: Hashable = None


@dataclass(frozen=True, slots=True)
class Strength:
    """A model's points with their 95 % interval, and the ranks (1 is best) that the interval allows."""

    points: float
    low: float
    high: float
    best_rank: int
    worst_rank: int


def bradley_terry(
    battles: Sequence[Battle], *, anchor: str | None = None, resamples: int = 200, seed: int = 0
) -> dict[str, Strength]:
    """Points by maximum likelihood, best first; a tie is half a win each.

    Args:
        anchor: whose points are 1000; without one the mean is.

    Raises:
        BadInput: if some models were never beaten by any of the others: their strengths would have no bound.
    """
    names = sorted({name for battle in battles for name in (battle.first, battle.second)})
    wins = _wins(battles, names)
    groups, of_group = connected_components(wins > 0, directed=True, connection="strong")
    if groups != 1:
        apart = [name for name, group in zip(names, of_group, strict=True) if group == of_group[0]]
        raise BadInput(
            "ranking",
            expected="every model to win against and lose to others, directly or through them",
            found=f"{', '.join(apart)} apart from the rest" if names else "no battles",
            remedy="compare them on more items, or rank them by accuracy",
        )
    origin = names.index(anchor) if anchor is not None else None
    points = _points(wins, origin)
    clusters: dict[Hashable, list[Battle]] = {}
    for number, battle in enumerate(battles):
        clusters.setdefault(number if battle.cluster is None else battle.cluster, []).append(battle)
    each = np.stack([_wins(group, names) for group in clusters.values()])
    generator = np.random.default_rng(seed)
    draws = np.stack([
        _points(each[generator.integers(0, len(each), len(each))].sum(axis=0), origin) for _ in range(resamples)
    ])  # fmt: skip
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    ranks = 1 + (draws[:, None, :] > draws[:, :, None]).sum(axis=2)
    first, last = np.quantile(ranks, [0.025, 0.975], axis=0, method="nearest")
    found = {
        name: Strength(float(point), float(min(below, point)), float(max(above, point)), int(best), int(worst))
        for name, point, below, above, best, worst in zip(names, points, low, high, first, last, strict=True)
    }
    return dict(sorted(found.items(), key=lambda entry: -entry[1].points))


def _wins(battles: Sequence[Battle], names: Sequence[str]) -> np.ndarray:
    """[models, models]: how often each won against each."""
    place = {name: i for i, name in enumerate(names)}
    wins = np.zeros((len(names), len(names)))
    for battle in battles:
        wins[place[battle.first], place[battle.second]] += battle.outcome
        wins[place[battle.second], place[battle.first]] += 1 - battle.outcome
    return wins


def _points(wins: np.ndarray, origin: int | None) -> np.ndarray:
    def loss(strength: np.ndarray) -> tuple[float, np.ndarray]:
        difference = strength[:, None] - strength[None]
        chance = 1 / (1 + np.exp(-difference))
        value = (wins * np.logaddexp(0, -difference)).sum() + RIDGE * (strength**2).sum()
        slope = wins * (1 - chance)
        return float(value), slope.sum(axis=0) - slope.sum(axis=1) + 2 * RIDGE * strength

    strength = minimize(loss, np.zeros(len(wins)), jac=True, method="L-BFGS-B", options={"gtol": 1e-9, "ftol": 1e-15}).x
    base = strength[origin] if origin is not None else strength.mean()
    return ANCHOR + ELO * (strength - base)


def mean_ranks(scores: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Mean rank of each model over tasks (1 is best), equal scores sharing the mean of their ranks.

    Raises:
        ValueError: if a model lacks a task: ranks among different rivals do not average.
    """
    names = list(scores)
    if len({len(row) for row in scores.values()}) > 1:
        raise ValueError("mean ranks need every model on every task")
    table = np.array([list(scores[name]) for name in names])
    better = (table[None] > table[:, None]).sum(axis=1)
    equal = (table[None] == table[:, None]).sum(axis=1)
    return dict(zip(names, (better + (equal + 1) / 2).mean(axis=1).tolist(), strict=True))


def detectable_difference(deviation: float, items: int, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """The smallest true difference that a paired comparison on so many independent items finds that often.

    Args:
        deviation: standard deviation over items of the difference of the two scores.
    """
    return (norm.ppf(1 - alpha / 2) + norm.ppf(power)) * deviation / math.sqrt(items)


def items_to_separate(difference: float, deviation: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
    """How many independent items it takes to find that difference that often.

    Raises:
        ValueError: for a difference of 0, which no number of items shows.
    """
    if difference == 0:
        raise ValueError("no number of items separates two models of the same score")
    return math.ceil(((norm.ppf(1 - alpha / 2) + norm.ppf(power)) * deviation / difference) ** 2)
