"""ANLS: how much of a read text is right, letter by letter (ST-VQA, arXiv 1905.13648, section 4; DocVQA, InfoVQA)."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein


def anls(prediction: str, answers: Sequence[str], *, threshold: float = 0.5) -> float:
    """1 less the normalised edit distance to the nearest answer, and 0 where that distance is ``threshold`` or more.

    Both sides are compared in lower case with white space collapsed, and lengths are of what is compared.

    Raises:
        ValueError: if there is no answer to compare with.
    """
    if not answers:
        raise ValueError("ANLS compares with at least one answer, there is none")
    said = _collapsed(prediction)
    nearest = min(Levenshtein.normalized_distance(said, _collapsed(answer)) for answer in answers)
    return 1 - nearest if nearest < threshold else 0.0


def _collapsed(text: str) -> str:
    return " ".join(text.lower().split())
