"""NLVR: is a sentence true of three boxes, in whatever order they stand? (Suhr et al., ACL 2017, P17-2034)"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from omma.data.nlvr import Nlvr
from omma.evaluation.benchmarks.base import AS_IT_IS, BENCHMARKS, BenchmarkConfig, PublishedBenchmark
from omma.evaluation.figures import Measure, all_right, together
from omma.evaluation.items import Item
from omma.evaluation.judgement import ItemResult
from omma.evaluation.truths import ShortAnswer


@BENCHMARKS.register("nlvr")
class NlvrBenchmark(PublishedBenchmark):
    """Cornell NLVR v1 as the source of that name reads it. Exact match with true or false; *consistency* is the share of
    sentences that are right in every order of the boxes. What was written together is one cluster."""

    PROMPT = AS_IT_IS

    class Config(BenchmarkConfig):
        split: Literal["train", "dev"] = "dev"
        """Which of the two files is asked."""
        folder: Path
        """Where its JSON lines and its archive of pictures lie."""
        montage: bool = False
        """The three boxes on one sheet, instead of three pictures."""

    def questions(self) -> Iterable[Item]:
        for sample in Nlvr(self.config.folder, self.config.split, montage=self.config.montage):
            question, answer = sample.turns
            item = self.item(
                sample.id,
                sample.images,
                question.text,
                answer.text,
                ShortAnswer(answer.text),
                cluster=sample.meta["cluster"],
                kind="statement",
                groups={"sentence": sample.meta["example_id"]},
            )
            # Laid out as in training, where no line break follows the pictures.
            yield item if self.config.prompt else replace(item, turns=(question,))

    @classmethod
    def measures(cls, results: Sequence[ItemResult]) -> list[Measure]:
        return [Measure("consistency", together(all_right, by=lambda member: member.groups["sentence"]))]
