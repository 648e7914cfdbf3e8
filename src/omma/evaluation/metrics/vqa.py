"""VQA accuracy: how many of ten people gave the same answer (VQA, arXiv 1505.00468, section 3; VQAv2, TextVQA, VizWiz).

Answers are compared after a normalisation that is part of the metric. Published numbers come from scripts that differ in
it, so each has a profile of its own here; which one made a number belongs beside the number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Profile = Literal["vqav2", "textvqa", "clean"]

PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
NUMBERS = {
    word: str(number)
    for number, word in enumerate("zero one two three four five six seven eight nine ten".split())
} | {"none": "0"}
ARTICLES = {"a", "an", "the"}

_WHOLE = (
    "ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd he'd've he's "
    "how'd how'll how's isn't it'd it'd've it'll ma'am might've mightn't mightn't've mustn't must've needn't not've o'clock "
    "oughtn't shan't she'd've should've shouldn't shouldn't've somebody'd somebody'd've somebody'll somebody's someone'd "
    "someone'd've someone'll someone's something'd something'd've something'll that's there'd there'd've there're there's "
    "they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll what're what's what've when's "
    "where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't would've wouldn't wouldn't've "
    "y'all y'all'll y'all'd've you'd you'd've you'll you're you've"
).split()


def _without_some(word: str) -> set[str]:
    """The word with one or more of its apostrophes left out."""
    first, *rest = word.split("'")
    forms = {first}
    for piece in rest:
        forms = {form + joint + piece for form in forms for joint in ("'", "")}
    return forms - {word}


CONTRACTIONS = {form: whole for whole in _WHOLE for form in _without_some(whole)}
"""Contractions that lack apostrophes, which get them. Those that are words of their own are not among them ("hell", "were",
"its"), nor those with "I", which the published scripts list in upper case and look up in lower case."""

_DIGIT_COMMA_DIGIT = re.compile(r"\d,\d")
_PERIOD_NO_DIGIT = re.compile(r"\.(?!\d)")


@dataclass(frozen=True, slots=True)
class _Rules:
    """Where the published scripts differ.

    Attributes:
        truth_when_agreed: whether answers are normalised even if all ten people wrote the same.
        truth_words: whether numbers, articles and contractions are replaced in the people's answers, too.
        first: whether "'s" is set apart and commas and question marks are dropped before all else.
    """

    truth_when_agreed: bool
    truth_words: bool
    first: bool


_RULES: dict[Profile, _Rules] = {
    "vqav2": _Rules(truth_when_agreed=False, truth_words=False, first=False),
    "textvqa": _Rules(truth_when_agreed=True, truth_words=True, first=True),
    "clean": _Rules(truth_when_agreed=True, truth_words=True, first=False),
}


def vqa_normalised(text: str, profile: Profile = "clean") -> str:
    """An answer as the script of that profile compares it: punctuation, case, number words, articles, contractions."""
    return _words(_marks(text, _RULES[profile]))


def vqa_accuracy(prediction: str, answers: Sequence[str], profile: Profile = "vqav2") -> float:
    """Mean over the people of min(1, how many of the *others* said it / 3), in [0, 1].

    With ten people it is 0, 0.3, 0.6, 0.9 or 1 for none, one, two, three or more who said it.

    Args:
        answers: one per person, at least two.

    Raises:
        ValueError: for fewer than two answers.
    """
    said, truths = _compared(prediction, answers, profile)
    matches = [truth == said for truth in truths]
    agreeing = sum(matches)
    return sum(min(1.0, (agreeing - match) / 3) for match in matches) / len(matches)


def vqa_soft_simple(prediction: str, answers: Sequence[str], profile: Profile = "vqav2") -> float:
    """min(1, how many said it / 3): often quoted as VQA accuracy, which it is not (1 of ten gives 0.33, there 0.3)."""
    said, truths = _compared(prediction, answers, profile)
    return min(1.0, truths.count(said) / 3)


def _compared(prediction: str, answers: Sequence[str], profile: Profile) -> tuple[str, list[str]]:
    if len(answers) < 2:
        raise ValueError(f"VQA accuracy compares people with each other: expected two answers or more, found {len(answers)}")
    rules = _RULES[profile]
    if len(set(answers)) == 1 and not rules.truth_when_agreed:
        truths = list(answers)
    elif rules.truth_words:
        truths = [vqa_normalised(answer, profile) for answer in answers]
    else:
        truths = [_marks(answer, rules) for answer in answers]
    return vqa_normalised(prediction, profile), truths


def _marks(text: str, rules: _Rules) -> str:
    """White space, punctuation and periods."""
    text = text.replace("\n", " ").replace("\t", " ").strip()
    if rules.first:
        text = text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()
    grouped = _DIGIT_COMMA_DIGIT.search(text) is not None
    marked = text
    for mark in PUNCTUATION:
        beside_space = f"{mark} " in text or f" {mark}" in text
        marked = marked.replace(mark, "" if beside_space or grouped else " ")
    return _PERIOD_NO_DIGIT.sub("", marked)


def _words(text: str) -> str:
    """Case, number words, articles and contractions."""
    words = (NUMBERS.get(word, word) for word in text.lower().split())
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in ARTICLES)
