"""Two or more evaluated models on the same items: which differ, in which order they stand, what it would take to know better.

Only items that both models of a pair were asked, and answered, count for the pair; only items that all were asked count for
the ranks. A score is the mean over worlds and splits, each counting the same, as in a study; pictures are resampled whole.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from pydantic import Field

from omma.board.entries import Entry
from omma.errors import BadInput
from omma.evaluation import Estimate, ItemResult, Scored, mean_estimate
from omma.evaluation.intervals import clustered_error, mean_of_means
from omma.evaluation.records import Record
from omma.evaluation.trust.pairs import ALPHA, holm, mcnemar, sign_flip
from omma.evaluation.trust.ranking import Battle, bradley_terry, detectable_difference, items_to_separate, mean_ranks

POWER = 0.8
"""How often a difference is to be found by as many pictures as are said to be needed for it."""

FEWEST = 6
"""Pictures below which no difference is significant: random signs of five all agree in one case of sixteen."""


class Standing(Record):
    """One model among the others, on the items that all of them answered."""

    name: str = Field(description="Name of the model.")
    accuracy: Estimate = Field(description="Mean over worlds and splits of what replies are worth.")
    best_rank: int = Field(description="Best rank by accuracy that resampled pictures give in 95 of 100 cases; 1 is best.")
    worst_rank: int = Field(description="Worst such rank.")
    mean_rank: float = Field(description="Mean over worlds and splits of its rank in each; models of equal scores share theirs.")
    points: Estimate | None = Field(
        description="Strength by Bradley and Terry over single items, 1000 on average; both right or both wrong counts as half a "
        "win each. Null where it has no bound."
    )


class Duel(Record):
    """Two models on the items that both answered."""

    first: str = Field(description="Name of a model.")
    second: str = Field(description="Name of the other.")
    questions: int = Field(description="Items that both answered.")
    pictures: int = Field(description="Pictures (clusters) that they are about.")
    left_out: int = Field(description="Items that only one of them was asked, or that one of them failed to reply to.")
    first_accuracy: float = Field(description="Mean over worlds and splits of what replies of the first are worth.")
    second_accuracy: float = Field(description="The same of the second.")
    difference: Estimate = Field(description="The first minus the second; interval by resampling whole pictures.")
    p: float = Field(description="Two-sided p-value by random signs of whole pictures, corrected for the number of pairs (Holm).")
    only_first: int = Field(description="Items that only the first is right about.")
    only_second: int = Field(description="Items that only the second is right about.")
    mcnemar: float = Field(
        description="Exact two-sided p-value of these two counts, as if all items were independent; corrected likewise."
    )
    detectable: float = Field(
        description="Smallest true difference that so many pictures would show in 80 of 100 cases; what is below it may be there "
        "and not be seen."
    )
    pictures_needed: int | None = Field(
        description="Pictures that would show the difference that was measured, in 80 of 100 cases, if it is true; null if both "
        "score the same."
    )
    groups: dict[str, Estimate] = Field(description='By "world, split": the difference there, not corrected for their number.')

    @property
    def differs(self) -> bool:
        """Whether the difference is more than luck."""
        return self.p < ALPHA


class Versus(Record):
    """What a comparison of evaluated models found."""

    models: tuple[str, ...] = Field(description="Names, in the order given.")
    standings: tuple[Standing, ...] = Field(description="The best first; empty if no item was answered by all models.")
    shared: int = Field(description="Items that all models answered.")
    no_points: str = Field(description="Why there are no strengths; empty if there are.")
    duels: tuple[Duel, ...] = Field(description="Every pair with an item in common, in the order given.")
    apart: tuple[tuple[str, str], ...] = Field(description="Pairs without any item in common.")


@dataclass(frozen=True, slots=True)
class _Shared:
    """Items that several models answered, by world and split; replies in the order of the models."""

    groups: dict[str, list[tuple[ItemResult, ...]]]

    @property
    def rows(self) -> list[tuple[ItemResult, ...]]:
        return [row for rows in self.groups.values() for row in rows]

    def scored(self, value: Callable[[tuple[ItemResult, ...]], float]) -> list[Scored]:
        """One number for each item, group by group."""
        return [
            Scored(np.array([value(row) for row in rows], dtype=float), [row[0].cluster for row in rows])
            for rows in self.groups.values()
        ]


def versus(entries: Sequence[Entry]) -> Versus:
    """Every pair, and all together.

    Raises:
        BadInput: for fewer than two models, or if no two of them were asked the same.
    """
    if len(entries) < 2:
        raise BadInput(
            "models to compare", expected="two or more", found=str(len(entries)), remedy="name another directory of omma evaluate"
        )
    answered = {
        entry.name: {item.id: item for item in entry.results.items if item.sighted.finish != "failed"} for entry in entries
    }
    asked = {entry.name: {item.id for item in entry.results.items} for entry in entries}
    duels, apart = [], []
    for first, second in combinations(answered, 2):
        shared = _shared([answered[first], answered[second]])
        if shared.groups:
            duels.append(_duel(first, second, shared, len(asked[first] | asked[second])))
        else:
            apart.append((first, second))
    if not duels:
        raise BadInput(
            f"{entries[0].file} and {entries[1].file}",
            expected="items that both models answered",
            found="none",
            remedy="evaluate them on the same benchmarks",
        )
    corrected = zip(duels, holm([d.p for d in duels]), holm([d.mcnemar for d in duels]), strict=True)
    duels = [duel.model_copy(update={"p": p, "mcnemar": mc}) for duel, p, mc in corrected]
    everywhere = _shared(list(answered.values()))
    standings: tuple[Standing, ...] = ()
    no_points = "no item was answered by all models"
    if everywhere.groups:
        standings, no_points = _standings(list(answered), everywhere)
    return Versus(
        models=tuple(answered),
        standings=standings,
        shared=len(everywhere.rows),
        no_points=no_points,
        duels=tuple(duels),
        apart=tuple(apart),
    )


def compared(entries: Sequence[Entry]) -> Versus | None:
    """As `versus`; None if there is one model alone, or no two of them were asked the same."""
    ids = [{item.id for item in entry.results.items if item.sighted.finish != "failed"} for entry in entries]
    shared = any(not one.isdisjoint(other) for place, one in enumerate(ids) for other in ids[:place])
    return versus(entries) if shared else None


def _shared(answered: Sequence[Mapping[str, ItemResult]]) -> _Shared:
    groups: defaultdict[str, list[tuple[ItemResult, ...]]] = defaultdict(list)
    for key in sorted(set.intersection(*(set(one) for one in answered))):
        item = answered[0][key]
        groups[f"{item.world}, {item.split}"].append(tuple(one[key] for one in answered))
    return _Shared(dict(sorted(groups.items())))


def _worth(place: int) -> Callable[[tuple[ItemResult, ...]], float]:
    return lambda row: row[place].sighted.worth


def _duel(first: str, second: str, shared: _Shared, asked: int) -> Duel:
    differences = shared.scored(lambda row: row[0].sighted.worth - row[1].sighted.worth)
    difference = mean_of_means(differences, bounds=(-1.0, 1.0))
    p = sign_flip(differences)
    pictures = sum(len(set(group.clusters)) for group in differences)
    # What one independent picture contributes to the error; pictures of all groups grow in the same proportion.
    deviation = clustered_error(differences) * math.sqrt(pictures)
    only_first = sum(row[0].sighted.right and not row[1].sighted.right for row in shared.rows)
    only_second = sum(row[1].sighted.right and not row[0].sighted.right for row in shared.rows)
    return Duel(
        first=first,
        second=second,
        questions=len(shared.rows),
        pictures=pictures,
        left_out=asked - len(shared.rows),
        first_accuracy=_mean(shared.scored(_worth(0))),
        second_accuracy=_mean(shared.scored(_worth(1))),
        difference=difference,
        # What the interval does not exclude, the p-value must not.
        p=p if difference.low > 0 or difference.high < 0 else max(p, ALPHA),
        only_first=only_first,
        only_second=only_second,
        mcnemar=mcnemar(only_first, only_second),
        detectable=float(detectable_difference(deviation, pictures, power=POWER)),
        pictures_needed=_needed(difference.value, deviation),
        groups={
            name: mean_estimate(group, bounds=(-1.0, 1.0)) for name, group in zip(shared.groups, differences, strict=True)
        },
    )


def _needed(difference: float, deviation: float) -> int | None:
    # A difference of rounding errors is none.
    return max(FEWEST, items_to_separate(difference, deviation, power=POWER)) if abs(difference) > 1e-12 else None


def _mean(groups: Sequence[Scored]) -> float:
    return float(np.mean([group.mean for group in groups]))


def _standings(names: Sequence[str], shared: _Shared) -> tuple[tuple[Standing, ...], str]:
    scored = {name: shared.scored(_worth(place)) for place, name in enumerate(names)}
    # The same seeds and as many pictures: every model meets the same resamples, so ranks are of models on the same pictures.
    draws_MR = np.stack([
        np.mean([group.resampled(number) for number, group in enumerate(groups)], axis=0) for groups in scored.values()
    ])  # fmt: skip
    better = (draws_MR[None] > draws_MR[:, None] + 1e-12).sum(axis=1)
    equal = (np.abs(draws_MR[None] - draws_MR[:, None]) <= 1e-12).sum(axis=1)
    best = np.quantile(better + 1, 0.025, axis=1, method="nearest")
    worst = np.quantile(better + equal, 0.975, axis=1, method="nearest")
    ranks = mean_ranks({name: [group.mean for group in groups] for name, groups in scored.items()})
    points, no_points = _points(names, shared.rows)
    standings = [
        Standing(
            name=name,
            accuracy=mean_of_means(groups),
            best_rank=int(best[place]),
            worst_rank=int(worst[place]),
            mean_rank=ranks[name],
            points=points.get(name),
        )
        for place, (name, groups) in enumerate(scored.items())
    ]
    return tuple(sorted(standings, key=lambda standing: (-standing.accuracy.value, standing.name))), no_points


def _points(names: Sequence[str], rows: Iterable[tuple[ItemResult, ...]]) -> tuple[dict[str, Estimate], str]:
    battles = [
        Battle(names[a], names[b], (1 + row[a].sighted.worth - row[b].sighted.worth) / 2, (row[a].world, row[a].cluster))
        for row in rows
        for a, b in combinations(range(len(names)), 2)
    ]
    try:
        strengths = bradley_terry(battles)
    except BadInput as error:
        return {}, error.found
    return {name: Estimate(value=one.points, low=one.low, high=one.high) for name, one in strengths.items()}, ""
