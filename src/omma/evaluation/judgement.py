"""Judgement: every question with the replies to it and what each is worth."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence

from pydantic import Field

from omma.evaluation.conditions import CONDITIONS, Condition, prompts
from omma.evaluation.items import Item, refuse_duplicates
from omma.evaluation.metrics.text import exact_match, normalised
from omma.evaluation.records import Record
from omma.evaluation.truths import UNPARSED, Verdict
from omma.evaluation.variants import VARIANTS
from omma.model.output import Finish, Output


class Reply(Record):
    """What the model said under one condition."""

    text: str | None = Field(description="The reply; null if none came.")
    right: bool = Field(
        description="Whether the reply is right by the metric of its question; where credit is given in parts, whether it "
        "earns at least half of it."
    )
    finish: Finish = Field(
        default="stop",
        description='"stop"; "length" if it was cut off; "refused" by the model or its provider, which counts as wrong; '
        '"failed" if nothing came, which counts as neither right nor wrong.',
    )
    error: str = Field(default="", description="Why nothing came; empty otherwise.")
    confidence: float | None = Field(
        default=None, description="Geometric mean of the probabilities of the reply's tokens; null where not told."
    )
    credit: float | None = Field(
        default=None,
        description="What the reply is worth, 0 to 1, where credit is given in parts; null where it is right or wrong.",
        ge=0,
        le=1,
    )
    read: str | None = Field(
        default=None,
        description='What was read out of the reply ("B", "yes", a box): empty if nothing could be, which counts as wrong; null '
        "where the whole reply is compared.",
    )
    counts: dict[str, float] = Field(
        default_factory=dict, description="By name: what the figures of its benchmark are computed from sums of."
    )

    @property
    def worth(self) -> float:
        """0 to 1: the credit, or whether it is right."""
        return float(self.right) if self.credit is None else self.credit


class ItemResult(Record):
    """One question with its truth and the replies under the three conditions."""

    id: str = Field(description="Unique within the run.")
    world: str = Field(description="The generated world or the data set.")
    split: str = Field(description='"fresh", "compositional", "test", ...')
    kind: str = Field(description="Kind of question.")
    cluster: str = Field(description="The picture(s) behind the question; intervals resample whole clusters.")
    pictures: int = Field(description="Number of pictures that the prompt shows.", ge=0)
    question: str = Field(description="The words of the question.")
    answer: str = Field(description="The truth.")
    sighted: Reply = Field(description="The reply with the picture.")
    blind: Reply | None = Field(description="The reply to the same words with no picture; null if not asked.")
    swapped: Reply | None = Field(description="The reply with somebody else's picture; null if not asked.")
    variants: dict[str, Reply] = Field(
        default_factory=dict, description="By name of a variant: the reply to the question put in that way."
    )
    benchmark: str | None = Field(
        default=None, description="The published benchmark that it is of, whose metric judges it; null for exact match."
    )
    answers: tuple[str, ...] = Field(
        default=(), description="All answers that count, one for each person who gave it; empty if there is one only."
    )
    groups: dict[str, str] = Field(
        default_factory=dict, description="By name: the group that it belongs to of those that its benchmark's figures are of."
    )
    constant: float | None = Field(
        default=None,
        description="What the commonest answer to its kind of question would earn here; null for exact match, where it is plain.",
        ge=0,
        le=1,
    )


NOT_ASKED = Output(None, "failed", "it was not asked")


def judged(
    items: Sequence[Item],
    predictions: Mapping[str, Mapping[str, Output]],
    conditions: Collection[Condition] = CONDITIONS,
) -> list[ItemResult]:
    """Every item with its replies judged, in the order of ``items``.

    A reply that is absent from ``predictions`` though the condition is among ``conditions`` and applies to the item is
    kept as failed; of variants there is what was asked.

    Raises:
        BadInput: if two items share an id.
    """
    refuse_duplicates(items)
    applicable = {condition: prompts(items, condition).keys() for condition in conditions}
    constants = _commonest_answers(items)

    def reply(item: Item, condition: Condition) -> Reply | None:
        if item.id not in applicable.get(condition, ()):
            return None
        return _judged(predictions.get(condition, {}).get(item.id, NOT_ASKED), item)

    return [
        ItemResult(
            id=item.id,
            world=item.world,
            split=item.split,
            kind=item.kind,
            cluster=item.cluster,
            pictures=len(item.images),
            question=item.question,
            answer=item.answer,
            sighted=reply(item, "sighted") or _judged(NOT_ASKED, item),
            blind=reply(item, "blind"),
            swapped=reply(item, "swapped"),
            variants={
                variant: _judged(predictions[variant][item.id], item)
                for variant in VARIANTS
                if item.id in predictions.get(variant, ())
            },
            benchmark=item.benchmark or None,
            answers=item.truth.answers if item.truth is not None and item.truth.answers != (item.answer,) else (),
            groups=dict(item.groups),
            constant=item.truth.judge(constants[_kind(item)]).credit if item.truth is not None else None,
        )
        for item in items
    ]


def _kind(item: Item) -> tuple[str, str, str]:
    return item.world, item.split, item.kind


def _commonest_answers(items: Sequence[Item]) -> dict[tuple[str, str, str], str]:
    """By world, split and kind: the answer that is most often true, of equally common ones the first of the alphabet."""
    counts: defaultdict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    written: dict[str, str] = {}
    for item in items:
        counts[_kind(item)][normalised(item.answer)] += 1
        written.setdefault(normalised(item.answer), item.answer)
    return {kind: written[min(c, key=lambda answer: (-c[answer], answer))] for kind, c in counts.items()}


def _judged(output: Output, item: Item) -> Reply:
    text = output.text if output.text is not None and output.finish not in ("refused", "failed") else ""
    if item.truth is None:
        said = output.text is not None and output.finish not in ("refused", "failed")
        verdict = Verdict(float(said and exact_match(text, item.answer)))
    elif output.finish == "failed":
        verdict = Verdict(0.0)
    elif text.strip():
        verdict = item.truth.judge(text)
    else:
        # Silence is judged for what it leaves out, and earns nothing however lenient the metric is.
        nothing = item.truth.judge("")
        verdict = Verdict(0.0, None if nothing.read is None else UNPARSED, nothing.counts)
    return Reply(
        text=output.text,
        right=verdict.credit >= 0.5,
        finish=output.finish,
        error=output.error,
        confidence=output.confidence,
        credit=verdict.credit if item.truth is not None and item.truth.graded else None,
        read=verdict.read,
        counts=dict(verdict.counts),
    )


def unparsed(reply: Reply) -> bool:
    """Whether something was said in which nothing could be read that the question asks for."""
    return reply.read == UNPARSED
