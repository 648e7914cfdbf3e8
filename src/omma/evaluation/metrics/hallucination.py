"""Things that are not in the picture: POPE's questions, CHAIR and AMBER over any ontology.

(CHAIR: arXiv 1809.02156; POPE: 2305.10355, section 4; AMBER: 2311.07397, section 3.)
"""

from __future__ import annotations

import hashlib
import random
import re
from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

Negatives = Literal["random", "popular", "adversarial"]
NEGATIVES: tuple[Negatives, ...] = ("random", "popular", "adversarial")


@dataclass(frozen=True, slots=True)
class PopeQuestion:
    """Whether an object is in a picture."""

    picture: Hashable
    thing: str
    present: bool


def pope_questions(
    objects: Mapping[Hashable, Collection[str]], negatives: Negatives, *, most: int = 3, seed: int = 0
) -> list[PopeQuestion]:
    """As many questions about what is in each picture as about what is not, at most ``most`` of each.

    What is not there is drawn at random, or is what is most frequent in all pictures (*popular*), or what most often is
    in one picture with what is there (*adversarial*). Ties are broken by the alphabet.

    Args:
        objects: what is in each picture; a picture with nothing in it has no questions.
    """
    frequency = Counter(thing for things in objects.values() for thing in set(things))
    together: dict[str, Counter[str]] = {}
    for things in objects.values():
        for thing in set(things):
            together.setdefault(thing, Counter()).update(set(things) - {thing})
    questions = []
    for picture, things in objects.items():
        rng = random.Random(f"{seed}/{picture}")
        present, absent = sorted(set(things)), sorted(set(frequency) - set(things))
        count = min(most, len(present), len(absent))
        if negatives == "random":
            chosen = rng.sample(absent, count)
        else:
            near = sum((together[thing] for thing in present), Counter()) if negatives == "adversarial" else Counter()
            chosen = sorted(absent, key=lambda thing: (-near[thing], -frequency[thing], thing))[:count]
        questions += [PopeQuestion(picture, thing, True) for thing in sorted(rng.sample(present, count))]
        questions += [PopeQuestion(picture, thing, False) for thing in chosen]
    return questions


@dataclass(frozen=True)
class Ontology:
    """The things that can be named, and all words for each.

    Attributes:
        synonyms: word or words -> name of the thing.
        irregular: plural -> singular, where no rule gives it.
    """

    synonyms: Mapping[str, str]
    irregular: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def fingerprint(self) -> str:
        """Short, and another one if anything is named otherwise."""
        names = repr((sorted(self.synonyms.items()), sorted(self.irregular.items())))
        return hashlib.blake2b(names.encode(), digest_size=8).hexdigest()

    def mentions(self, text: str) -> list[str]:
        """What a text names, in its order, each mention by itself; of overlapping names the longest counts ("hot dog")."""
        words = re.findall(r"[^\W_]+(?:[-'][^\W_]+)*", text.lower())
        longest = max((len(name.split()) for name in self.synonyms), default=0)
        found, place = [], 0
        while place < len(words):
            for size in range(min(longest, len(words) - place), 0, -1):
                thing = self._named(words[place : place + size])
                if thing is not None:
                    found.append(thing)
                    place += size
                    break
            else:
                place += 1
        return found

    def _named(self, words: Sequence[str]) -> str | None:
        for last in self._singulars(words[-1]):
            thing = self.synonyms.get(" ".join([*words[:-1], last]))
            if thing is not None:
                return thing
        return None

    def _singulars(self, word: str) -> list[str]:
        forms = [word]
        if word in self.irregular:
            forms.append(self.irregular[word])
        if word.endswith("ies"):
            forms.append(word[:-3] + "y")
        if word.endswith("ves"):
            forms += [word[:-3] + "f", word[:-3] + "fe"]
        if word.endswith("es"):
            forms.append(word[:-2])
        if word.endswith("s") and not word.endswith("ss"):
            forms.append(word[:-1])
        return forms


CHAIR_COUNTS = ("mentions", "invented", "inventive", "things", "named", "words")
"""Of one caption: its mentions, the invented ones, whether there is one; things in the picture, those that were named; words."""


@dataclass(frozen=True, slots=True)
class ChairCounts:
    """Caption by caption, int64 [captions, 6]: `CHAIR_COUNTS`."""

    counts: np.ndarray

    def scores(self) -> ChairScores:
        """All captions together. What would be a share of nothing is 0."""
        mentions, invented, captions, things, named, words = (float(n) for n in self.counts.sum(axis=0))
        return ChairScores(
            instance=invented / mentions if mentions else 0.0,
            sentence=captions / len(self.counts) if len(self.counts) else 0.0,
            recall=named / things if things else 0.0,
            length=words / len(self.counts) if len(self.counts) else 0.0,
        )


@dataclass(frozen=True, slots=True)
class ChairScores:
    """Attributes:
    instance: CHAIR_i, invented mentions of all mentions.
    sentence: CHAIR_s, captions with an invented mention.
    recall: things in the pictures that were named: who says little invents little.
    length: mean words of a caption, for the same reason.
    """

    instance: float
    sentence: float
    recall: float
    length: float


def chair_counts(captions: Sequence[str], truths: Sequence[Collection[str]], ontology: Ontology) -> ChairCounts:
    """Counts for `ChairScores` from captions and what is in their pictures."""
    rows = []
    for caption, truth in zip(captions, truths, strict=True):
        mentions, things = ontology.mentions(caption), set(truth)
        invented = sum(thing not in things for thing in mentions)
        rows.append((len(mentions), invented, invented > 0, len(things), len(things & set(mentions)), len(caption.split())))
    return ChairCounts(np.array(rows, dtype=np.int64).reshape(-1, 6))


@dataclass(frozen=True, slots=True)
class AmberScores:
    """Means over replies, in [0, 1]: invented share of what is named; share of the picture that is named; replies that
    invent; share of what is named that people, too, would expect there (*cognition*)."""

    chair: float
    cover: float
    hallucination: float
    cognition: float


def amber_scores(
    named: Sequence[Collection[str]],
    present: Sequence[Collection[str]],
    tempting: Sequence[Collection[str]],
    *,
    cognition_of: Literal["reply", "list"] = "reply",
) -> AmberScores:
    """AMBER's generative scores from the things that each reply names.

    Args:
        tempting: what is not in the picture but likely to be made up there.
        cognition_of: the paper divides by what the reply names; its script by the length of the list of tempting things.

    Raises:
        ValueError: for no replies.
    """
    if not named:
        raise ValueError("AMBER's scores need at least one reply")
    rows = []
    for reply, truth, likely in zip(named, present, tempting, strict=True):
        said, there, lures = set(reply), set(truth), set(likely)
        chair = 1 - len(said & there) / len(said) if said else 0.0
        base = len(said) if cognition_of == "reply" else len(lures)
        cover = len(said & there) / len(there) if there else 0.0
        rows.append((chair, cover, chair > 0, len(said & lures) / base if base else 0.0))
    return AmberScores(*(float(mean) for mean in np.mean(rows, axis=0)))


def amber_score(chair: float, f1: float) -> float:
    """AMBER's one number of both halves, 0 to 100: CHAIR of what is written and F1 (of "no") of what is asked."""
    return (100 * (1 - chair) + 100 * f1) / 2
