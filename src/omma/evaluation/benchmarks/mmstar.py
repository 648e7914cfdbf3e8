"""MMStar: questions that cannot be answered without the picture, with four options each (arXiv 2403.20330)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from omma.data.sample import ImageSource
from omma.evaluation.benchmarks.base import BENCHMARKS, LETTER, FileConfig, PublishedBenchmark, unique
from omma.evaluation.benchmarks.rows import table_picture, table_rows
from omma.evaluation.figures import Measure, all_right, by_kind, mean_of_shares, together
from omma.evaluation.items import Item
from omma.evaluation.judgement import ItemResult
from omma.evaluation.metrics.multiple_choice import LETTERS
from omma.evaluation.truths import Option

FOUR = 4
"""Options of a question whose words do not tell them in a known form; their letters count then, and nothing else."""


@BENCHMARKS.register("mmstar")
class MmStar(PublishedBenchmark):
    """``MMStar.tsv`` (a table with tabs, pictures in base64) or ``mmstar.parquet``, which wants pyarrow. Options are part of the
    question's words there. Accuracy of the option, and its mean over the categories, which are the kinds.

    The paper's multimodal gain is the gain that every evaluation has; its leakage wants the language model by itself.
    """

    PROMPT = LETTER

    class Config(FileConfig):
        pass

    def questions(self) -> Iterable[Item]:
        seen: dict[str, ImageSource] = {}
        for own_id, row in unique(table_rows(self.config.file), "index", self.config.file).items():
            question = row.text("question")
            options = options_in(question) or [""] * FOUR
            letter = row.text("answer").upper()
            if len(letter) != 1 or letter not in LETTERS[: len(options)]:
                raise row.bad("answer", f"one of the letters {', '.join(LETTERS[: len(options)])}")
            picture = table_picture(row, "image")
            picture = seen.setdefault(picture.key, picture)  # type: ignore[assignment]
            yield self.item(
                own_id,
                [picture],
                question,
                letter,
                Option(tuple(options), LETTERS.index(letter)),
                cluster=picture.key.partition(":")[2],
                kind=row.optional("category") or "question",
            )

    @classmethod
    def measures(cls, results: Sequence[ItemResult]) -> list[Measure]:
        kinds = sorted({result.kind for result in results})
        rows = together(by_kind(kinds, all_right), by=lambda member: member.id)
        return [Measure("mean of categories", rows, mean_of_shares)]


def options_in(question: str) -> list[str]:
    """The options that a question tells, as "Options: A: a dog, B: a cat" or "(A) a dog (B) a cat"; none if in no such form."""
    for marks in (r"(?:^|[\s,;])([A-Z]):\s", r"(?:^|\s)\(([A-Z])\)\s"):
        start = max(question.rfind("Options:"), question.rfind("Choices:"))
        pieces = re.split(marks, question[start:] if start >= 0 else question)
        letters, texts = pieces[1::2], pieces[2::2]
        if len(letters) >= 2 and "".join(letters) == LETTERS[: len(letters)]:
            return [text.strip().rstrip(",;").rstrip(".") for text in texts]
    return []
