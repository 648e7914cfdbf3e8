"""TextVQA: short answers about the text in photographs, ten people's each (arXiv 1904.08920; textvqa.org)."""

from __future__ import annotations

from collections.abc import Iterable

from omma.evaluation.benchmarks.base import BENCHMARKS, FolderConfig, Pictures, PublishedBenchmark, commonest
from omma.evaluation.benchmarks.rows import Row, json_records
from omma.evaluation.items import Item
from omma.evaluation.truths import PeoplesAnswers


@BENCHMARKS.register("textvqa")
class TextVqa(PublishedBenchmark):
    """``TextVQA_0.5.1_val.json``. VQA accuracy, profile textvqa. No words of an OCR system go into the prompt, as they did in
    LLaVA-1.5's published number."""

    class Config(FolderConfig):
        pass

    def questions(self) -> Iterable[Item]:
        pictures = Pictures(self.config.images)
        for row in json_records(self.config.file, within="data"):
            said = row.data.get("answers")
            if not isinstance(said, list):
                raise row.bad("answers", "a list of people's answers")
            people = row.people("answers", [Row(row.where, {"answers": answer}).optional("answers") for answer in said])
            name = f"{row.text('image_id')}.jpg"
            yield self.item(
                row.identity("question_id"),
                [pictures.of(row, "image_id", name)],
                row.text("question"),
                commonest(people),
                PeoplesAnswers(people, "textvqa"),
                cluster=name,
            )
