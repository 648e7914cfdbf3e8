"""From replies to numbers: per item, per world and split and kind of question, and the gap to unseen combinations."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from pydantic import Field

from omma.evaluation.benchmarks import BENCHMARKS
from omma.evaluation.conditions import Condition
from omma.evaluation.figures import Figure, figures_of
from omma.evaluation.intervals import (
    Estimate,
    Scored,
    mean_estimate,
    mean_of_means,
    paired_difference,
    unpaired_difference,
)
from omma.evaluation.judgement import ItemResult, unparsed
from omma.evaluation.metrics.text import normalised
from omma.evaluation.records import Record
from omma.evaluation.trust.figures import Confidence, Leaning, Steadiness, confidence_of, leaning_of, steadiness_of

MOST_FAILED = 0.01
"""Share of questions that may fail before the numbers are no longer called the model's."""


class Cell(Record):
    """Scores of one group of items: a kind of question in a world and split, or the whole world and split."""

    world: str = Field(description="The generated world or the data set.")
    split: str = Field(description='"fresh", "compositional", "test", ...')
    kind: str | None = Field(description="Kind of question; null for all kinds together.")
    items: int = Field(description="Number of questions, failed ones included.")
    pictures: int = Field(description="Number of clusters (independent pictures) behind them.")
    failed: int = Field(description="Questions that nothing came back for; they are missing from every share below.")
    refused: int = Field(description="Questions that the model or its provider would not answer; they count as wrong.")
    cut_off: int = Field(description="Replies that were cut off at the longest length; judged as they are.")
    empty: int = Field(description="Empty replies; they count as wrong.")
    unparsed: int = Field(
        default=0, description="Replies in which no option, yes or no or box could be found though one is asked for; wrong."
    )
    accuracy: Estimate = Field(
        description="Share of right replies with the picture, of the questions that did not fail; the mean credit where it is "
        "given in parts."
    )
    lowest: float = Field(description="The same if all that failed counts as wrong.")
    highest: float = Field(description="The same if all that failed counts as right.")
    majority: float = Field(
        description="Accuracy of a constant: the commonest answer to each kind of question in this group, always."
    )
    blind: Estimate | None = Field(description="Accuracy with no picture; null if no item was asked so.")
    swapped: Estimate | None = Field(description="Accuracy with somebody else's picture; null if no item was asked so.")
    gain: Estimate | None = Field(
        description="Multimodal gain: sighted minus blind accuracy over the items asked both ways, paired."
    )


class Gap(Record):
    """What a world loses on combinations that training never showed."""

    world: str = Field(description="The generated world.")
    fresh: float = Field(description="Accuracy on new scenes of the kinds seen in training.")
    compositional: float = Field(description="Accuracy on scenes with unseen combinations.")
    gap: Estimate = Field(description="Fresh minus compositional accuracy.")


class Average(Record):
    """The mean over worlds of one split: every world counts the same, however many questions it has."""

    split: str = Field(description='"fresh", "compositional", "test", ...')
    worlds: int = Field(description="Number of worlds.")
    accuracy: Estimate = Field(description="Mean accuracy with the picture.")
    blind: Estimate | None = Field(description="Mean accuracy with no picture, over the worlds that have one.")
    swapped: Estimate | None = Field(description="Mean accuracy with somebody else's picture, likewise.")
    gain: Estimate | None = Field(description="Mean multimodal gain, likewise.")


class Scores(Record):
    """All numbers of one evaluation."""

    averages: tuple[Average, ...] = Field(description="One per split.")
    cells: tuple[Cell, ...] = Field(description="One per world and split, each followed by one per kind of question.")
    gaps: tuple[Gap, ...] = Field(description="One per world that has both a fresh and a compositional split.")
    figures: tuple[Figure, ...] = Field(
        default=(), description="What published benchmarks report beside their accuracy, by benchmark and split."
    )
    leanings: tuple[Leaning, ...] = Field(
        default=(), description="One per world and split in which anything is asked that is answered with yes or no."
    )
    steadiness: tuple[Steadiness, ...] = Field(
        default=(), description="One per world and split of which questions were put in other ways, too."
    )
    confidence: tuple[Confidence, ...] = Field(
        default=(), description="One per split, if the model tells how likely its replies are."
    )

    @property
    def complete(self) -> bool:
        """Whether so little failed, one question in a hundred at most, that the numbers stand for all of them."""
        totals = [cell for cell in self.cells if cell.kind is None]
        return sum(cell.failed for cell in totals) <= MOST_FAILED * sum(cell.items for cell in totals)

    def cell(self, world: str, split: str, kind: str | None = None) -> Cell:
        """The scores of that group. Raises KeyError if no item belongs to it."""
        for cell in self.cells:
            if (cell.world, cell.split, cell.kind) == (world, split, kind):
                return cell
        raise KeyError((world, split, kind))


NOTHING_KNOWN = Estimate(value=float("nan"), low=0.0, high=1.0)
"""Accuracy where everything failed."""


def score(results: Iterable[ItemResult], *, seed: int = 0) -> Scores:
    """All numbers from judged items. The order of ``results`` does not matter; the seed is the bootstrap's."""
    groups: defaultdict[tuple[str, str], list[ItemResult]] = defaultdict(list)
    for result in sorted(results, key=lambda result: result.id):
        groups[result.world, result.split].append(result)
    cells, averaged = [], defaultdict(list)
    for (_, split), members in sorted(groups.items()):
        cells.append(_cell(members, None, seed))
        for kind in sorted({member.kind for member in members}):
            cells.append(_cell([member for member in members if member.kind == kind], kind, seed))
        averaged[split].append(members)
    answered = {group: _asked(members, "sighted") for group, members in sorted(groups.items())}
    gaps = [
        _gap(world, _scored(members, "sighted"), _scored(unseen, "sighted"), seed)
        for (world, split), members in answered.items()
        if split == "fresh" and members and (unseen := answered.get((world, "compositional")))
    ]
    figures = [
        figure
        for (world, split), members in sorted(groups.items())
        for benchmark in sorted({member.benchmark for member in members if member.benchmark})
        for figure in _figures(benchmark, [m for m in members if m.benchmark == benchmark], world, split, seed)
    ]
    averages = [_average(split, worlds, seed) for split, worlds in sorted(averaged.items())]
    leanings = [
        Leaning(world=world, split=split, **leaning)
        for (world, split), members in answered.items()
        if (leaning := leaning_of([(m.sighted.text or "", m.answer) for m in members]))
    ]
    steadiness = [
        Steadiness(world=world, split=split, **found)
        for (world, split), members in answered.items()
        if (found := steadiness_of([[("as it is", m.sighted), *m.variants.items()] for m in members if m.variants]))
    ]
    told = {
        split: [m.sighted for members in worlds for m in _asked(members, "sighted") if m.sighted.confidence is not None]
        for split, worlds in sorted(averaged.items())
    }
    confidence = [
        Confidence(split=split, **confidence_of([(reply.confidence or 0.0, reply.right) for reply in replies]))
        for split, replies in told.items()
        if replies
    ]
    return Scores(
        averages=tuple(averages),
        cells=tuple(cells),
        gaps=tuple(gaps),
        figures=tuple(figures),
        leanings=tuple(leanings),
        steadiness=tuple(steadiness),
        confidence=tuple(confidence),
    )


def _figures(benchmark: str, members: Sequence[ItemResult], world: str, split: str, seed: int) -> list[Figure]:
    measures = BENCHMARKS.get(benchmark, where="field items.benchmark").measures(members)
    return figures_of(measures, members, world=world, split=split, seed=seed)


def _cell(members: Sequence[ItemResult], kind: str | None, seed: int) -> Cell:
    def accuracy(condition: Condition) -> Estimate | None:
        asked = _asked(members, condition)
        return mean_estimate(_scored(asked, condition), seed=seed) if asked else None

    both = _asked(_asked(members, "blind"), "sighted")
    finishes = Counter(member.sighted.finish for member in members)
    right = sum(member.sighted.worth for member in members)
    return Cell(
        world=members[0].world,
        split=members[0].split,
        kind=kind,
        items=len(members),
        pictures=len({member.cluster for member in members}),
        failed=finishes["failed"],
        refused=finishes["refused"],
        cut_off=finishes["length"],
        empty=sum(member.sighted.finish == "stop" and not (member.sighted.text or "").strip() for member in members),
        unparsed=sum(member.sighted.finish != "failed" and unparsed(member.sighted) for member in members),
        accuracy=accuracy("sighted") or NOTHING_KNOWN,
        lowest=right / len(members),
        highest=(right + finishes["failed"]) / len(members),
        majority=_constant(members) / len(members),
        blind=accuracy("blind"),
        swapped=accuracy("swapped"),
        gain=paired_difference(
            _rights(both, "sighted"), _rights(both, "blind"), [member.cluster for member in both], seed=seed
        )
        if both
        else None,
    )


def _constant(members: Sequence[ItemResult]) -> float:
    """What always the commonest answer to each kind of question earns."""
    answers: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for member in members:
        if member.constant is None:
            answers[member.kind][normalised(member.answer)] += 1
    exact = sum(max(counter.values()) for counter in answers.values())
    return exact + sum(member.constant for member in members if member.constant is not None)


def _gap(world: str, fresh: Scored, compositional: Scored, seed: int) -> Gap:
    difference = unpaired_difference(fresh, compositional, seed=seed)
    return Gap(world=world, fresh=fresh.mean, compositional=compositional.mean, gap=difference)


def _average(split: str, worlds: Sequence[Sequence[ItemResult]], seed: int) -> Average:
    def over_worlds(condition: Condition) -> Estimate | None:
        asked = [found for members in worlds if (found := _asked(members, condition))]
        return mean_of_means([_scored(members, condition) for members in asked], seed=seed) if asked else None

    gains = [
        Scored(_rights(both, "sighted") - _rights(both, "blind"), [member.cluster for member in both])
        for members in worlds
        if (both := _asked(_asked(members, "blind"), "sighted"))
    ]
    # Without one of the worlds it would be the mean of others: there is none then.
    whole = all(_asked(members, "sighted") for members in worlds)
    return Average(
        split=split,
        worlds=len(worlds),
        accuracy=(over_worlds("sighted") if whole else None) or NOTHING_KNOWN,
        blind=over_worlds("blind"),
        swapped=over_worlds("swapped"),
        gain=mean_of_means(gains, bounds=(-1.0, 1.0), seed=seed) if gains else None,
    )


def _asked(members: Iterable[ItemResult], condition: Condition) -> list[ItemResult]:
    """Those that something came back for under that condition."""
    replies = ((member, getattr(member, condition)) for member in members)
    return [member for member, reply in replies if reply is not None and reply.finish != "failed"]


def _rights(members: Iterable[ItemResult], condition: Condition) -> np.ndarray:
    return np.array([getattr(member, condition).worth for member in members])


def _scored(members: Sequence[ItemResult], condition: Condition) -> Scored:
    return Scored(_rights(members, condition), [member.cluster for member in members])
