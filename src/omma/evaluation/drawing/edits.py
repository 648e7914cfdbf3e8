"""What is asked to be changed in a picture, and when that has been done: everything else stays where and as it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from omma.data.playground import WORLDS
from omma.data.playground.base import Split
from omma.data.sample import ImageSource
from omma.evaluation.drawing.read_back import Found, read_back

EDITING = "editing"
"""Not one of GenEval's tasks, and no part of its score."""


@dataclass(frozen=True, slots=True)
class EditPrompt:
    """A change of a picture.

    Attributes:
        text: what is to change.
        before, after: the picture as it is, and as it should be.
    """

    text: str
    before: ImageSource
    after: ImageSource
    task: str = EDITING

    def met(self, found: Sequence[Found]) -> bool:
        """Whether a picture with these things is the one that it should be: as many of each colour, shape, size and place."""
        return _seen(found) == _seen(read_back(self.after.load()))


def _seen(found: Sequence[Found]) -> Counter[tuple[str, str | None, str, str]]:
    return Counter((thing.color, thing.shape, thing.size, thing.place) for thing in found)


def edit_prompts(count: int, split: Split) -> list[EditPrompt]:
    """Changes of the first scenes of a split of the world *shapes*, the same everywhere."""
    world = WORLDS.get("shapes", where="evaluation.drawing").Config().build()
    made = []
    for index in range(count):
        scene = world.scene(split, index)
        assert scene.edit is not None
        text, after = scene.edit()
        made.append(EditPrompt(text, scene.images[0], after))
    return made
