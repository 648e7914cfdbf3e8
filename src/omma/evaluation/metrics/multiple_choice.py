"""Multiple choice: which option a free reply names, without ever guessing, and scores that see through luck.

The rules are tried in a fixed order, and the one that found the option is recorded. A reply in which none finds exactly one
is *unparsed*: it counts as wrong, and its share is reported. (Circular evaluation: MMBench, arXiv 2307.06281, section 4.3.)
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.stats import chisquare

from omma.evaluation.metrics.text import normalised

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WORD = r"\w+"

Rule = Literal["answer", "alone", "brackets", "leading", "option-text", "none"]


@dataclass(frozen=True, slots=True)
class Choice:
    """What a reply chose: the place of the option, None if unparsed, and the rule that found it."""

    option: int | None
    rule: Rule


def chosen(reply: str, options: Sequence[str]) -> Choice:
    """The option that a reply names. Letters beyond those of the options count as words.

    In this order: ``answer``, what stands behind the last "answer: X", "answer is X" or in ``\\boxed{X}``; ``alone``, a
    reply that is a letter and no more; ``brackets``, the last letter in brackets; ``leading``, "B. a dog" or "B: a dog"
    at the start; ``option-text``, the one option whose text the reply contains, not as a part of a longer option there.

    Raises:
        ValueError: for fewer than two options, or more than there are letters.
    """
    if not 2 <= len(options) <= len(LETTERS):
        raise ValueError(f"expected 2 to {len(LETTERS)} options, found {len(options)}")
    text = unicodedata.normalize("NFKC", reply).strip()
    letters = LETTERS[: len(options)]
    for rule, found in (
        ("answer", _said_to_be_the_answer(text, letters, options)),
        ("alone", _alone(text, letters)),
        ("brackets", _last(rf"[(\[]\s*([{letters}])\s*[)\]]", text)),
        ("leading", _first(rf"([{letters}])\s*[.:)]\s+\S", text)),
    ):
        if found is not None:
            return Choice(found if isinstance(found, int) else letters.index(found), rule)  # type: ignore[arg-type]
    option = _by_text(text, options)
    return Choice(option, "option-text" if option is not None else "none")


def _said_to_be_the_answer(text: str, letters: str, options: Sequence[str]) -> str | int | None:
    boxed = re.findall(r"\\boxed\{\s*(?:\\text\{)?([^{}]*)\}?\}", text)
    leads = list(re.finditer(r"(?i)\banswer\s*(?::|is\b:?|=)\s*", text))
    if not boxed and not leads:
        return None
    said = boxed[-1] if boxed else text[leads[-1].end() :].partition("\n")[0]
    # Brackets and stars may stand around a letter; a word that begins with one, and the article, are none.
    letter = re.match(rf"[(\[*\s]*([{letters}])(?![\w'])(?!\s+[a-z])", said)
    return letter[1] if letter else _by_text(said, options)


def _alone(text: str, letters: str) -> str | None:
    found = re.fullmatch(rf"[(\[*\s]*([{letters}{letters.lower()}])[)\]*.\s]*", text)
    return found[1].upper() if found else None


def _last(pattern: str, text: str) -> str | None:
    found = re.findall(pattern, text)
    return found[-1] if found else None


def _first(pattern: str, text: str) -> str | None:
    found = re.match(pattern, text)
    return found[1] if found else None


def _by_text(text: str, options: Sequence[str]) -> int | None:
    """The one option that the text contains as whole words; one within another that is there does not count."""
    said, *words = (f" {' '.join(re.findall(_WORD, normalised(one)))} " for one in (text, *options))
    found = [i for i, option in enumerate(words) if option.strip() and option in said]
    for i in sorted(found, key=lambda i: -len(words[i])):
        rest = said.replace(words[i], "  ")
        shorter = [j for j in found if j != i and words[j] in words[i] and words[j] not in rest]
        found = [j for j in found if j not in shorter]
    return found[0] if len(found) == 1 else None


def likeliest(log_probabilities: Sequence[float], lengths: Sequence[int] | None = None) -> int:
    """The option of the highest log-probability, per token if ``lengths`` are given; the first of equal ones.

    Raises:
        ValueError: if there is nothing to choose from, or the lengths are not as many.
    """
    if not log_probabilities or (lengths is not None and len(lengths) != len(log_probabilities)):
        raise ValueError("expected a log-probability and, if any, a length for each option")
    scores = [p / n for p, n in zip(log_probabilities, lengths, strict=True)] if lengths else list(log_probabilities)
    return max(range(len(scores)), key=scores.__getitem__)


def rotated(options: Sequence[str], by: int) -> list[str]:
    """The options with the first ``by`` moved to the end."""
    by %= len(options)
    return [*options[by:], *options[:by]]


@dataclass(frozen=True, slots=True)
class Rotation:
    """One question asked with its options rotated.

    Attributes:
        item: the question, the same for all its rotations.
        by: how far the options were rotated.
        options: how many there are.
        truth: place of the truth before rotation.
        choice: place that was chosen *after* rotation, None if unparsed.
    """

    item: Hashable
    by: int
    options: int
    truth: int
    choice: int | None

    @property
    def named(self) -> int | None:
        """Which option it is before rotation."""
        return None if self.choice is None else (self.choice + self.by) % self.options


@dataclass(frozen=True, slots=True)
class CircularScores:
    """Shares of questions, in [0, 1].

    Attributes:
        vanilla: right in the given order.
        circular: right in every rotation, which luck hardly is.
        consistency: the same option named in every rotation, right or not.
        letters: share of replies that chose each letter; unparsed ones are in none.
        letter_bias: probability of letters as uneven as these if all were as likely (chi-squared); rotation makes the truth
            fall on each as often.
    """

    vanilla: float
    circular: float
    consistency: float
    letters: tuple[float, ...]
    letter_bias: float


def circular_scores(rotations: Iterable[Rotation]) -> CircularScores:
    """Scores of questions that were each asked in all rotations of their options.

    Raises:
        ValueError: for no questions, or one that was not asked exactly once in each rotation.
    """
    asked: defaultdict[Hashable, dict[int, Rotation]] = defaultdict(dict)
    letters: Counter[int] = Counter()
    replies = 0
    for rotation in rotations:
        if rotation.by in asked[rotation.item]:
            raise ValueError(f"question {rotation.item!r} was asked twice with its options rotated by {rotation.by}")
        asked[rotation.item][rotation.by] = rotation
        replies += 1
        if rotation.choice is not None:
            letters[rotation.choice] += 1
    if not asked:
        raise ValueError("circular evaluation needs at least one question")
    for item, found in asked.items():
        options = next(iter(found.values())).options
        if sorted(found) != list(range(options)):
            raise ValueError(f"question {item!r} wants rotations 0 to {options - 1}, it was asked in {sorted(found)}")
    groups = [list(found.values()) for found in asked.values()]
    width = max(rotation.options for group in groups for rotation in group)
    counts = [letters[letter] for letter in range(width)]
    # Questions have different numbers of options: a letter can be chosen only where there is one.
    possible = [sum(1 / r.options for group in groups for r in group if r.options > letter) for letter in range(width)]
    total = sum(counts)
    expected = [total * share / sum(possible) for share in possible]
    return CircularScores(
        vanilla=sum(found[0].named == found[0].truth for found in asked.values()) / len(asked),
        circular=sum(all(r.named == r.truth for r in group) for group in groups) / len(groups),
        consistency=sum(len(named := {r.named for r in group}) == 1 and None not in named for group in groups) / len(groups),
        letters=tuple(count / replies for count in counts),
        letter_bias=float(chisquare(counts, expected).pvalue) if total else 1.0,
    )


def chance_corrected(accuracy: float, options: Sequence[int]) -> float:
    """(accuracy - chance) / (1 - chance), where chance is the mean over questions of one over their number of options.

    0 is guessing, 1 is all right; below 0 is worse than guessing.
    """
    chance = sum(1 / count for count in options) / len(options)
    return (accuracy - chance) / (1 - chance)
