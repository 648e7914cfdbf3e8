"""What the worlds of words share: a draft of a scene, the rule that holds combinations out, and letter case.

A world of words draws a `Passage`, which lists the combinations that it uses ("ann | kitchen", "17 | 45"). The rule
of `held_out` is a fixed hash of a combination. Passages of ``train`` and ``fresh`` use no held-out combination, those
of ``compositional`` use at least one. Both are reached by drawing again from the scene's own randomness.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from omma.data.playground.base import SPLITS, Question, Scene, Split, scene_random
from omma.data.playground.language_words import PROPER

HELD_OUT_SHARE = 12
"""One combination in this many is held out."""

_MAX_DRAWS = 2000


@dataclass(slots=True)
class Passage:
    """A scene in the making: the words, the questions about them in their order, and the combinations that they use.

    Of two questions of the same wording the scene keeps the first.
    """

    description: str
    caption: str
    questions: list[Question]
    combinations: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


Maker = Callable[[random.Random], Passage]


def combination(*pieces: object) -> str:
    """The name of a combination, as `Passage.combinations` lists it."""
    return " | ".join(str(piece) for piece in pieces)


@lru_cache(maxsize=1 << 16)
def held_out(name: str) -> bool:
    """Whether only the split ``compositional`` may use this combination. The same in every process for ever."""
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % HELD_OUT_SHARE == 0


def draw_passage(rng: random.Random, make: Maker, *, compositional: bool) -> Passage:
    """A passage of ``make`` that keeps to the rule of the split.

    Raises:
        RuntimeError: if ``make`` cannot meet the rule, say because its passages name no combination.
    """
    for _ in range(_MAX_DRAWS):
        passage = make(rng)
        if any(map(held_out, passage.combinations)) == compositional:
            return passage
    raise RuntimeError(f"{make.__name__} met the rule of held-out combinations in none of {_MAX_DRAWS} draws")


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of passage of a world of words.

    Attributes:
        make: draws a passage.
        weight: how often the family is drawn, relative to the others of its world.
        combines: whether its passages name combinations; the others never make ``compositional`` scenes.
        cased: whether its words may be shown in sentence case; False where letters matter, as in spelling.
    """

    make: Maker
    weight: int
    combines: bool = True
    cased: bool = True


def words_scene(world: str, split: Split, index: int, families: Mapping[str, Family]) -> Scene:
    """The scene of a world of words, of one of the ``families`` by name.

    Raises:
        ValueError: for an unknown split or a negative index.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}: expected one of {', '.join(SPLITS)}")
    if index < 0:
        raise ValueError(f"index must be 0 or more, found {index}")
    rng = scene_random(world, split, index)
    compositional = split == "compositional"
    names = [name for name in families if families[name].combines or not compositional]
    name = rng.choices(names, [families[name].weight for name in names])[0]
    family = families[name]
    passage = draw_passage(rng, family.make, compositional=compositional)
    questions = list({question.text: question for question in reversed(passage.questions)}.values())[::-1]
    description, caption = passage.description, passage.caption
    if family.cased and rng.random() < 0.35:
        description, caption = sentence_case(description), sentence_case(caption)
        questions = [replace(q, text=sentence_case(q.text)) for q in questions]
    return Scene(
        id=f"{world}/{split}/{index}",
        images=(),
        caption=caption,
        description=description,
        questions=tuple(questions),
        facts={"family": name, **passage.facts},
    )


_SENTENCE_START = re.compile(r"(?:^|(?<=[.!?]\s)|(?<=\n))[a-z]")


def sentence_case(text: str) -> str:
    """``text`` with a capital at the start of sentences and lines, in names of people, days and months, and in "i"."""
    text = re.sub(r"[a-z]+", lambda m: m[0].capitalize() if m[0] in PROPER else m[0], text)
    return _SENTENCE_START.sub(lambda m: m[0].upper(), text)


def listed(items: Iterable[object], last: str = "and") -> str:
    """ "a, b and c"; one item alone is itself, none is "nothing"."""
    words = [str(item) for item in items]
    if len(words) < 2:
        return words[0] if words else "nothing"
    return f"{', '.join(words[:-1])} {last} {words[-1]}"
