"""Captions against references: BLEU, ROUGE-L and CIDEr-D as the COCO caption evaluation computes them.

Texts are tokenized in the manner of the Penn Treebank first (`ptb_tokens`), in lower case and without punctuation, as the
published numbers are. Every metric is a function of sums over pictures, so that intervals need no second scoring.
(BLEU, Papineni et al. 2002; ROUGE, Lin 2004; CIDEr, arXiv 1411.5726.)
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Tokens = list[str]
Ngram = tuple[str, ...]

DROPPED = {"''", "'", "``", "`", "-lrb-", "-rrb-", "-lcb-", "-rcb-", ".", "?", "!", ",", ":", "-", "--", "...", ";"}
"""Tokens that do not count; brackets are dropped under their names in the treebank."""

_CLITIC = re.compile(r"(?<=\w)(n't|'(?:s|re|ve|ll|d|m))\b")
_TOKEN = re.compile(
    r"""
      \d+(?:[.,:/]\d+)*(?:st|nd|rd|th|s)?(?![\w])   # numbers, times, dates
    | (?:[^\W\d_]\.){2,}                            # u.s.
    | n't\b | '(?:s|re|ve|ll|d|m)\b                  # clitics, set apart already
    | \w+(?:[-'./&]\w+)*                            # words, hyphens and apostrophes inside them
    | \.\.\. | -- | \S
    """,
    re.VERBOSE,
)


def ptb_tokens(text: str) -> Tokens:
    """Lower-case tokens without punctuation, clitics apart ("isn't" is "is n't"), words with hyphens whole."""
    text = text.replace("\n", " ").lower().replace("\u2019", "'")
    apart = _CLITIC.sub(r" \1", text.replace("cannot", "can not"))
    return [token for token in _TOKEN.findall(apart) if token not in DROPPED and token not in "()[]{}\"\u201c\u201d"]


def _ngrams(tokens: Tokens, size: int) -> Counter[Ngram]:
    return Counter(tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1))


@dataclass(frozen=True, slots=True)
class BleuCounts:
    """What BLEU is computed from, picture by picture, int64 [pictures, 2 N + 2]: clipped matches and totals of n-grams of
    each size, length of the caption, length of the reference nearest to it."""

    counts: np.ndarray

    def bleu(self) -> list[float]:
        """BLEU-1 to BLEU-N over all pictures together, in [0, 1], without smoothing."""
        sums = self.counts.sum(axis=0)
        size = (len(sums) - 2) // 2
        matches, totals, (length, reference) = sums[:size], sums[size : 2 * size], sums[2 * size :]
        penalty = 1.0 if length >= reference else math.exp(1 - reference / length) if length else 0.0
        logarithm, scores = 0.0, list[float]()
        for match, total in zip(matches, totals, strict=True):
            logarithm += math.log(match / total) if match else -math.inf
            scores.append(penalty * math.exp(logarithm / (len(scores) + 1)))
        return scores


def bleu_counts(captions: Sequence[Tokens], references: Sequence[Sequence[Tokens]], *, size: int = 4) -> BleuCounts:
    """Statistics of `BleuCounts` for each caption and its references."""
    rows = []
    for caption, texts in zip(captions, references, strict=True):
        matches, totals = [], []
        for n in range(1, size + 1):
            most: Counter[Ngram] = Counter()
            for text in texts:
                most |= _ngrams(text, n)
            matches.append(sum((_ngrams(caption, n) & most).values()))
            totals.append(max(0, len(caption) - n + 1))
        nearest = min((len(text) for text in texts), key=lambda length: (abs(length - len(caption)), length))
        rows.append([*matches, *totals, len(caption), nearest])
    return BleuCounts(np.array(rows, dtype=np.int64).reshape(-1, 2 * size + 2))


def rouge_l(caption: Tokens, references: Sequence[Tokens], *, beta: float = 1.2) -> float:
    """F measure of the longest common subsequence; precision and recall are each the best over the references.

    In [0, 1]. This is COCO's; Google's ``rouge-score`` weighs both alike and takes one reference at a time.
    """
    common = [_longest_common(caption, text) for text in references]
    precision = max((c / len(caption) for c in common), default=0.0) if caption else 0.0
    recall = max((c / len(text) for c, text in zip(common, references, strict=True) if text), default=0.0)
    if not precision or not recall:
        return 0.0
    return (1 + beta**2) * precision * recall / (recall + beta**2 * precision)


def _longest_common(one: Tokens, other: Tokens) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for token in one:
        diagonal = 0
        for place, candidate in enumerate(other, start=1):
            diagonal, row[place] = row[place], diagonal + 1 if token == candidate else max(row[place], row[place - 1])
    return row[-1]


class CiderD:
    """CIDEr-D with the document frequencies of one set of references: how rare each n-gram is among its pictures.

    Scores hold for that set only. With one picture every n-gram is in all of them, and every score is 0.

    Args:
        references: of every picture of the set.
        size: longest n-gram.
        sigma: of the Gaussian penalty on a difference in length.
    """

    def __init__(self, references: Sequence[Sequence[Tokens]], *, size: int = 4, sigma: float = 6.0) -> None:
        self.size, self.sigma = size, sigma
        self.pictures = math.log(len(references)) if references else 0.0
        self.frequency: Counter[Ngram] = Counter()
        for texts in references:
            self.frequency.update({ngram for text in texts for n in self._sizes for ngram in _ngrams(text, n)})

    @property
    def _sizes(self) -> range:
        return range(1, self.size + 1)

    def score(self, caption: Tokens, references: Sequence[Tokens]) -> float:
        """Mean over references and n-gram sizes, times 10."""
        said = [self._weighted(caption, n) for n in self._sizes]
        total = 0.0
        for text in references:
            # The script that everybody uses counts bigrams for the length.
            apart = max(0, len(caption) - 1) - max(0, len(text) - 1)
            penalty = math.exp(-(apart**2) / (2 * self.sigma**2))
            total += penalty * sum(_clipped_cosine(said[n - 1], self._weighted(text, n)) for n in self._sizes)
        return 10 * total / self.size / len(references) if references else 0.0

    def _weighted(self, tokens: Tokens, size: int) -> dict[Ngram, float]:
        """Frequency within the text times rarity among the pictures."""
        return {
            ngram: count * (self.pictures - math.log(max(1, self.frequency[ngram])))
            for ngram, count in _ngrams(tokens, size).items()
        }


def _clipped_cosine(said: dict[Ngram, float], truth: dict[Ngram, float]) -> float:
    lengths = math.hypot(*said.values()) * math.hypot(*truth.values())
    product = sum(min(weight, truth.get(ngram, 0.0)) * truth.get(ngram, 0.0) for ngram, weight in said.items())
    return product / lengths if lengths else 0.0
