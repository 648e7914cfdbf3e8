"""GQA: questions about the relations of things in photographs, made from scene graphs (arXiv 1902.09506)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from omma.evaluation.benchmarks.base import BENCHMARKS, FolderConfig, Pictures, PublishedBenchmark
from omma.evaluation.benchmarks.rows import Row, json_by_name
from omma.evaluation.figures import Measure, mean_of
from omma.evaluation.items import Item
from omma.evaluation.judgement import ItemResult
from omma.evaluation.truths import ShortAnswer


@BENCHMARKS.register("gqa")
class Gqa(PublishedBenchmark):
    """``testdev_balanced_questions.json`` or another file of questions with answers. Exact match is the headline; equality after
    VQA normalisation stands beside it. Kinds are the authors' structural types."""

    class Config(FolderConfig):
        pass

    def questions(self) -> Iterable[Item]:
        pictures = Pictures(self.config.images)
        for own_id, row in json_by_name(self.config.file).items():
            name = f"{row.identity('imageId')}.jpg"
            answer = row.text("answer")
            types = row.data.get("types")
            kind = Row(row.where, types).optional("structural") if isinstance(types, Mapping) else None
            yield self.item(
                own_id,
                [pictures.of(row, "imageId", name)],
                row.text("question"),
                answer,
                ShortAnswer(answer),
                cluster=name,
                kind=kind or "question",
            )

    @classmethod
    def measures(cls, results: Sequence[ItemResult]) -> list[Measure]:
        return [Measure("accuracy after VQA normalisation", mean_of("vqa_match"))]
