"""The figures of a published benchmark over all seeds of a choice, with intervals over pictures and seeds together.

Shapes: S seeds, C clusters (pictures), K statistics of a figure, R resamples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from omma.evaluation.benchmarks import BENCHMARKS
from omma.evaluation.figures import Measure, Unit
from omma.evaluation.intervals import Estimate
from omma.evaluation.judgement import ItemResult
from omma.evaluation.records import Record

_CHUNK = 4_000_000
"""Numbers drawn at a time."""


class SeedsFigure(Record):
    """One figure of a benchmark, from the replies of all seeds."""

    unit: Unit = Field(description='"share": from 0 to 1, per cent on the page; "points": as it is published.')
    value: Estimate = Field(description="The figure, with the picture.")


def figures_of_seeds(
    members: Sequence[Sequence[ItemResult]], names: Sequence[str], draws_RC: np.ndarray, seed_draws_RS: np.ndarray
) -> dict[str, SeedsFigure]:
    """By name: the figures of one world and split, none where its questions are of no published benchmark.

    Args:
        members: the results of every seed.
        names: of the clusters.
        draws_RC, seed_draws_RS: how often each cluster, and each seed, is in each resample.
    """
    benchmark = members[0][0].benchmark
    if benchmark is None:
        return {}
    everything = [member for one in members for member in one]
    measures = BENCHMARKS.get(benchmark, where="field items.benchmark").measures(everything)
    found = {}
    for measure in measures:
        rows = [list(measure.rows(one, "sighted")) for one in members]
        if all(rows):
            value = _estimate(measure, _sums(rows, names), draws_RC, seed_draws_RS)
            found[measure.name] = SeedsFigure(unit=measure.unit, value=value)
    return found


def _sums(rows: Sequence[Sequence[tuple[str, tuple[float, ...]]]], names: Sequence[str]) -> np.ndarray:
    """[S, C, K]."""
    place = {name: number for number, name in enumerate(names)}
    sums = np.zeros((len(rows), len(names), len(rows[0][0][1])))
    for seed, of_seed in enumerate(rows):
        np.add.at(sums[seed], [place[cluster] for cluster, _ in of_seed], np.array([numbers for _, numbers in of_seed]))
    return sums


def _estimate(measure: Measure, sums_SCK: np.ndarray, draws_RC: np.ndarray, seed_draws_RS: np.ndarray) -> Estimate:
    seeds, clusters, statistics = sums_SCK.shape
    step = max(1, _CHUNK // (clusters * statistics))
    drawn = []
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(measure.of(sums_SCK.sum(axis=(0, 1))))
        for start in range(0, len(draws_RC), step):
            some = slice(start, start + step)
            of_seeds = (seed_draws_RS[some] @ sums_SCK.reshape(seeds, -1)).reshape(-1, clusters, statistics)
            drawn.append(measure.of(np.einsum("rc,rck->rk", draws_RC[some], of_seeds)))
    return measure.of_draws(value, np.concatenate(drawn), clusters=clusters)
