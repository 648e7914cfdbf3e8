"""VQAv2: short answers about photographs, ten people's each (arXiv 1612.00837; visualqa.org)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import model_validator

from omma.evaluation.benchmarks.base import (
    BENCHMARKS,
    FolderConfig,
    Pictures,
    PublishedBenchmark,
    commonest,
    unique,
)
from omma.evaluation.benchmarks.rows import json_records
from omma.evaluation.items import Item
from omma.evaluation.truths import PeoplesAnswers


@BENCHMARKS.register("vqav2")
class Vqav2(PublishedBenchmark):
    """``v2_OpenEnded_mscoco_val2014_questions.json`` with ``v2_mscoco_val2014_annotations.json``. VQA accuracy, profile vqav2.

    Kinds are the authors' answer types. OK-VQA's files have the same format.
    """

    class Config(FolderConfig):
        annotations: Path
        """The file of answers; ``file`` is that of questions."""
        picture_name: str = "COCO_val2014_{image_id:012d}.jpg"
        """Name of a picture in the folder, made of its number."""

        @model_validator(mode="after")
        def _named(self) -> Vqav2.Config:
            try:
                self.picture_name.format(image_id=1)
            except (LookupError, AttributeError, ValueError):
                raise ValueError("a name with {image_id} in it, such as COCO_val2014_{image_id:012d}.jpg") from None
            return self

    def questions(self) -> Iterable[Item]:
        pictures = Pictures(self.config.images)
        annotations = unique(
            json_records(self.config.annotations, within="annotations"), "question_id", self.config.annotations
        )
        for row in json_records(self.config.file, within="questions"):
            own_id = row.identity("question_id")
            if own_id not in annotations:
                expected = f"an id with answers in {self.config.annotations}"
                raise row.bad("question_id", expected, remedy="name the two files of one split")
            truth = annotations[own_id]
            people = truth.people("answers", [answer.optional("answer") for answer in truth.rows("answers")])
            name = self.config.picture_name.format(image_id=row.whole("image_id"))
            yield self.item(
                own_id,
                [pictures.of(row, "image_id", name)],
                row.text("question"),
                truth.optional("multiple_choice_answer") or commonest(people),
                PeoplesAnswers(people, "vqav2"),
                cluster=name,
                kind=truth.optional("answer_type") or "question",
            )
