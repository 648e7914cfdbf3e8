"""Figures that a benchmark publishes beside an accuracy: F1, MME's scores, circular accuracy, CIDEr-D, mean IoU.

Each is a function of sums of statistics over questions, or over groups of questions that count together (the two of a picture
in MME). Its interval resamples whole clusters and sums again, so that nothing is scored twice; a floor keeps it from collapsing
where all clusters are alike (`omma.evaluation.intervals`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from omma.evaluation.conditions import CONDITIONS, Condition
from omma.evaluation.intervals import RESAMPLES, Z95, Estimate, estimate_of
from omma.evaluation.judgement import ItemResult, Reply
from omma.evaluation.records import Record

_CHUNK = 4_000_000
"""Statistics drawn at a time, which bounds the memory of a bootstrap over many clusters."""

Unit = Literal["share", "points"]

Row = tuple[str, tuple[float, ...]]
"""A cluster, and the statistics of one question or group of questions about it."""


class Figure(Record):
    """One figure that a benchmark publishes, with the picture and without."""

    world: str = Field(description="The benchmark.")
    split: str = Field(description='"test", "val", "adversarial", ...')
    name: str = Field(description='"F1", "circular accuracy", "CIDEr-D", ...')
    unit: Unit = Field(
        description='"share": from 0 to 1, per cent on the page (CIDEr-D is from 0 to 10, and printed a hundredfold, too); '
        '"points": as it is published.'
    )
    groups: int = Field(description="Questions that it is a sum over, and groups of questions where those count together.")
    value: Estimate = Field(description="The figure, with the picture.")
    blind: Estimate | None = Field(description="The same with no picture; null if nothing was asked so.")
    swapped: Estimate | None = Field(description="The same with somebody else's picture; null if nothing was asked so.")


def ratio(sums: np.ndarray) -> np.ndarray:
    """The first sum as a share of the second, [..., 2] -> [...]."""
    return sums[..., 0] / sums[..., 1]


@dataclass(frozen=True, slots=True)
class Measure:
    """How one figure is computed.

    Attributes:
        name: what the figure is called.
        rows: from all results of a world and split, and the condition: the statistics, K numbers a row. What failed is to be
            left out, with whatever counts together with it.
        of: the figure of sums, [..., K] -> [...]; not a number where it would be a share of nothing.
        bounds: lowest and highest value that it can have.
        unit: as `Figure.unit`.
    """

    name: str
    rows: Callable[[Sequence[ItemResult], Condition], Iterable[Row]]
    of: Callable[[np.ndarray], np.ndarray] = ratio
    bounds: tuple[float, float] = (0.0, 1.0)
    unit: Unit = "share"

    def estimate(self, rows: Sequence[Row], *, seed: int = 0) -> Estimate:
        """The figure of these rows, of which there is at least one, with its interval."""
        places: dict[str, int] = {}
        index = [places.setdefault(cluster, len(places)) for cluster, _ in rows]
        statistics = np.array([numbers for _, numbers in rows], dtype=np.float64)
        sums_CK = np.zeros((len(places), statistics.shape[1]))
        np.add.at(sums_CK, index, statistics)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = float(self.of(sums_CK.sum(axis=0)))
            draws = np.concatenate([self.of(sums) for sums in _resampled(sums_CK, seed)])
        return self.of_draws(value, draws, clusters=len(places))

    def of_draws(self, value: float, draws: np.ndarray, *, clusters: int) -> Estimate:
        """A value with the interval of its resamples, which a floor keeps from collapsing where all clusters are alike."""
        draws = draws[np.isfinite(draws)]
        if not np.isfinite(value) or not len(draws):
            return Estimate(value=float("nan"), low=self.bounds[0], high=self.bounds[1])
        unseen = Z95**2 / (clusters + Z95**2)
        low, high = ((1 - unseen) * value + unseen * bound for bound in self.bounds)
        return estimate_of(value, draws, (low, high), self.bounds)


def _resampled(sums_CK: np.ndarray, seed: int) -> Iterable[np.ndarray]:
    """Sums over clusters drawn with replacement, [resamples, K] in pieces."""
    generator = np.random.default_rng(seed)
    step = max(1, _CHUNK // sums_CK.size)
    for start in range(0, RESAMPLES, step):
        drawn = generator.integers(0, len(sums_CK), size=(min(step, RESAMPLES - start), len(sums_CK)))
        yield sums_CK[drawn].sum(axis=1)


def figures_of(
    measures: Iterable[Measure], members: Sequence[ItemResult], *, world: str, split: str, seed: int = 0
) -> list[Figure]:
    """The figures of one world and split. One of which nothing came back under a condition is absent there."""
    figures = []
    for measure in measures:
        rows = {condition: list(measure.rows(members, condition)) for condition in CONDITIONS}
        found = {
            condition: measure.estimate(those, seed=seed) if those else None for condition, those in rows.items()
        }
        if found["sighted"] is not None:
            figures.append(
                Figure(
                    world=world, split=split, name=measure.name, unit=measure.unit, groups=len(rows["sighted"]),
                    value=found["sighted"], blind=found["blind"], swapped=found["swapped"],
                )
            )  # fmt: skip
    return figures


def came(member: ItemResult, condition: Condition) -> Reply | None:
    """The reply under that condition; None if it was not asked, or nothing came."""
    reply: Reply | None = getattr(member, condition)
    return reply if reply is not None and reply.finish != "failed" else None


def each(
    statistics: Callable[[ItemResult, Reply], tuple[float, ...]], *, of: Callable[[ItemResult], bool] = lambda _: True
) -> Callable[[Sequence[ItemResult], Condition], Iterable[Row]]:
    """Rows of a `Measure`: one for every reply that came to the questions for which ``of`` holds."""

    def rows(members: Sequence[ItemResult], condition: Condition) -> Iterable[Row]:
        for member in members:
            if of(member) and (reply := came(member, condition)):
                yield member.cluster, statistics(member, reply)

    return rows


def together(
    statistics: Callable[[list[tuple[ItemResult, Reply]]], tuple[float, ...]],
    *,
    by: Callable[[ItemResult], str | None],
) -> Callable[[Sequence[ItemResult], Condition], Iterable[Row]]:
    """Rows of a `Measure`: one for every group of questions, if replies came to all of them.

    Args:
        by: the group that a question counts together with; None for those that are in none.
    """

    def rows(members: Sequence[ItemResult], condition: Condition) -> Iterable[Row]:
        groups: defaultdict[str, list[ItemResult]] = defaultdict(list)
        for member in members:
            if (group := by(member)) is not None:
                groups[group].append(member)
        for group_members in groups.values():
            pairs = [(member, reply) for member in group_members if (reply := came(member, condition))]
            if len(pairs) == len(group_members):
                yield group_members[0].cluster, statistics(pairs)

    return rows


def mean_of(count: str) -> Callable[[Sequence[ItemResult], Condition], Iterable[Row]]:
    """Rows whose `ratio` is the mean of what the replies have under that name in their counts, over those that have it."""

    def rows(members: Sequence[ItemResult], condition: Condition) -> Iterable[Row]:
        for member in members:
            reply = came(member, condition)
            if reply and count in reply.counts:
                yield member.cluster, (reply.counts[count], 1.0)

    return rows


Answered = list[tuple[ItemResult, Reply]]


def all_right(pairs: Answered) -> tuple[float, ...]:
    """A row of a group whose `ratio` is the share of groups in which every reply is right."""
    return float(all(reply.right for _, reply in pairs)), 1.0


def by_kind(
    kinds: Sequence[str], statistics: Callable[[Answered], tuple[float, ...]]
) -> Callable[[Answered], tuple[float, ...]]:
    """Pairs of statistics, those of each kind of question in a place of their own; their figure is `mean_of_shares`."""

    def placed(pairs: Answered) -> tuple[float, ...]:
        place = 2 * kinds.index(pairs[0][0].kind)
        return (*(0.0,) * place, *statistics(pairs), *(0.0,) * (2 * len(kinds) - place - 2))

    return placed


def mean_of_shares(sums: np.ndarray) -> np.ndarray:
    """The mean of first sums as shares of second ones, [..., 2 K] -> [...], of those that a resample has anything of."""
    there = sums[..., 1::2] > 0
    shares = np.where(there, sums[..., ::2] / np.where(there, sums[..., 1::2], 1), 0.0)
    return shares.sum(axis=-1) / there.sum(axis=-1)
