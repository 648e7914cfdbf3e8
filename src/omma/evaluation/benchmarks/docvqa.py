"""DocVQA: questions about scanned documents (arXiv 2007.00398), and InfographicVQA in the same format (2104.12756)."""

from __future__ import annotations

from collections.abc import Iterable

from omma.evaluation.benchmarks.base import BENCHMARKS, FolderConfig, Pictures, PublishedBenchmark
from omma.evaluation.benchmarks.rows import json_records
from omma.evaluation.items import Item
from omma.evaluation.truths import ReadText


@BENCHMARKS.register("docvqa")
class DocVqa(PublishedBenchmark):
    """``val_v1.0_withQT.json`` or another file with answers; ``images`` holds the folder that it calls documents. ANLS.

    Kinds are the first of the authors' question types, where the file has them.
    """

    class Config(FolderConfig):
        pass

    def questions(self) -> Iterable[Item]:
        pictures = Pictures(self.config.images)
        for row in json_records(self.config.file, within="data"):
            field = "image" if "image" in row.data else "image_local_name"
            if "answers" not in row.data:
                raise row.bad("answers", "answers", remedy="use a split whose answers are published (val)")
            texts = row.texts("answers")
            types = row.texts("question_types") if row.data.get("question_types") else ("question",)
            yield self.item(
                row.identity("questionId"),
                [pictures.of(row, field)],
                row.text("question"),
                texts[0],
                ReadText(texts),
                cluster=row.text(field),
                kind=types[0],
            )
