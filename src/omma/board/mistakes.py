"""Wrong answers, all of them: with picture, question, reply and truth, so many to a page that thousands can be turned over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from omma.board.entries import Entry
from omma.board.rows import Benchmark
from omma.evaluation import ItemResult

PER_PAGE = 48


@dataclass(frozen=True, slots=True)
class Others:
    """How the other models did on one question: so many right, of those that answered it."""

    right: int
    of: int


@dataclass(frozen=True, slots=True)
class MistakesPage:
    """One page of one model's wrong answers in one benchmark.

    Attributes:
        number, pages: which page it is (from 1), of how many.
        first: number of its first answer among all of them, from 1.
        total: wrong answers and missing ones, on all pages.
    """

    items: tuple[ItemResult, ...]
    number: int
    pages: int
    first: int
    total: int


def mistakes(entry: Entry, benchmark: Benchmark) -> list[ItemResult]:
    """Questions with the picture that it answered wrongly, or that nothing came back for; kinds together."""
    return sorted(
        (i for i in entry.results.items if (i.world, i.split) == (benchmark.world, benchmark.split) and not i.sighted.right),
        key=lambda item: (item.kind, item.id),
    )


def paged(items: Sequence[ItemResult], per_page: int = PER_PAGE) -> Iterator[MistakesPage]:
    """The same in pages, none of them empty."""
    pages = -(-len(items) // per_page)
    for number in range(1, pages + 1):
        first = (number - 1) * per_page
        yield MistakesPage(tuple(items[first : first + per_page]), number, pages, first + 1, len(items))


def counts_of(entries: Sequence[Entry]) -> dict[str, Others]:
    """By item id: how many of the models that answered it are right."""
    right: dict[str, int] = {}
    answered: dict[str, int] = {}
    for entry in entries:
        for item in entry.results.items:
            if item.sighted.finish != "failed":
                answered[item.id] = answered.get(item.id, 0) + 1
                right[item.id] = right.get(item.id, 0) + item.sighted.right
    return {key: Others(right[key], of) for key, of in answered.items()}


def hardest(entries: Sequence[Entry], benchmark: Benchmark, counts: Mapping[str, Others], most: int) -> list[ItemResult]:
    """The questions of a benchmark that the fewest models answered rightly, among those that most models answered.

    A question that all got right is not hard, and no picture comes twice.
    """
    items: dict[str, ItemResult] = {}
    for entry in entries:
        for item in entry.results.items:
            if (item.world, item.split) == (benchmark.world, benchmark.split):
                items.setdefault(item.id, item)
    hard = [item for item in items.values() if item.id in counts and counts[item.id].right < counts[item.id].of]
    hard.sort(key=lambda item: (-counts[item.id].of, counts[item.id].right, item.id))
    chosen: dict[str, ItemResult] = {}
    for item in hard:
        if len(chosen) < most:
            chosen.setdefault(item.cluster, item)
    return list(chosen.values())
