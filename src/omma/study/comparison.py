"""What a study found: every choice's scores with intervals over pictures *and* seeds, and which pairs differ.

A score depends on which pictures were asked about and on the seed that a model was trained with. Intervals resample both,
independently of each other: the pigeonhole bootstrap (Owen, Annals of Applied Statistics 1(2), 2007), which is rather too
wide than too narrow. Choices share seeds, pictures and questions, so their differences are resampled together. Their
p-values are corrected for the number of pairs (Holm, Scandinavian Journal of Statistics 6(2), 1979).

Shapes: S seeds, I items, C clusters (pictures) of a world and split, R resamples.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from pydantic import Field

from omma.errors import BadInput
from omma.evaluation.drawing.results import DrawingResults
from omma.evaluation.intervals import Estimate, Scored, estimate_of, joint_floor
from omma.evaluation.judgement import ItemResult
from omma.evaluation.records import Record
from omma.evaluation.results import Results
from omma.evaluation.trust.pairs import ALPHA, holm
from omma.study.drawn import drawn_items
from omma.study.figures import SeedsFigure, figures_of_seeds
from omma.study.study import Group, Study, StudyRun

RESAMPLES = 10_000
"""So many that a p-value stays small when it is corrected for a hundred pairs."""

Cell = tuple[str, str]
"""World and split."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one training came to.

    Attributes:
        tokens: image tokens per picture asked about, on average.
        steps: of every stage.
        drawing: what it drew, where it was asked to.
    """

    results: Results
    tokens: float
    steps: Mapping[str, int] = field(default_factory=dict)
    drawing: DrawingResults | None = None

    @property
    def items(self) -> tuple[ItemResult, ...]:
        """All that it was asked, and asked to draw."""
        return self.results.items + (drawn_items(self.drawing) if self.drawing is not None else ())

    @property
    def training_seconds(self) -> float:
        return sum(phase.seconds for phase in self.results.timing.phases if phase.name != "evaluation")


class StageCost(Record):
    """What one stage of training took."""

    steps: int = Field(description="Optimizer steps.")
    seconds: float = Field(description="Wall-clock time, mean over seeds.")


class ChoiceScores(Record):
    """One choice over all its seeds, or one peer."""

    name: str = Field(description="Name of the choice or the peer.")
    accuracy: Estimate = Field(
        description="Mean accuracy over worlds and splits, every one counting the same; of the group that the study ranks by."
    )
    groups: dict[str, Estimate] = Field(
        default_factory=dict, description="By group: mean accuracy over its worlds and their splits."
    )
    changes: dict[str, Estimate] = Field(
        default_factory=dict,
        description='By group ("all" without groups): accuracy minus that of the choice that is as before.',
    )
    cells: dict[str, Estimate] = Field(description='By "world, split": accuracy there.')
    kinds: dict[str, Estimate] = Field(description='By "world, kind of question": accuracy there, over all splits.')
    figures: dict[str, SeedsFigure] = Field(
        default_factory=dict, description='By "world, split: figure": what its benchmark publishes beside an accuracy.'
    )
    by_seed: dict[int, float] = Field(description="By seed: accuracy, as above; empty for a peer.")
    tokens: float | None = Field(description="Image tokens per picture asked about, on average; null for a peer.")
    training_seconds: float | None = Field(description="Wall-clock time of training, mean over seeds; null for a peer.")
    stages: dict[str, StageCost] = Field(default_factory=dict, description="By stage: what it took; empty for a peer.")
    parameters: dict[str, int] = Field(description="By part: how many parameters it has.")
    picture_seconds: float | None = Field(
        default=None, description="Wall-clock time of drawing a picture, painting included, mean over seeds; null if not known."
    )
    picture_steps: float | None = Field(default=None, description="Steps of a picture that is drawn; null likewise.")

    def mean(self, name: str) -> Estimate:
        """Of a group, or "all"."""
        return self.groups.get(name, self.accuracy)


class Pair(Record):
    """Two choices compared on the same seeds, pictures and questions."""

    first: str = Field(description="Name of a choice.")
    second: str = Field(description="Name of the other.")
    difference: Estimate = Field(description="Accuracy of the first minus that of the second.")
    p: float = Field(description="Two-sided p-value, corrected for the number of pairs (Holm).")

    @property
    def differs(self) -> bool:
        return self.p < ALPHA


class Comparison(Record):
    """What a study found."""

    choices: tuple[ChoiceScores, ...] = Field(description="In the order of the study, its peers behind them.")
    pairs: tuple[Pair, ...] = Field(description="In the order of the study.")
    seeds: tuple[int, ...] = Field(description="That every choice was trained with.")
    questions: int = Field(description="Asked of every model.")
    pictures: int = Field(description="That they are about; several in one prompt count once.")
    texts: int = Field(default=0, description="That they are about where no picture is shown.")


def compare(
    study: Study, outcomes: Mapping[StudyRun, Outcome], peers: Mapping[str, Results] = MappingProxyType({})
) -> Comparison:
    """The statistics of a study whose runs are all there.

    Args:
        peers: the results of every peer of the study.

    Raises:
        BadInput: if the models were not asked the same questions, or nothing about a world of a group.
    """
    # By name, the answers of every seed; a peer's are the same whatever the seed.
    replied = {
        choice: [_in_order(outcomes[StudyRun(choice, seed)].items) for seed in study.seeds] for choice in study.choices
    } | {name: [_in_order(peers[name].items)] * len(study.seeds) for name in study.peers}
    items = next(iter(replied.values()))[0]
    for name, of_seeds in replied.items():
        if any([(i.id, i.question) for i in others] != [(i.id, i.question) for i in items] for others in of_seeds):
            raise BadInput(
                f"study {study.name}, {name}",
                expected="the same questions to every model",
                found="others",
                remedy="leave the evaluation to the base recipe or to `common`, and run in a new directory",
            )
    check_groups(study, {(item.world, item.kind) for item in items})
    asked = _Asked(items, len(study.seeds))
    rights = {
        name: np.array([[item.sighted.worth for item in of_seed] for of_seed in of_seeds], float)
        for name, of_seeds in replied.items()
    }
    pairs = []
    for first, second in study.pairs():
        difference, p = asked.difference(rights[first], rights[second], study.ranking)
        pairs.append(Pair(first=first, second=second, difference=difference, p=p))
    corrected = zip(pairs, holm([pair.p for pair in pairs]), strict=True)
    scores = {name: _scores(study, name, rights, asked, replied[name]) for name in study.names()}
    shown = {item.cluster for item in items if item.pictures}
    return Comparison(
        choices=tuple(one.model_copy(update=_costs(study, name, asked, rights, outcomes)) for name, one in scores.items()),
        pairs=tuple(pair.model_copy(update={"p": p}) for pair, p in corrected),
        seeds=tuple(study.seeds),
        questions=len(items),
        pictures=len(shown),
        texts=len({item.cluster for item in items} - shown),
    )


def check_groups(study: Study, asked: Collection[tuple[str, str]]) -> None:
    """See that something is asked about everything in a study's groups. Raises BadInput if not.

    Args:
        asked: worlds and kinds of the questions.
    """
    worlds = {world for world, _ in asked}
    for name, group in study.groups.items():
        kinds = [(world, kind) for world in group for kind in group[world]] if isinstance(group, dict) else []
        if missing := [world for world in group if world not in worlds]:
            expected, found = f"worlds that are asked about ({', '.join(sorted(worlds))})", missing[0]
        elif unasked := [(world, kind) for world, kind in kinds if (world, kind) not in asked]:
            world, found = unasked[0]
            expected = f"kinds that are asked about {world} ({', '.join(sorted(kind for of, kind in asked if of == world))})"
        else:
            continue
        raise BadInput(
            f"study {study.name}, groups.{name}",
            expected=expected,
            found=found,
            remedy="name those that evaluation.benchmarks has",
        )


def _in_order(items: Sequence[ItemResult]) -> list[ItemResult]:
    return sorted(items, key=lambda item: item.id)


def _scores(
    study: Study, name: str, all_rights: Mapping[str, np.ndarray], asked: _Asked, replied: Sequence[Sequence[ItemResult]]
) -> ChoiceScores:
    """All that comes of replies; what they cost is filled in where it is known."""
    rights = all_rights[name]
    changed = rights - all_rights[study.before] if study.before is not None else None
    means: Mapping[str, Group | None] = study.groups or {"all": None}
    figures = {
        f"{', '.join(key)}: {figure}": found
        for key, part in asked.parts.items()
        for figure, found in figures_of_seeds(
            [[of_seed[place] for place in part.places] for of_seed in replied], part.names, part.draws, asked.seed_draws
        ).items()
    }
    return ChoiceScores(
        name=name,
        accuracy=asked.average(rights, study.ranking),
        groups={name: asked.average(rights, group) for name, group in study.groups.items()},
        changes={}
        if changed is None or name == study.before
        else {name: asked.average(changed, group, (-1.0, 1.0)) for name, group in means.items()},
        cells={", ".join(cell): asked.within(rights, cell) for cell in asked.parts},
        kinds={", ".join(kind): asked.of_kind(rights, *kind) for kind in asked.kinds()},
        figures=figures,
        by_seed={},
        tokens=None,
        training_seconds=None,
        parameters={},
    )


def _costs(
    study: Study, name: str, asked: _Asked, rights: Mapping[str, np.ndarray], outcomes: Mapping[StudyRun, Outcome]
) -> dict[str, object]:
    """What is known of a choice and not of a peer."""
    if name in study.peers:
        return {}
    runs = [outcomes[StudyRun(name, seed)] for seed in study.seeds]
    took = [{phase.name: phase.seconds for phase in run.results.timing.phases} for run in runs]
    return {
        "by_seed": {seed: asked.mean(rights[name][[place]], study.ranking) for place, seed in enumerate(study.seeds)},
        "stages": {
            stage: StageCost(steps=steps, seconds=float(np.mean([one[stage] for one in took])))
            for stage, steps in runs[0].steps.items()
        },
        "tokens": float(np.mean([run.tokens for run in runs])),
        "training_seconds": float(np.mean([run.training_seconds for run in runs])),
        "parameters": runs[0].results.run.parameters,
        # One that was interrupted while it drew does not know how fast it is.
        "picture_seconds": _mean([1 / speed for run in runs if run.drawing and (speed := run.drawing.pictures_per_second)]),
        "picture_steps": _mean([run.drawing.steps for run in runs if run.drawing and run.drawing.steps is not None]),
    }


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


@dataclass(frozen=True, slots=True)
class _Part:
    """The items of one world and split, or some of them.

    Attributes:
        places: of its items [n].
        clusters: of each of them, as a number [n].
        names: of the clusters [C].
        draws: how often each cluster is in each resample [R, C].
    """

    places: np.ndarray
    clusters: np.ndarray
    names: list[str]
    draws: np.ndarray

    def only(self, chosen: np.ndarray) -> _Part:
        """The chosen ones of them; chosen has all items [I]."""
        taken = chosen[self.places]
        return replace(self, places=self.places[taken], clusters=self.clusters[taken])

    def sums(self, values: np.ndarray) -> np.ndarray:
        """[S, C]: values [S, I], added up by cluster."""
        return np.array([np.bincount(self.clusters, row[self.places], minlength=len(self.names)) for row in values])


class _Asked:
    """The questions of a study, and the resamples of pictures and seeds that all estimates share."""

    def __init__(self, items: Sequence[ItemResult], seeds: int) -> None:
        generator = np.random.default_rng(0)
        self.items = items
        self.seeds = seeds
        self.seed_draws = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=RESAMPLES).astype(np.float64)
        self.parts: dict[Cell, _Part] = {}
        for cell in sorted({(item.world, item.split) for item in items}):
            places = np.array([place for place, item in enumerate(items) if (item.world, item.split) == cell])
            names = sorted({items[place].cluster for place in places})
            number = {name: index for index, name in enumerate(names)}
            draws = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=RESAMPLES)
            clusters = np.array([number[items[place].cluster] for place in places])
            self.parts[cell] = _Part(places, clusters, names, draws.astype(np.float64))

    def kinds(self) -> list[tuple[str, str]]:
        """World and kind of all questions."""
        return sorted({(item.world, item.kind) for item in self.items})

    def of(self, group: Group | None) -> list[_Part]:
        """What a group is the mean of; everything if there is none."""
        if group is None:
            return list(self.parts.values())
        if not isinstance(group, dict):
            return [part for (world, _), part in self.parts.items() if world in group]
        chosen = np.array([item.kind in group.get(item.world, ()) for item in self.items])
        parts = [part.only(chosen) for (world, _), part in self.parts.items() if world in group]
        return [part for part in parts if len(part.places)]

    def mean(self, values: np.ndarray, group: Group | None) -> float:
        """Mean over the parts of a group of the mean over items and seeds, of values [S, I]."""
        return float(np.mean([values[:, part.places].mean() for part in self.of(group)]))

    def average(self, values: np.ndarray, group: Group | None, bounds: tuple[float, float] = (0.0, 1.0)) -> Estimate:
        """`mean` with its interval."""
        scored = [self._scored(values, part) for part in self.of(group)]
        return estimate_of(self.mean(values, group), self._average_draws(values, group), joint_floor(scored, bounds), bounds)

    def within(self, values: np.ndarray, cell: Cell) -> Estimate:
        """The mean over items and seeds of one world and split, with its interval."""
        scored = self._scored(values, self.parts[cell])
        return estimate_of(scored.mean, self._draws(values, [self.parts[cell]]), scored.floor((0, 1)), (0, 1))

    def of_kind(self, values: np.ndarray, world: str, kind: str) -> Estimate:
        """The mean over items and seeds of one kind of question of a world, over all its splits, with its interval."""
        parts = self.of({world: [kind]})
        places = np.concatenate([part.places for part in parts])
        scored = Scored(values[:, places].mean(axis=0), [self.items[place].cluster for place in places])
        draws = self._draws(values, parts)
        return estimate_of(scored.mean, draws[np.isfinite(draws)], scored.floor((0, 1)), (0, 1))

    def difference(self, first: np.ndarray, second: np.ndarray, group: Group | None) -> tuple[Estimate, float]:
        """The difference of a pair and its p-value, not corrected yet, from rights [S, I] of both."""
        values = first - second
        estimate = self.average(values, group, (-1.0, 1.0))
        draws = self._average_draws(values, group)
        fewer = min((draws <= 0).sum(), (draws >= 0).sum())
        p = min(1.0, 2 * (fewer + 1) / (len(draws) + 1))
        # What the interval does not exclude, the p-value must not.
        return estimate, p if estimate.low > 0 or estimate.high < 0 else max(p, ALPHA)

    def _average_draws(self, values: np.ndarray, group: Group | None) -> np.ndarray:
        draws = np.mean([self._draws(values, [part]) for part in self.of(group)], axis=0)
        return draws[np.isfinite(draws)]

    def _draws(self, values: np.ndarray, parts: Sequence[_Part]) -> np.ndarray:
        """The mean of values [S, I] over the items of these parts, in every resample [R]; NaN where it has none of them."""
        total, count = np.zeros(RESAMPLES), np.zeros(RESAMPLES)
        for part in parts:
            total += ((self.seed_draws @ part.sums(values)) * part.draws).sum(axis=1)
            count += part.draws @ part.sums(np.ones((1, len(self.items))))[0] * self.seeds
        with np.errstate(invalid="ignore"):
            return total / count

    @staticmethod
    def _scored(values: np.ndarray, part: _Part) -> Scored:
        return Scored(values[:, part.places].mean(axis=0), list(part.clusters))
