"""Truths: what a reply to one question is held against, one class for each way in which the field judges replies.

An item without a truth of its own is judged by exact match with its answer. Each class names the metric and the profile of
normalisation that it uses (`omma.evaluation.metrics`), and says what it read out of the reply: a reply in which it finds no
option, no yes or no and no box is *unparsed*, which is wrong and counted, never guessed.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from omma.evaluation.metrics import vqa
from omma.evaluation.metrics.anls import anls
from omma.evaluation.metrics.boxes import Frame, Size, clipped, iou
from omma.evaluation.metrics.captioning import CiderD, bleu_counts, ptb_tokens, rouge_l
from omma.evaluation.metrics.error_rates import character_errors
from omma.evaluation.metrics.multiple_choice import LETTERS, chosen
from omma.evaluation.metrics.relaxed import Profile as RelaxedProfile
from omma.evaluation.metrics.relaxed import relaxed_accuracy
from omma.evaluation.metrics.text import exact_match
from omma.evaluation.metrics.yes_no import Answer, yes_or_no, yes_unless_no

UNPARSED = ""
"""What was read where nothing could be."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reply is worth.

    Attributes:
        credit: 0 to 1.
        read: what was read out of the reply, `UNPARSED` for nothing; None where the whole reply counts.
        counts: statistics of which a benchmark's figures are functions of sums.
    """

    credit: float
    read: str | None = None
    counts: Mapping[str, float] = field(default_factory=dict)


class Truth(ABC):
    """What a reply is held against.

    Attributes:
        graded: whether credit is given in parts; else a reply is right or wrong.
    """

    graded: ClassVar[bool] = False

    @property
    @abstractmethod
    def answers(self) -> tuple[str, ...]:
        """Every answer that counts, for display."""

    @abstractmethod
    def judge(self, reply: str) -> Verdict:
        """What a reply is worth. An empty one earns nothing whatever is said here (`omma.evaluation.judgement`)."""

    def fingerprint(self) -> dict[str, Any]:
        """Plain data that change with anything that a verdict depends on."""
        return {"truth": type(self).__name__, **asdict(self)}  # type: ignore[call-overload]


@dataclass(frozen=True, slots=True)
class ShortAnswer(Truth):
    """One short answer: exact match (`omma.evaluation.metrics.text`); whether the match after VQA normalisation would be one,
    too, is counted beside it as ``vqa_match``."""

    answer: str

    @property
    def answers(self) -> tuple[str, ...]:
        return (self.answer,)

    def judge(self, reply: str) -> Verdict:
        loose = vqa.vqa_normalised(reply, "clean") == vqa.vqa_normalised(self.answer, "clean")
        return Verdict(float(exact_match(reply, self.answer)), counts={"vqa_match": float(loose)})


@dataclass(frozen=True, slots=True)
class PeoplesAnswers(Truth):
    """Answers of several people: VQA accuracy with the normalisation of a published script."""

    graded = True
    said: tuple[str, ...]
    profile: vqa.Profile

    @property
    def answers(self) -> tuple[str, ...]:
        return self.said

    def judge(self, reply: str) -> Verdict:
        return Verdict(vqa.vqa_accuracy(reply, self.said, self.profile))


@dataclass(frozen=True, slots=True)
class ReadText(Truth):
    """Text that is in the picture: ANLS with a threshold of 0.5."""

    graded = True
    texts: tuple[str, ...]

    @property
    def answers(self) -> tuple[str, ...]:
        return self.texts

    def judge(self, reply: str) -> Verdict:
        return Verdict(anls(reply, self.texts))


@dataclass(frozen=True, slots=True)
class Transcript(Truth):
    """Text to be read out, letter by letter. A reply earns 1 - its character error rate, at least 0; edits and length go beside
    it, of whose sums a corpus has its rate.

    Attributes:
        case: whether capital and small letters differ.
    """

    graded = True
    text: str
    case: bool = False

    @property
    def answers(self) -> tuple[str, ...]:
        return (self.text,)

    def judge(self, reply: str) -> Verdict:
        said, text = (reply, self.text) if self.case else (reply.casefold(), self.text.casefold())
        errors = character_errors([said], [text])
        edits, length = int(errors.edits[0]), int(errors.lengths[0])
        return Verdict(max(0.0, 1 - errors.rate), counts={"edits": edits, "length": length})


@dataclass(frozen=True, slots=True)
class RelaxedAnswer(Truth):
    """A number that may be a twentieth off, or a text: relaxed accuracy."""

    answer: str
    profile: RelaxedProfile

    @property
    def answers(self) -> tuple[str, ...]:
        return (self.answer,)

    def judge(self, reply: str) -> Verdict:
        # A full stop may end a sentence or belong to the answer ("blue.", "U.S."); the metric knows no sentences.
        readings = {reply.strip(), reply.strip().removesuffix(".")}
        return Verdict(float(any(relaxed_accuracy(reading, self.answer, self.profile) for reading in readings)))


@dataclass(frozen=True, slots=True)
class ContainedText(Truth):
    """A text that the reply has to contain, as OCRBench compares: in lower case with line breaks as spaces; formulas without
    any space, in the case in which they are."""

    texts: tuple[str, ...]
    formula: bool = False

    @property
    def answers(self) -> tuple[str, ...]:
        return self.texts

    def judge(self, reply: str) -> Verdict:
        said = self._compared(reply)
        return Verdict(float(any(self._compared(text) in said for text in self.texts)))

    def _compared(self, text: str) -> str:
        text = text.strip().replace("\n", " ")
        return text.replace(" ", "") if self.formula else text.lower()


@dataclass(frozen=True, slots=True)
class Option(Truth):
    """One of several options: the letter or the text of it (`omma.evaluation.metrics.multiple_choice`)."""

    options: tuple[str, ...]
    place: int

    @property
    def answers(self) -> tuple[str, ...]:
        letter, text = LETTERS[self.place], self.options[self.place]
        return (letter, text) if text else (letter,)

    def judge(self, reply: str) -> Verdict:
        option = chosen(reply, self.options).option
        return Verdict(float(option == self.place), UNPARSED if option is None else LETTERS[option])


YesNoReading = Literal["first-sentence", "pope-original"]
"""``first-sentence``: a whole word yes or no in it, not both. ``pope-original``: yes unless it has "no" or "not", as the authors'
script, under which no reply is unparsed."""

_DOES_NOT_KNOW = re.compile(
    r"\b(?:unknown|unclear|uncertain|unsure|not sure|cannot|can't|can not|do not know|don't know|not possible|impossible)\b"
)


@dataclass(frozen=True, slots=True)
class YesOrNo(Truth):
    """Yes or no.

    Attributes:
        unknown_is_right: whether a reply that says that it cannot know is right, too, where neither yes nor no is said.
    """

    truth: Answer
    reading: YesNoReading = "first-sentence"
    unknown_is_right: bool = False

    @property
    def answers(self) -> tuple[str, ...]:
        return (self.truth,)

    def judge(self, reply: str) -> Verdict:
        said = yes_or_no(reply) if self.reading == "first-sentence" else yes_unless_no(reply)
        if said is None and self.unknown_is_right and _DOES_NOT_KNOW.search(reply.lower().replace("\u2019", "'")):
            return Verdict(1.0, "unknown")
        return Verdict(float(said == self.truth), said or UNPARSED)


_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)"
_FOUR_NUMBERS = re.compile(rf"(?<![\w.])({_NUMBER})" + rf"[^\w.+-]{{1,4}}({_NUMBER})" * 3)
_LOCATION = re.compile(r"<loc(\d{4})>")


@dataclass(frozen=True, slots=True)
class RightBox(Truth):
    """A box told in words: right where its intersection over union with the true one is at least a half (Acc@0.5).

    Attributes:
        box: the true one, (left, top, right, bottom) in pixels of the picture.
        size: (width, height) of the picture.
        frame: how boxes are written.
        text: the true box as it would be written.
    """

    box: tuple[float, float, float, float]
    size: Size
    frame: Frame
    text: str

    @property
    def answers(self) -> tuple[str, ...]:
        return (self.text,)

    def judge(self, reply: str) -> Verdict:
        numbers = written_box(reply)
        if numbers is None:
            return Verdict(0.0, UNPARSED, {"iou": 0.0, "centre": 0.0, "invalid": 1.0})
        box = clipped(self.frame.to_pixels(np.array(numbers), self.size), self.size)[0]
        valid = bool((box[2:] > box[:2]).all())
        overlap = float(iou(box, np.array(self.box))[0, 0])
        x, y = (box[:2] + box[2:]) / 2
        centre = valid and self.box[0] <= x <= self.box[2] and self.box[1] <= y <= self.box[3]
        read = ", ".join(f"{number:g}" for number in numbers)
        return Verdict(float(overlap >= 0.5), read, {"iou": overlap, "centre": float(centre), "invalid": float(not valid)})


def written_box(reply: str) -> tuple[float, float, float, float] | None:
    """The four numbers of the first box in a reply, as they are written: in brackets of any kind, or as location tokens."""
    located = _LOCATION.findall(reply)
    if located:
        numbers = [float(token) for token in located[:4]]
    else:
        found = _FOUR_NUMBERS.search(reply)
        numbers = [float(number) for number in found.groups()] if found else []
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        return None
    return numbers[0], numbers[1], numbers[2], numbers[3]


def box_as_text(box: Sequence[float], frame: Frame, size: Size) -> str:
    """A box (left, top, right, bottom) in pixels as that frame writes it: thousandths of a canvas of 1, whole numbers else."""
    numbers = frame.of_pixels(np.array(box), size)[0]
    return f"[{', '.join(f'{number:.3f}' if frame.scale == 1 else f'{number:.0f}' for number in numbers)}]"


@dataclass(frozen=True, slots=True)
class Captions(Truth):
    """Captions that people wrote. A reply earns its ROUGE-L, which needs no other picture; CIDEr-D and the counts of BLEU go
    beside it.

    Attributes:
        references: what people wrote.
        cider: with the document frequencies of the whole set.
    """

    graded = True
    references: tuple[str, ...]
    cider: CiderD = field(repr=False, compare=False)

    @property
    def answers(self) -> tuple[str, ...]:
        return self.references

    def judge(self, reply: str) -> Verdict:
        said, references = ptb_tokens(reply), [ptb_tokens(text) for text in self.references]
        rouge = rouge_l(said, references)
        (row,) = bleu_counts([said], [references]).counts.tolist()
        names = [*(f"match_{n}" for n in range(1, 5)), *(f"total_{n}" for n in range(1, 5)), "length", "reference"]
        counts = {"cider_d": self.cider.score(said, references), "rouge_l": rouge}
        return Verdict(rouge, counts=counts | {name: float(n) for name, n in zip(names, row, strict=True)})

    def fingerprint(self) -> dict[str, Any]:
        # The frequencies come from the other pictures of the set, whose number stands for them.
        return {"truth": "Captions", "references": self.references, "pictures": self.cider.pictures}
