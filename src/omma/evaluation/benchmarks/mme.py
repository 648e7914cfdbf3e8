"""MME: two questions about each picture, one of which is to be answered with yes (arXiv 2306.13394)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from omma.data.images import FileImage
from omma.errors import BadInput
from omma.evaluation.benchmarks.base import AS_IT_IS, BENCHMARKS, BenchmarkConfig, PublishedBenchmark
from omma.evaluation.figures import Answered, Measure, together
from omma.evaluation.items import Item
from omma.evaluation.judgement import ItemResult
from omma.evaluation.metrics.yes_no import Answer
from omma.evaluation.truths import YesOrNo

PERCEPTION = (
    "existence", "count", "position", "color", "posters", "celebrity", "scene", "landmark", "artwork", "OCR",
)  # fmt: skip
COGNITION = ("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning")

_ANSWERS: dict[str, Answer] = {"yes": "yes", "no": "no"}
_PICTURES = (".jpg", ".png", ".jpeg")


@BENCHMARKS.register("mme")
class Mme(PublishedBenchmark):
    """The folder as it is unpacked: in it one folder for each subtask, with a text file for each picture that has two lines of
    question, tab and Yes or No. The pictures lie beside it, or in ``images`` beside ``questions_answers_YN``.

    A subtask's score is 100 times the share of right answers plus 100 times that of pictures with both right; kinds are the
    subtasks. Questions are put as they are.
    """

    PROMPT = AS_IT_IS

    class Config(BenchmarkConfig):
        folder: Path
        """With one folder for each subtask."""

    def questions(self) -> Iterable[Item]:
        folder = self.config.folder
        names = [name for name in (*PERCEPTION, *COGNITION) if (folder / name).is_dir()]
        if not names:
            raise BadInput(
                str(folder), expected=f"folders for subtasks ({', '.join((*PERCEPTION, *COGNITION))})",
                found="none of them" if folder.is_dir() else "no such folder", remedy="name the folder that MME is unpacked to",
            )  # fmt: skip
        for subtask in names:
            texts, pictures = folder / subtask / "questions_answers_YN", folder / subtask / "images"
            apart = texts.is_dir() and pictures.is_dir()
            texts, pictures = (texts, pictures) if apart else (folder / subtask, folder / subtask)
            for path in sorted(texts.glob("*.txt")):
                picture = _picture(pictures, path)
                for number, (question, answer) in enumerate(_two_questions(path)):
                    yield self.item(
                        f"{subtask}/{path.stem}/{number}",
                        [picture],
                        question,
                        answer,
                        YesOrNo(answer),
                        cluster=f"{subtask}/{path.stem}",
                        kind=subtask,
                    )

    @classmethod
    def measures(cls, results: Sequence[ItemResult]) -> list[Measure]:
        found = {result.kind for result in results}
        measures = [_score(f"{name} score", (name,)) for name in (*PERCEPTION, *COGNITION) if name in found]
        for name, subtasks in (("perception", PERCEPTION), ("cognition", COGNITION)):
            if found.issuperset(subtasks):  # a sum over some of them would be mistaken for the published one
                measures.append(_score(f"{name} score, all {len(subtasks)} subtasks", subtasks))
        return measures


def _picture(folder: Path, text: Path) -> FileImage:
    for suffix in _PICTURES:
        if (folder / f"{text.stem}{suffix}").is_file():
            return FileImage(folder / f"{text.stem}{suffix}")
    raise BadInput(
        str(text), expected=f"a picture {text.stem}{', '.join(_PICTURES)} in {folder}", found="none",
        remedy="unpack the whole benchmark",
    )  # fmt: skip


def _two_questions(path: Path) -> list[tuple[str, Answer]]:
    try:
        lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(str(path), expected="UTF-8 text", found=str(error), remedy="unpack the benchmark again") from None
    if len(lines) != 2:
        raise BadInput(str(path), expected="two questions about the picture", found=str(len(lines)), remedy="unpack it again")
    found = []
    for number, line in enumerate(lines, start=1):
        question, _, answer = line.rpartition("\t")
        if not question.strip() or answer.strip().lower() not in _ANSWERS:
            raise BadInput(
                f"{path}, line {number}", expected="a question, a tab, and Yes or No", found=repr(line[:100]),
                remedy="unpack the benchmark again",
            )  # fmt: skip
        found.append((question.strip(), _ANSWERS[answer.strip().lower()]))
    return found


def _score(name: str, subtasks: Sequence[str]) -> Measure:
    """The sum of the scores of some subtasks. Of each there are four sums: right answers, answers, pictures with both right,
    pictures. A picture of which a reply is missing is left out of all."""

    def statistics(pairs: Answered) -> tuple[float, ...]:
        right = [reply.right for _, reply in pairs]
        place = 4 * subtasks.index(pairs[0][0].kind)
        own = float(sum(right)), float(len(right)), float(all(right)), 1.0
        return (*(0.0,) * place, *own, *(0.0,) * (4 * len(subtasks) - place - 4))

    def of(sums: np.ndarray) -> np.ndarray:
        shares = sums[..., ::2] / sums[..., 1::2]
        return 100 * shares.sum(axis=-1)

    rows = together(statistics, by=lambda member: member.cluster if member.kind in subtasks else None)
    return Measure(name, rows, of, bounds=(0.0, 200.0 * len(subtasks)), unit="points")
