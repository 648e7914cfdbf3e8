"""Relaxed accuracy: numbers may be off by a twentieth (PlotQA, arXiv 1909.00997, section 5; ChartQA, 2203.10244)."""

from __future__ import annotations

import math
import re
from typing import Literal

Profile = Literal["strict", "pix2struct", "strict-year"]
"""How percent signs and years are taken.

``strict``: "12 %" is 0.12 where the other side has a sign too, else 12. ``pix2struct``: "12 %" is always 0.12, as in the
published numbers of most models. ``strict-year``: as strict, and a year has to be exact.
"""

TOLERANCE = 0.05
_CURRENCY = "$€£¥₹₩₽"
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.IGNORECASE)
_YEAR = re.compile(r"\d{4}")


def relaxed_accuracy(prediction: str, answer: str, profile: Profile = "strict", *, tolerance: float = TOLERANCE) -> bool:
    """Whether a number is within ``tolerance`` of the answer, as a share of it; other texts have to be equal but for case.

    An answer of 0 wants 0, however it is written.
    """
    both_percent = prediction.strip().endswith("%") and answer.strip().endswith("%")
    share = profile == "pix2struct" or both_percent
    said, truth = _number(prediction, share), _number(answer, share)
    if said is None or truth is None:
        return prediction.strip().casefold() == answer.strip().casefold()
    if profile == "strict-year" and _YEAR.fullmatch(answer.strip()) and 1000 <= truth <= 2100:
        return said == truth
    return abs(said - truth) <= tolerance * abs(truth)


def _number(text: str, share: bool) -> float | None:
    """The number that a text is as a whole, without thousands separators, currency, and one percent sign."""
    text = text.strip().strip(_CURRENCY).strip()
    percent = text.endswith("%")
    text = text.removesuffix("%").strip().replace(",", "")
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    if not math.isfinite(value):
        return None
    return value / 100 if percent and share else value
