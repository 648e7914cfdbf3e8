"""The playground's contract: a world is a pure function from ``(split, index)`` to a `Scene`.

Nothing is stored. The random state of a scene is derived from the world's name, the split and the index alone, so every
process on every machine sees the same scene, the supply is endless, and a fresh test split cannot have been trained on.
A scene is cheap (no pixels); its pictures are drawn when somebody calls ``load``.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from PIL import Image

from omma.data.sample import Box, Mask
from omma.parts.base import Part, PartConfig, Registry

Split = Literal["train", "fresh", "compositional"]
SPLITS: tuple[Split, ...] = ("train", "fresh", "compositional")
"""train: what models learn from. fresh: new scenes of the same kinds. compositional: only scenes with at least one
combination (attribute pair, font, layout, sequence) that the other two splits never contain."""

SEED = "omma playground 1"
"""Changing this changes every scene of every world: bump it together with the version in docs/playground.md."""


def scene_random(world: str, split: str, index: int) -> random.Random:
    """The scene's own source of randomness, the same in every process on every machine."""
    digest = hashlib.blake2b(f"{SEED}/{world}/{split}/{index}".encode(), digest_size=16).digest()
    return random.Random(int.from_bytes(digest, "big"))


@dataclass(frozen=True, slots=True)
class DrawnImage:
    """A picture of a scene, drawn on demand (an `omma.data.sample.ImageSource`)."""

    key: str
    size: tuple[int, int]
    draw: Callable[[], Image.Image] = field(repr=False, compare=False)

    def load(self) -> Image.Image:
        return self.draw()


@dataclass(frozen=True, slots=True)
class Question:
    """A question that the scene answers exactly.

    ``kind`` groups questions in reports ("count", "color", "read", ...). ``answer`` is what an exact match compares with.
    """

    text: str
    answer: str
    kind: str


@dataclass(frozen=True, slots=True)
class Scene:
    """Ground truth of one sample of a world.

    Attributes:
        id: ``world/split/index``.
        images: one picture, or several (panels); empty in worlds made of words only.
        caption: one short sentence, as people caption pictures; says true things, not everything.
        description: everything in words that is needed to answer every question without seeing the picture.
        questions: exact questions, several kinds, in random order. Within a world, over many scenes, the answers to one
            kind of question are balanced, so that no prior pays.
        boxes, masks, words: of ``images[0]``, in its pixels; ``Box.label`` names the object or is the printed word.
            ``masks`` is a function because it draws.
        facts: the scene graph, table or fields behind it, plain data.
        request: makes a text that asks for such a picture, where neither caption nor description is one.
        edit: makes a text that asks for a change of the picture, and the picture that is changed.
    """

    id: str
    images: tuple[DrawnImage, ...]
    caption: str
    description: str
    questions: tuple[Question, ...]
    boxes: tuple[Box, ...] = ()
    words: tuple[Box, ...] = ()
    masks: Callable[[], tuple[Mask, ...]] = tuple
    request: Callable[[], str] | None = None
    edit: Callable[[], tuple[str, DrawnImage]] | None = None
    facts: dict[str, Any] = field(default_factory=dict)


class World(Part):
    """A generated world. Subclasses implement `scene`, and nothing in them may depend on anything but its arguments."""

    name: ClassVar[str]

    class Config(PartConfig):
        pass

    def scene(self, split: Split, index: int) -> Scene:
        """The scene at that place. ``index`` is any integer >= 0.

        Raises:
            ValueError: for an unknown split or a negative index.
        """
        raise NotImplementedError


WORLDS: Registry[type[World]] = Registry("world")
