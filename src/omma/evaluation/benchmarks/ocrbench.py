"""OCRBench: text of all kinds to be read, from 29 data sets (arXiv 2305.07895), and files of the same form."""

from __future__ import annotations

from collections.abc import Iterable

from omma.evaluation.benchmarks.base import AS_IT_IS, BENCHMARKS, FolderConfig, Pictures, PublishedBenchmark, numbered
from omma.evaluation.benchmarks.rows import json_records
from omma.evaluation.items import Item
from omma.evaluation.truths import ContainedText

FORMULAS = "HME100k"
"""The data set whose answers are compared without spaces and with their case."""


@BENCHMARKS.register("ocrbench")
class OcrBench(PublishedBenchmark):
    """``OCRBench.json`` with the folder ``OCRBench_Images``. An answer has to be contained in the reply. Kinds are the authors'
    types; their total of 1000 is ten times the per cent here. Questions are put as they are."""

    PROMPT = AS_IT_IS

    class Config(FolderConfig):
        pass

    def questions(self) -> Iterable[Item]:
        pictures = Pictures(self.config.images)
        for number, row in numbered(json_records(self.config.file)):
            several = isinstance(row.data.get("answers"), list)
            texts = row.texts("answers") if several else (row.text("answers"),)
            yield self.item(
                number,
                [pictures.of(row, "image_path")],
                row.text("question"),
                texts[0],
                ContainedText(texts, formula=row.optional("dataset_name") == FORMULAS),
                cluster=row.text("image_path"),
                kind=row.text("type"),
            )
