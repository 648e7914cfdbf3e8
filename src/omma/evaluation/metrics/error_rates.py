"""Character and word error rates of what was read, over a whole corpus."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import jiwer
import numpy as np


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """Edits and lengths of a corpus, text by text, int64 [texts] each.

    The rate of any part of the corpus is the sum of its edits over the sum of its lengths, not a mean of ratios: short
    texts would weigh too much in that.
    """

    edits: np.ndarray
    lengths: np.ndarray

    @property
    def rate(self) -> float:
        """Edits per unit of the truth: 0 is perfect, above 1 is possible. Nothing to read and nothing read is 0; nothing
        to read and something read is 1."""
        edits, length = int(self.edits.sum()), int(self.lengths.sum())
        if length:
            return edits / length
        return 1.0 if edits else 0.0


def reading_normalised(text: str) -> str:
    """NFKC (full-width forms become half-width), white space collapsed. Case and punctuation stay: they are read, too."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def character_errors(predictions: Sequence[str], answers: Sequence[str]) -> ErrorCounts:
    """Edits of characters (code points) after `reading_normalised`.

    Raises:
        ValueError: if the two are not equally many.
    """
    return _counts(predictions, answers, words=False)


def word_errors(predictions: Sequence[str], answers: Sequence[str]) -> ErrorCounts:
    """Edits of words, which white space parts, after `reading_normalised`. Raises ValueError as `character_errors`."""
    return _counts(predictions, answers, words=True)


def _counts(predictions: Sequence[str], answers: Sequence[str], *, words: bool) -> ErrorCounts:
    if len(predictions) != len(answers):
        raise ValueError(f"expected as many predictions as answers, found {len(predictions)} and {len(answers)}")
    edits, lengths = [], []
    for prediction, answer in zip(predictions, answers, strict=True):
        said, truth = reading_normalised(prediction), reading_normalised(answer)
        if not truth:
            # Nothing to align with: each unit that was read is an insertion.
            edits.append(len(said.split()) if words else len(said))
            lengths.append(0)
            continue
        found = jiwer.process_words(truth, said) if words else jiwer.process_characters(truth, said)
        edits.append(found.substitutions + found.deletions + found.insertions)
        lengths.append(found.hits + found.substitutions + found.deletions)
    return ErrorCounts(np.array(edits, dtype=np.int64), np.array(lengths, dtype=np.int64))
