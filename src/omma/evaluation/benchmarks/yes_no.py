"""What benchmarks of yes and no publish: accuracy, precision, recall and F1 of one of the answers, and how often yes is said."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from omma.evaluation.figures import Measure, each
from omma.evaluation.judgement import ItemResult, Reply
from omma.evaluation.metrics.yes_no import Answer, YesNoCounts, YesNoScores


def yes_no_measures(positive: Answer, *, of: Callable[[ItemResult], bool] = lambda _: True) -> list[Measure]:
    """The figures of the questions for which ``of`` holds; precision, recall and F1 are of the positive answer."""
    rows = each(yes_no_row, of=of)
    names = {
        "accuracy": "accuracy of yes and no",
        "precision": f"precision of {positive}",
        "recall": f"recall of {positive}",
        "f1": f"F1 of {positive}",
        "yes_ratio": "answered with yes",
    }
    return [Measure(name, rows, _scores(score, positive)) for score, name in names.items()]


def yes_no_row(member: ItemResult, reply: Reply) -> tuple[float, ...]:
    """True yes, false yes, true no, false no, unparsed: one of them is 1."""
    said: Answer | None = "yes" if reply.read == "yes" else "no" if reply.read == "no" else None
    truth: Answer = "yes" if member.answer == "yes" else "no"
    return tuple(map(float, YesNoCounts.of([said], [truth]).counts[0]))


def _scores(score: str, positive: Answer) -> Callable[[np.ndarray], np.ndarray]:
    def of(sums: np.ndarray) -> np.ndarray:
        flat = sums.reshape(-1, sums.shape[-1])
        values = [getattr(_of_sums(row, positive), score) for row in flat]
        return np.array(values).reshape(sums.shape[:-1])

    return of


def _of_sums(row: np.ndarray, positive: Answer) -> YesNoScores:
    return YesNoCounts(row[None].astype(np.int64)).scores(positive)
