"""Truths for descriptions: what is in a picture, for a text to name and not to exceed.

Things are found in a text by an ontology (`omma.evaluation.metrics.hallucination`). Silence is no accuracy: a reply that names
nothing earns nothing, though it has made nothing up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from omma.evaluation.metrics.hallucination import CHAIR_COUNTS, Ontology, amber_scores, chair_counts
from omma.evaluation.truths import Truth, Verdict


@dataclass(frozen=True, slots=True)
class ThingsMentioned(Truth):
    """What is in a picture, for CHAIR (arXiv 1809.02156): a reply earns 1 - CHAIR_i, the share of its mentions that are of what
    is there. What CHAIR is made of goes beside it (`CHAIR_COUNTS`).

    Attributes:
        there: the things in the picture.
        ontology: all that can be named.
    """

    graded = True
    there: tuple[str, ...]
    ontology: Ontology = field(repr=False, compare=False)

    @property
    def answers(self) -> tuple[str, ...]:
        return self.there

    def judge(self, reply: str) -> Verdict:
        (row,) = chair_counts([reply], [self.there], self.ontology).counts.tolist()
        counts = dict(zip(CHAIR_COUNTS, row, strict=True))
        named = ", ".join(sorted(set(self.ontology.mentions(reply))))
        return Verdict(1 - counts["invented"] / counts["mentions"] if counts["mentions"] else 0.0, named, counts)

    def fingerprint(self) -> dict[str, Any]:
        return {"truth": "ThingsMentioned", "there": self.there, "names": self.ontology.fingerprint}


@dataclass(frozen=True, slots=True)
class ThingsThere(Truth):
    """What is in a picture, for a description to name and not to exceed (AMBER, arXiv 2311.07397, section 3.3).

    A reply earns 1 - CHAIR, the share of the things that it names that are there.

    Attributes:
        there: the things in the picture.
        lures: things that are not, and that people would expect there.
        related: other words for a thing.
        vocabulary: every word that can name a thing; other words do not count.
        neutral: words of it that neither earn nor cost anything.
    """

    graded = True
    there: tuple[str, ...]
    lures: tuple[str, ...]
    related: Mapping[str, tuple[str, ...]] = field(repr=False)
    vocabulary: Ontology = field(repr=False, compare=False)
    neutral: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def answers(self) -> tuple[str, ...]:
        return self.there

    def judge(self, reply: str) -> Verdict:
        named = {self._thing(word) for word in self.vocabulary.mentions(reply) if word not in self.neutral}
        scores = amber_scores([named], [self.there], [self.lures])
        counts = {
            "chair": scores.chair, "cover": scores.cover, "hal": scores.hallucination, "cog": scores.cognition,
        }  # fmt: skip
        return Verdict(1 - scores.chair if named else 0.0, ", ".join(sorted(named)), counts)

    def _thing(self, word: str) -> str:
        """The thing that a word is of those there, else of the lures, else itself."""
        for things in (self.there, self.lures):
            for thing in things:
                if word == thing or word in self.related.get(thing, ()):
                    return thing
        return word

    def fingerprint(self) -> dict[str, Any]:
        related = {thing: self.related.get(thing, ()) for thing in (*self.there, *self.lures)}
        return {"truth": "ThingsThere", "there": self.there, "lures": self.lures, "related": related}
