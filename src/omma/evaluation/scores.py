"""From replies to numbers: per item, per world and split and kind of question, and the gap to unseen combinations."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from omma.evaluation.conditions import CONDITIONS, Condition, prompts
from omma.evaluation.intervals import (
    Estimate,
    Scored,
    mean_estimate,
    mean_of_means,
    paired_difference,
    unpaired_difference,
)
from omma.evaluation.items import Item, refuse_duplicates
from omma.evaluation.metrics.text import exact_match, normalised


class Record(BaseModel):
    """Base of what results.json holds: frozen, unknown fields refused, not-a-number kept as the text "NaN"."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class Reply(Record):
    """What the model said under one condition."""

    text: str | None = Field(description="The reply; null if none came, which counts as wrong.")
    right: bool = Field(description="Whether the reply matches the answer exactly after normalisation.")


class ItemResult(Record):
    """One question with its truth and the replies under the three conditions."""

    id: str = Field(description="Unique within the run.")
    world: str = Field(description="The generated world or the data set.")
    split: str = Field(description='"fresh", "compositional", "test", ...')
    kind: str = Field(description="Kind of question.")
    cluster: str = Field(description="The picture(s) behind the question; intervals resample whole clusters.")
    pictures: int = Field(description="Number of pictures that the prompt shows.", ge=0)
    question: str = Field(description="The words of the question.")
    answer: str = Field(description="The truth.")
    sighted: Reply = Field(description="The reply with the picture.")
    blind: Reply | None = Field(description="The reply to the same words with no picture; null if not asked.")
    swapped: Reply | None = Field(description="The reply with somebody else's picture; null if not asked.")


class Cell(Record):
    """Scores of one group of items: a kind of question in a world and split, or the whole world and split."""

    world: str = Field(description="The generated world or the data set.")
    split: str = Field(description='"fresh", "compositional", "test", ...')
    kind: str | None = Field(description="Kind of question; null for all kinds together.")
    items: int = Field(description="Number of questions, unanswered ones included.")
    pictures: int = Field(description="Number of clusters (independent pictures) behind them.")
    unanswered: int = Field(description="Questions with no reply or an empty one; they count as wrong.")
    accuracy: Estimate = Field(description="Share of right replies with the picture.")
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

    def cell(self, world: str, split: str, kind: str | None = None) -> Cell:
        """The scores of that group. Raises KeyError if no item belongs to it."""
        for cell in self.cells:
            if (cell.world, cell.split, cell.kind) == (world, split, kind):
                return cell
        raise KeyError((world, split, kind))


def judged(
    items: Sequence[Item],
    predictions: Mapping[Condition, Mapping[str, str]],
    conditions: Collection[Condition] = CONDITIONS,
) -> list[ItemResult]:
    """Every item with its replies judged, in the order of ``items``.

    A reply that is absent from ``predictions`` though the condition is among ``conditions`` and applies to the item is
    kept as a wrong one without text.

    Raises:
        BadInput: if two items share an id.
    """
    refuse_duplicates(items)
    applicable = {condition: prompts(items, condition).keys() for condition in conditions}

    def reply(item: Item, condition: Condition) -> Reply | None:
        if item.id not in applicable.get(condition, ()):
            return None
        text = predictions.get(condition, {}).get(item.id)
        return Reply(text=text, right=text is not None and exact_match(text, item.answer))

    return [
        ItemResult(
            id=item.id,
            world=item.world,
            split=item.split,
            kind=item.kind,
            cluster=item.cluster,
            pictures=len(item.images),
            question=item.question,
            answer=item.answer,
            sighted=reply(item, "sighted") or Reply(text=None, right=False),
            blind=reply(item, "blind"),
            swapped=reply(item, "swapped"),
        )
        for item in items
    ]


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
    gaps = [
        _gap(world, _scored(members, "sighted"), _scored(groups[world, "compositional"], "sighted"), seed)
        for (world, split), members in sorted(groups.items())
        if split == "fresh" and (world, "compositional") in groups
    ]
    averages = [_average(split, worlds, seed) for split, worlds in sorted(averaged.items())]
    return Scores(averages=tuple(averages), cells=tuple(cells), gaps=tuple(gaps))


def _cell(members: Sequence[ItemResult], kind: str | None, seed: int) -> Cell:
    answers: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for member in members:
        answers[member.kind][normalised(member.answer)] += 1

    def accuracy(condition: Condition) -> Estimate | None:
        asked = _asked(members, condition)
        return mean_estimate(_scored(asked, condition), seed=seed) if asked else None

    both = _asked(members, "blind")
    return Cell(
        world=members[0].world,
        split=members[0].split,
        kind=kind,
        items=len(members),
        pictures=len({member.cluster for member in members}),
        unanswered=sum(not (member.sighted.text or "").strip() for member in members),
        accuracy=mean_estimate(_scored(members, "sighted"), seed=seed),
        majority=sum(max(counter.values()) for counter in answers.values()) / len(members),
        blind=accuracy("blind"),
        swapped=accuracy("swapped"),
        gain=paired_difference(
            _rights(both, "sighted"), _rights(both, "blind"), [member.cluster for member in both], seed=seed
        )
        if both
        else None,
    )


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
        if (both := _asked(members, "blind"))
    ]
    return Average(
        split=split,
        worlds=len(worlds),
        accuracy=mean_of_means([_scored(members, "sighted") for members in worlds], seed=seed),
        blind=over_worlds("blind"),
        swapped=over_worlds("swapped"),
        gain=mean_of_means(gains, bounds=(-1.0, 1.0), seed=seed) if gains else None,
    )


def _asked(members: Iterable[ItemResult], condition: Condition) -> list[ItemResult]:
    return [member for member in members if getattr(member, condition) is not None]


def _rights(members: Iterable[ItemResult], condition: Condition) -> np.ndarray:
    return np.array([float(getattr(member, condition).right) for member in members])


def _scored(members: Sequence[ItemResult], condition: Condition) -> Scored:
    return Scored(_rights(members, condition), [member.cluster for member in members])
