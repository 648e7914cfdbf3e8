"""ScienceQA: school questions with several options, half of them with a picture (arXiv 2209.09513)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from omma.evaluation.benchmarks.base import BENCHMARKS, LETTER, FolderConfig, Pictures, PublishedBenchmark, lettered
from omma.evaluation.benchmarks.rows import json_by_name
from omma.evaluation.figures import Measure, each
from omma.evaluation.items import Item
from omma.evaluation.judgement import ItemResult
from omma.evaluation.metrics.multiple_choice import LETTERS
from omma.evaluation.truths import Option


@BENCHMARKS.register("scienceqa")
class ScienceQa(PublishedBenchmark):
    """``problems.json``, of which the problems of ``split`` are asked; pictures are at ``<split>/<id>/<image>`` in the folder.

    Context, question and options are laid out as LLaVA's are (CQM). Accuracy of the option; kinds are the subjects.
    """

    PROMPT = LETTER

    class Config(FolderConfig):
        only_pictures: bool = False
        """Only the problems that have a picture (what is published as ScienceQA-IMG)."""

    def questions(self) -> Iterable[Item]:
        pictures = Pictures(self.config.images)
        for own_id, row in json_by_name(self.config.file).items():
            if row.text("split") != self.config.split:
                continue
            image = row.optional("image")
            if image is None and self.config.only_pictures:
                continue
            options = row.texts("choices", least=2)
            place = row.whole("answer")
            if not 0 <= place < len(options) or len(options) > len(LETTERS):
                raise row.bad("answer", f"the place of one of {len(options)} choices, from 0")
            name = f"{self.config.split}/{own_id}/{image}"
            yield self.item(
                own_id,
                [pictures.of(row, "image", name)] if image is not None else [],
                f"Context: {row.optional('hint') or 'N/A'}\nQuestion: {row.text('question')}\n"
                f"Options: {lettered(options, '({letter}) {option}', ' ')}",
                LETTERS[place],
                Option(options, place),
                cluster=name if image is not None else own_id,
                kind=row.optional("subject") or "question",
            )

    @classmethod
    def measures(cls, results: Sequence[ItemResult]) -> list[Measure]:
        with_pictures = each(lambda _, reply: (reply.worth, 1), of=lambda member: member.pictures > 0)
        without = each(lambda _, reply: (reply.worth, 1), of=lambda member: member.pictures == 0)
        return [Measure("accuracy with a picture", with_pictures), Measure("accuracy without a picture", without)]
