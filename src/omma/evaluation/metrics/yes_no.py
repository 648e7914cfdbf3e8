"""Yes or no: how a reply is read, and what is counted of many (POPE, arXiv 2305.10355; MME, 2306.13394).

A reply that says both or neither is *unparsed*: wrong in accuracy, and neither yes nor no in precision and recall.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Answer = Literal["yes", "no"]

_SENTENCE_END = re.compile(r"[.!?\n](?:\s|$)|\n")


def yes_or_no(reply: str) -> Answer | None:
    """What the first sentence says as a whole word; None for both or neither."""
    sentence = _SENTENCE_END.split(reply.strip(), maxsplit=1)[0].lower()
    words = set(re.findall(r"[^\W\d_]+", sentence))
    if ("yes" in words) == ("no" in words):
        return None
    return "yes" if "yes" in words else "no"


def yes_unless_no(reply: str) -> Answer:
    """As POPE's own script reads replies, for published numbers: everything is yes but a first sentence with "no" or "not"."""
    words = reply.partition(".")[0].replace(",", "").split(" ")
    return "no" if "No" in words or "not" in words or "no" in words else "yes"


@dataclass(frozen=True, slots=True)
class YesNoScores:
    """Shares, in [0, 1].

    Attributes:
        accuracy: of all questions; unparsed ones are wrong.
        precision, recall, f1: of the positive answer, over the questions whose reply could be read.
        yes_ratio: questions *answered* with yes: far from a half on balanced questions is a bias.
        unparsed: questions whose reply could not be read.
    """

    accuracy: float
    precision: float
    recall: float
    f1: float
    yes_ratio: float
    unparsed: float


@dataclass(frozen=True, slots=True)
class YesNoCounts:
    """What became of each question, int64 [questions, 5]: true yes, false yes, true no, false no, unparsed.

    Every score is a function of their sums, so intervals need no second scoring.
    """

    counts: np.ndarray

    @classmethod
    def of(cls, replies: Sequence[Answer | None], truths: Sequence[Answer]) -> YesNoCounts:
        """From replies as they were read. Raises ValueError if the two are not equally many."""
        counts = np.zeros((len(truths), 5), dtype=np.int64)
        for row, (reply, truth) in enumerate(zip(replies, truths, strict=True)):
            counts[row, 4 if reply is None else 2 * (reply == "no") + (reply != truth)] = 1
        return cls(counts)

    def scores(self, positive: Answer = "yes") -> YesNoScores:
        """All questions together. What would be a share of nothing is 0.

        Args:
            positive: which answer precision and recall are of; AMBER takes "no".
        """
        true_yes, false_yes, true_no, false_no, unparsed = (int(n) for n in self.counts.sum(axis=0))
        hit, false_alarm, missed = (true_yes, false_yes, false_no) if positive == "yes" else (true_no, false_no, false_yes)
        total = int(self.counts.sum())
        precision, recall = _share(hit, hit + false_alarm), _share(hit, hit + missed)
        return YesNoScores(
            accuracy=_share(true_yes + true_no, total),
            precision=precision,
            recall=recall,
            f1=_share(2 * hit, 2 * hit + false_alarm + missed),
            yes_ratio=_share(true_yes + false_yes, total),
            unparsed=_share(unparsed, total),
        )


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


@dataclass(frozen=True, slots=True)
class MmeScores:
    """MME's scores of one subtask: accuracy over questions, accuracy+ over pictures (both questions right), and their sum."""

    accuracy: float
    accuracy_plus: float

    @property
    def score(self) -> float:
        """0 to 200."""
        return 100 * self.accuracy + 100 * self.accuracy_plus


def mme_scores(pictures: Sequence[Hashable], right: Sequence[bool]) -> MmeScores:
    """MME's scores from the picture and the outcome of every question, in any order.

    Raises:
        ValueError: for no questions, or a picture that has not exactly two.
    """
    groups: defaultdict[Hashable, list[bool]] = defaultdict(list)
    for picture, outcome in zip(pictures, right, strict=True):
        groups[picture].append(outcome)
    if not groups:
        raise ValueError("MME's scores need at least one question")
    for picture, outcomes in groups.items():
        if len(outcomes) != 2:
            raise ValueError(f"MME asks two questions about a picture, {picture!r} has {len(outcomes)}")
    return MmeScores(sum(right) / len(right), sum(all(outcomes) for outcomes in groups.values()) / len(groups))


@dataclass(frozen=True, slots=True)
class IllusionRecord:
    """One question of HallusionBench (arXiv 2310.14566).

    Attributes:
        category: "VD" (needs the picture) or "VS" (can be answered without).
        figure: "0" is no picture, in VS.
        right: whether the reply is right; where there is no picture, "I don't know" is.
    """

    category: str
    subcategory: str
    set_id: str
    figure: str
    question: str
    right: bool


@dataclass(frozen=True, slots=True)
class IllusionScores:
    """Shares of questions, of questions over all their figures, and of figures over all their questions, that are right."""

    all: float
    question: float
    figure: float

    @property
    def mean(self) -> float:
        """What leaderboards rank by."""
        return (self.all + self.question + self.figure) / 3


def illusion_scores(records: Iterable[IllusionRecord]) -> IllusionScores:
    """HallusionBench's aAcc, qAcc and fAcc. Raises ValueError for no records, or none with a picture."""
    records = list(records)
    questions: defaultdict[Hashable, list[bool]] = defaultdict(list)
    figures: defaultdict[Hashable, list[bool]] = defaultdict(list)
    for record in records:
        place = record.category, record.subcategory, record.set_id
        questions[*place, "question", record.question].append(record.right)
        if not (record.category == "VS" and record.figure == "0"):
            figures[*place, "figure", record.figure].append(record.right)
    if not figures:
        raise ValueError("HallusionBench's scores need at least one question with a picture")
    return IllusionScores(
        sum(record.right for record in records) / len(records),
        sum(map(all, questions.values())) / len(questions),
        sum(map(all, figures.values())) / len(figures),
    )
