"""The numbers of the table: one row for each model in each benchmark, and in the mean over benchmarks of a split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from omma.board.entries import Entry
from omma.evaluation import Estimate, ItemResult, Scored, normalised, score
from omma.evaluation.intervals import mean_of_means
from omma.evaluation.metrics.yes_no import yes_or_no
from omma.evaluation.report.view import split_rank
from omma.evaluation.scores import Average, Cell, Scores

SIZES: tuple[tuple[str, float], ...] = (
    ("up to 100 M", 1e8), ("up to 1 B", 1e9), ("up to 10 B", 1e10), ("above 10 B", float("inf")),
)  # fmt: skip
"""Classes of size, each with the most parameters in it."""
UNKNOWN_SIZE = "size not known"


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What a row is about: the questions of one world and split, or the mean over the worlds of a split.

    Attributes:
        world: None for a mean.
        worlds: that are averaged; of a single benchmark it is that one.
        label: for people.
    """

    world: str | None
    split: str
    worlds: tuple[str, ...]
    label: str


@dataclass(frozen=True, slots=True)
class Row:
    """One model in one benchmark. Shares are 0 to 1; what is not known is None.

    Attributes:
        questions, pictures: asked, and how many pictures they are about.
        missing: worlds of a mean that the model was not asked about; without them it has no accuracy.
        accuracy: what replies with the picture are worth; None if more failed than may.
        lowest, highest: the same if all that failed counts as wrong, or as right.
        blind, swapped: what replies are worth without the picture, and with another one.
        gain: sighted minus blind.
        hallucination: yes to questions that are to be answered with no: seeing what is not there.
        flips: questions that are answered rightly in one wording and wrongly in another.
        ece: calibration error of the split.
        gap: fresh minus compositional accuracy; of a mean, the mean over its worlds, without an interval.
    """

    entry: Entry
    questions: int
    pictures: int
    missing: tuple[str, ...]
    accuracy: Estimate | None
    lowest: float
    highest: float
    blind: Estimate | None
    swapped: Estimate | None
    gain: Estimate | None
    hallucination: Estimate | None
    flips: float | None
    ece: float | None
    gap: float | None


@dataclass(frozen=True, slots=True)
class Table:
    """All models in one benchmark, the best first."""

    benchmark: Benchmark
    rows: tuple[Row, ...]


def tables(entries: Sequence[Entry]) -> list[Table]:
    """Means first, then single benchmarks; splits in the order of interest, worlds by name."""
    worlds: dict[str, dict[str, set[str]]] = {}
    for entry in entries:
        for cell in entry.scores.cells:
            worlds.setdefault(cell.split, {}).setdefault(cell.world, set()).add(entry.slug)
    means, single = [], []
    for split in sorted(worlds, key=split_rank):
        every = tuple(sorted(worlds[split]))
        if len(every) > 1:
            means.append(Benchmark(None, split, every, f"mean of {len(every)}, {split}"))
            common = tuple(w for w in every if len(worlds[split][w]) == len(entries))
            if 1 < len(common) < len(every):
                # What all were asked is the only fair mean; the other one has a place for those that were asked everything.
                means.insert(len(means) - 1, Benchmark(None, split, common, f"mean of the {len(common)} that all share, {split}"))
        single += [Benchmark(world, split, (world,), f"{world}, {split}") for world in every]
    return [
        Table(benchmark, tuple(sorted(filter(None, (_row(entry, benchmark) for entry in entries)), key=_order)))
        for benchmark in (*means, *single)
    ]


def size_of(entry: Entry) -> str:
    """The class of size that a model belongs to."""
    if not entry.parameters:
        return UNKNOWN_SIZE
    return next(name for name, most in SIZES if entry.parameters <= most)


def _order(row: Row) -> tuple[float, str]:
    return -(row.accuracy.value if row.accuracy is not None else -1.0), row.entry.name


def _row(entry: Entry, benchmark: Benchmark) -> Row | None:
    cells = [c for c in entry.scores.cells if c.kind is None and c.split == benchmark.split and c.world in benchmark.worlds]
    if not cells:
        return None
    missing = tuple(sorted(set(benchmark.worlds) - {cell.world for cell in cells}))
    shown = _figures(entry, benchmark, cells) if not missing else None
    trusted = shown is not None and _complete(cells)
    steady = [s for s in entry.scores.steadiness if s.split == benchmark.split and s.world in benchmark.worlds]
    gaps = [gap.gap.value for gap in entry.scores.gaps if gap.world in benchmark.worlds]
    items = [i for i in entry.results.items if i.split == benchmark.split and i.world in benchmark.worlds]
    return Row(
        entry=entry,
        questions=sum(cell.items for cell in cells),
        pictures=sum(cell.pictures for cell in cells),
        missing=missing,
        accuracy=shown.accuracy if shown is not None and trusted else None,
        lowest=float(np.mean([cell.lowest for cell in cells])),
        highest=float(np.mean([cell.highest for cell in cells])),
        blind=shown.blind if shown is not None else None,
        swapped=shown.swapped if shown is not None else None,
        gain=shown.gain if shown is not None and trusted else None,
        hallucination=hallucination(items) if not missing else None,
        flips=float(np.average([s.flips for s in steady], weights=[s.items for s in steady])) if steady else None,
        ece=next((c.ece for c in entry.scores.confidence if c.split == benchmark.split), None),
        gap=float(np.mean(gaps)) if gaps and len(gaps) == len(benchmark.worlds) else None,
    )


def _figures(entry: Entry, benchmark: Benchmark, cells: Sequence[Cell]) -> Average | Cell:
    if benchmark.world is not None:
        return cells[0]
    of = {cell.world for cell in entry.scores.cells if cell.split == benchmark.split}
    scores: Scores = entry.scores
    if of != set(benchmark.worlds):
        scores = score(i for i in entry.results.items if i.split == benchmark.split and i.world in benchmark.worlds)
    return next(average for average in scores.averages if average.split == benchmark.split)


def _complete(cells: Sequence[Cell]) -> bool:
    """As `Scores.complete`, of these cells alone."""
    return Scores(averages=(), cells=tuple(cells), gaps=()).complete


def hallucination(items: Iterable[ItemResult]) -> Estimate | None:
    """Share of yes among replies to questions that are to be answered with no, worlds counting the same.

    It is POPE's false positives (arXiv 2305.10355): saying that something is in the picture that is not. None if nothing
    of the kind is asked.
    """
    groups: dict[str, list[tuple[float, str]]] = {}
    for item in items:
        if normalised(item.answer) == "no" and item.sighted.finish != "failed" and item.pictures:
            said = yes_or_no(item.sighted.text or "") == "yes"
            groups.setdefault(item.world, []).append((float(said), item.cluster))
    if not groups:
        return None
    scored = [Scored(np.array([said for said, _ in group]), [cluster for _, cluster in group]) for group in groups.values()]
    return mean_of_means(scored)
