"""ChartQA: questions about charts, by people and made from summaries (arXiv 2203.10244)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from omma.evaluation.benchmarks.base import BENCHMARKS, FolderConfig, Pictures, PublishedBenchmark, numbered
from omma.evaluation.benchmarks.rows import json_records
from omma.evaluation.figures import Measure, each, mean_of_shares
from omma.evaluation.items import Item
from omma.evaluation.judgement import ItemResult
from omma.evaluation.metrics.relaxed import Profile
from omma.evaluation.truths import RelaxedAnswer

SUBSETS = ("human", "augmented")


@BENCHMARKS.register("chartqa")
class ChartQa(PublishedBenchmark):
    """``test_human.json`` or ``test_augmented.json``, each by itself. Relaxed accuracy.

    The published number is the mean of both subsets, a figure that is there when both are asked in one evaluation. They are the
    kinds of its questions.
    """

    class Config(FolderConfig):
        subset: Literal["human", "augmented"]
        """Which of the two the file is."""
        profile: Profile = "strict"
        """How percent signs and years are taken."""

    def questions(self) -> Iterable[Item]:
        pictures = Pictures(self.config.images)
        for number, row in numbered(json_records(self.config.file)):
            answer = row.text("label")
            yield self.item(
                f"{self.config.subset}/{number}",
                [pictures.of(row, "imgname")],
                row.text("query"),
                answer,
                RelaxedAnswer(answer, self.config.profile),
                cluster=row.text("imgname"),
                kind=self.config.subset,
            )

    @classmethod
    def measures(cls, results: Sequence[ItemResult]) -> list[Measure]:
        if {result.kind for result in results} != set(SUBSETS):
            return []

        rows = each(lambda member, reply: (reply.worth, 1, 0, 0) if member.kind == "human" else (0, 0, reply.worth, 1))
        return [Measure("mean of human and augmented", rows, mean_of_shares)]
