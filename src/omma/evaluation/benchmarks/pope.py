"""POPE: is a thing in the photograph? Half of the things are not (arXiv 2305.10355)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from omma.evaluation.benchmarks.base import BENCHMARKS, SHORT, FolderConfig, Pictures, PublishedBenchmark
from omma.evaluation.benchmarks.rows import json_lines
from omma.evaluation.benchmarks.yes_no import yes_no_measures
from omma.evaluation.figures import Measure
from omma.evaluation.items import Item
from omma.evaluation.judgement import ItemResult
from omma.evaluation.metrics.yes_no import Answer
from omma.evaluation.truths import YesNoReading, YesOrNo


@BENCHMARKS.register("pope")
class Pope(PublishedBenchmark):
    """``coco_pope_random.json``, ``coco_pope_popular.json`` or ``coco_pope_adversarial.json`` (JSON lines all the same), each as
    a benchmark with the ``split`` of its name. Accuracy; precision, recall and F1 of yes; how often yes is said."""

    PROMPT = SHORT

    class Config(FolderConfig):
        reading: YesNoReading = "first-sentence"
        """How replies are read; ``pope-original`` as the authors' script does, for which everything is yes but a no or a not."""

    def questions(self) -> Iterable[Item]:
        pictures = Pictures(self.config.images)
        for row in json_lines(self.config.file):
            answer = cast(Answer, row.one_of("label", ("yes", "no")))
            yield self.item(
                row.identity("question_id"),
                [pictures.of(row, "image")],
                row.text("text"),
                answer,
                YesOrNo(answer, self.config.reading),
                cluster=row.text("image"),
                kind="is it there",
            )

    @classmethod
    def measures(cls, results: Sequence[ItemResult]) -> list[Measure]:
        return yes_no_measures("yes")
