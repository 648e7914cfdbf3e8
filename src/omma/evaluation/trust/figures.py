"""What results.json says of trust: does the model lean to yes, stay with its answers, and know when it is wrong?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from pydantic import Field

from omma.evaluation.metrics.text import normalised
from omma.evaluation.metrics.yes_no import YesNoCounts, yes_or_no
from omma.evaluation.records import Record
from omma.evaluation.trust.calibration import calibration
from omma.evaluation.trust.stability import stability


class Leaning(Record):
    """Questions of one world and split that are answered with yes or no: a model that does not look leans to one of them."""

    world: str = Field(description="The generated world or the data set.")
    split: str = Field(description='"fresh", "compositional", "test", ...')
    items: int = Field(description="Number of such questions that did not fail.")
    accuracy: float = Field(description="Share of right replies; what is neither yes nor no is wrong.")
    precision: float = Field(description="Of the questions answered with yes, the share that is so.")
    recall: float = Field(description="Of the questions where it is so and the reply is yes or no, the share of yes.")
    f1: float = Field(description="Harmonic mean of both.")
    yes: float = Field(description="Share of questions answered with yes.")
    truly_yes: float = Field(description="Share of questions where yes is right.")
    unparsed: float = Field(description="Share of replies that are neither yes nor no.")


class ConfidenceBin(Record):
    """Replies of like confidence."""

    low: float = Field(description="Lowest confidence of the bin.")
    high: float = Field(description="Highest confidence of the bin.")
    confidence: float = Field(description="Mean confidence of the replies in it.")
    accuracy: float = Field(description="Share of them that is right.")
    items: int = Field(description="How many there are.")


class Confidence(Record):
    """Whether the model knows when it is wrong; confidence is the geometric mean of the probabilities of a reply's tokens."""

    split: str = Field(description='"fresh", "compositional", "test", ...')
    items: int = Field(description="Number of replies with a confidence.")
    ece: float = Field(description="Expected calibration error: mean distance of confidence and accuracy over 15 equal bins.")
    adaptive_ece: float = Field(description="The same over 15 bins of equally many replies.")
    brier: float = Field(description="Mean squared distance of confidence and outcome.")
    auroc: float | None = Field(
        description="Chance that a right reply has more confidence than a wrong one; null if all are right, or all wrong."
    )
    aurc: float = Field(description="Mean share of wrong replies over all rates of answering, the surest first.")
    bins: tuple[ConfidenceBin, ...] = Field(description="Of equal width, those that are not empty.")


class Steadiness(Record):
    """Questions of one world and split that were put in other words, and about pictures with a small change, too."""

    world: str = Field(description="The generated world or the data set.")
    split: str = Field(description='"fresh", "compositional", "test", ...')
    items: int = Field(description="Number of questions that every variant was answered of.")
    variants: dict[str, float] = Field(description='By name of a variant, "as it is" among them: share of right replies.')
    mean: float = Field(description="Their mean.")
    worst: float = Field(description="The lowest of them: what whoever asks in that way gets.")
    flips: float = Field(description="Share of questions answered rightly in one way and wrongly in another.")
    kappa: float = Field(description="How far replies to one question agree beyond chance (Fleiss), at most 1.")


class _Said(Protocol):
    @property
    def text(self) -> str | None: ...
    @property
    def right(self) -> bool: ...
    @property
    def finish(self) -> str: ...


def steadiness_of(rows: Sequence[Sequence[tuple[str, _Said]]]) -> dict[str, Any]:
    """Fields of `Steadiness` from the (variant, reply) pairs of every question; empty if there are none.

    Only the variants that all questions can have count, and only questions of which none of those failed.
    """
    common = [name for name, _ in rows[0] if all(name in dict(row) for row in rows)] if rows else []
    whole = [[dict(row)[name] for name in common] for row in rows]
    whole = [row for row in whole if all(reply.finish != "failed" for reply in row)]
    if len(common) < 2 or not whole:
        return {}
    right = np.array([[reply.right for reply in row] for row in whole])
    found = stability([[reply.text or "" for reply in row] for row in whole], right)
    return {
        "items": len(whole),
        "variants": dict(zip(common, right.mean(axis=0).tolist(), strict=True)),
        "mean": found.mean,
        "worst": found.worst,
        "flips": found.flips,
        "kappa": found.kappa,
    }


def leaning_of(replies: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Fields of `Leaning` from (reply, truth); empty if no truth is yes or no."""
    normal = [(reply, normalised(truth)) for reply, truth in replies]
    asked = [(reply, truth) for reply, truth in normal if truth in ("yes", "no")]
    if not asked:
        return {}
    counts = YesNoCounts.of([yes_or_no(reply) for reply, _ in asked], [truth for _, truth in asked])  # type: ignore[misc]
    scores = counts.scores()
    return {
        "items": len(asked),
        "accuracy": scores.accuracy,
        "precision": scores.precision,
        "recall": scores.recall,
        "f1": scores.f1,
        "yes": scores.yes_ratio,
        "truly_yes": sum(truth == "yes" for _, truth in asked) / len(asked),
        "unparsed": scores.unparsed,
    }


def confidence_of(replies: Sequence[tuple[float, bool]]) -> dict[str, Any]:
    """Fields of `Confidence` from (confidence, whether it is right)."""
    found = calibration(np.array([c for c, _ in replies]), np.array([right for _, right in replies]))
    bins = tuple(
        ConfidenceBin(low=b.low, high=b.high, confidence=b.confidence, accuracy=b.accuracy, items=b.count) for b in found.bins
    )
    return {
        "items": len(replies),
        "ece": found.ece,
        "adaptive_ece": found.adaptive_ece,
        "brier": found.brier,
        "auroc": found.auroc,
        "aurc": found.aurc,
        "bins": bins,
    }
