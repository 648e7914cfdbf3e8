"""Models whose every score is known beforehand: what the trust figures themselves are tested with, and baselines on a board.

Each knows the items that it will be asked, and nothing else. What it makes of them is its whole behaviour.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Sequence

from omma.data.sample import Sample
from omma.errors import BadInput, nearest
from omma.evaluation.items import Item
from omma.evaluation.metrics.text import normalised
from omma.evaluation.variants import ChangedImage
from omma.model.output import Output

UNKNOWN = "unknown"
"""What is said where there is nothing to go by."""


class ScriptedModel(ABC):
    """An `omma.evaluation.Answerer` that knows the items. Replies depend on the prompt alone, not on their order."""

    def __init__(self, items: Sequence[Item], *, seed: int = 0) -> None:
        self.seed = seed
        self.items = {item.id: item for item in items}
        self.truths = {(tuple(image.key for image in item.images), item.question): item.answer for item in items}
        self.answers: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self.written: dict[str, str] = {}
        for item in items:
            self.answers[item.world, item.kind][normalised(item.answer)] += 1
            self.written.setdefault(normalised(item.answer), item.answer)

    def answer(self, prompts: Sequence[Sample]) -> list[Output]:
        """One reply per prompt, in order."""
        return [Output(self.says(prompt, self.items[prompt.id])) for prompt in prompts]

    @abstractmethod
    def says(self, prompt: Sample, item: Item) -> str:
        """The reply to what is shown of an item, which may be less or other than the item has."""

    def _seen(self, prompt: Sample, item: Item) -> str | None:
        """What is true of the pictures that are *shown*, changed a little or not; None if nobody asked this about them."""
        pictures = (image.source if isinstance(image, ChangedImage) else image for image in prompt.images)
        return self.truths.get((tuple(image.key for image in pictures), item.question))


class Oracle(ScriptedModel):
    """Right whenever it sees the picture; without it, it says that it does not know."""

    def says(self, prompt: Sample, item: Item) -> str:
        if item.images and not prompt.images:
            return UNKNOWN
        return self._seen(prompt, item) or UNKNOWN


class Guesser(ScriptedModel):
    """Draws one of the answers that questions of this kind can have, all as likely; pictures make no difference."""

    def says(self, prompt: Sample, item: Item) -> str:
        options = sorted(self.answers[item.world, item.kind])
        return self.written[random.Random(f"{self.seed}/{prompt.id}").choice(options)]


class YesSayer(ScriptedModel):
    """Says yes to everything."""

    def says(self, prompt: Sample, item: Item) -> str:
        return "yes"


class BlindPrior(ScriptedModel):
    """The commonest answer to each kind of question, whatever is shown: the best that can be had without looking."""

    def says(self, prompt: Sample, item: Item) -> str:
        counts = self.answers[item.world, item.kind]
        return self.written[min(counts, key=lambda answer: (-counts[answer], answer))]


class Memorizer(ScriptedModel):
    """Knows the answers by heart and never looks: with the picture, without it, and with another one it says the same."""

    def says(self, prompt: Sample, item: Item) -> str:
        return item.answer


SCRIPTED: dict[str, type[ScriptedModel]] = {
    "oracle": Oracle,
    "guesser": Guesser,
    "yes-sayer": YesSayer,
    "blind-prior": BlindPrior,
    "memorizer": Memorizer,
}


def scripted(name: str, items: Sequence[Item]) -> ScriptedModel:
    """The scripted model of that name. Raises BadInput for an unknown one."""
    if name not in SCRIPTED:
        raise BadInput(
            f"model scripted:{name}",
            expected=f"one of {', '.join(SCRIPTED)}",
            found=name or "no name",
            remedy=nearest(name, list(SCRIPTED)),
        )
    return SCRIPTED[name](items)
