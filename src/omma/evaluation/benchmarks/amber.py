"""AMBER: what a model makes up, in descriptions and in answers of yes and no (arXiv 2311.07397)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np

from omma.errors import BadInput
from omma.evaluation.benchmarks.base import AS_IT_IS, BENCHMARKS, FolderConfig, Pictures, PublishedBenchmark, unique
from omma.evaluation.benchmarks.rows import json_document, json_records, shown, text_lines
from omma.evaluation.benchmarks.yes_no import yes_no_measures, yes_no_row
from omma.evaluation.conditions import Condition
from omma.evaluation.descriptions import ThingsThere
from omma.evaluation.figures import Measure, Row, each, mean_of
from omma.evaluation.items import Item
from omma.evaluation.judgement import ItemResult
from omma.evaluation.metrics.hallucination import Ontology
from omma.evaluation.metrics.yes_no import Answer
from omma.evaluation.truths import YesOrNo

GENERATIVE = "generative"


@BENCHMARKS.register("amber")
class Amber(PublishedBenchmark):
    """``query_all.json`` or another of its queries, with ``annotations.json``, ``relation.json`` and ``safe_words.txt``.

    Descriptions: *CHAIR*, *Cover*, *Hal* and *Cog* by the paper's formulas, means over replies. Questions: accuracy, and
    precision, recall and F1 of **no**. *AMBER score*: both together. Words are related by the authors' list alone; their script
    takes near word vectors for the same thing, too, and tells nouns by a tagger. Kinds are the authors' types.
    """

    PROMPT = AS_IT_IS

    class Config(FolderConfig):
        annotations: Path
        relations: Path
        """Related words by word, which together are all that can name a thing."""
        safe_words: Path | None = None
        """Words, one a line, that cost nothing."""

    def questions(self) -> Iterable[Item]:
        pictures = Pictures(self.config.images)
        truths = unique(json_records(self.config.annotations), "id", self.config.annotations)
        related = _relations(self.config.relations)
        words = {word for thing, others in related.items() for word in (thing, *others)}
        vocabulary = Ontology({word: word for word in words})
        safe = self.config.safe_words
        neutral = frozenset(line.lower() for line in text_lines(safe)) if safe else frozenset()
        for row in json_records(self.config.file):
            own_id = row.identity("id")
            if own_id not in truths:
                raise row.bad("id", f"an id of {self.config.annotations}", remedy="name the files of one release")
            truth, picture = truths[own_id], [pictures.of(row, "image")]
            kind, cluster, query = truth.text("type"), row.text("image"), row.text("query")
            if kind == GENERATIVE:
                there = tuple(map(str.lower, truth.texts("truth")))
                lures = tuple(map(str.lower, truth.texts("hallu", least=0)))
                things = ThingsThere(there, lures, related, vocabulary, neutral)
                yield self.item(own_id, picture, query, ", ".join(there), things, cluster=cluster, kind=kind)
            else:
                answer = cast(Answer, truth.one_of("truth", ("yes", "no")))
                yield self.item(own_id, picture, query, answer, YesOrNo(answer), cluster=cluster, kind=kind)

    @classmethod
    def measures(cls, results: Sequence[ItemResult]) -> list[Measure]:
        described = any(_is_described(result) for result in results)
        asked = not all(_is_described(result) for result in results)
        measures = []
        if described:
            names = {"chair": "CHAIR", "cover": "Cover", "hal": "Hal", "cog": "Cog"}
            measures += [Measure(name, mean_of(count)) for count, name in names.items()]
        if asked:
            measures += yes_no_measures("no", of=lambda member: not _is_described(member))
        if described and asked:
            measures.append(Measure("AMBER score", _both, _amber_score, (0.0, 100.0), "points"))
        return measures


def _is_described(member: ItemResult) -> bool:
    return member.kind == GENERATIVE


def _both(members: Sequence[ItemResult], condition: Condition) -> Iterable[Row]:
    """CHAIR and how many, then the five counts of yes and no."""
    for cluster, numbers in mean_of("chair")(members, condition):
        yield cluster, (*numbers, *(0.0,) * 5)
    for cluster, numbers in each(yes_no_row, of=lambda member: not _is_described(member))(members, condition):
        yield cluster, (0.0, 0.0, *numbers)


def _amber_score(sums: np.ndarray) -> np.ndarray:
    chair = sums[..., 0] / sums[..., 1]
    _, false_yes, true_no, false_no, _ = np.moveaxis(sums[..., 2:], -1, 0)
    f1 = 2 * true_no / (2 * true_no + false_yes + false_no)
    return (100 * (1 - chair) + 100 * f1) / 2


def _relations(path: Path) -> dict[str, tuple[str, ...]]:
    document, remedy = json_document(path), "name AMBER's relation.json"
    if not isinstance(document, Mapping) or not document:
        expected = "a JSON object with a list of words under each word"
        raise BadInput(str(path), expected=expected, found=shown(document), remedy=remedy)
    for thing, others in document.items():
        if not isinstance(others, list) or not all(isinstance(word, str) for word in others):
            where = f"{path}, field {thing}"
            raise BadInput(where, expected="a list of words", found=shown(others), remedy=remedy)
    return {thing.lower(): tuple(word.lower() for word in others) for thing, others in document.items()}
