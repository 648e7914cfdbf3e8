"""The shapes world: up to six coloured shapes on a background. Captions, attributes, counting, relations, absent things.

Eight shapes in eight colours and two sizes, on pictures of 128 x 128, 128 x 96 or 96 x 128 pixels. The compositional split
always shows at least one of eight (colour, shape) pairs that the other splits neither show nor mention.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

from omma.data.playground.base import SPLITS, WORLDS, DrawnImage, Question, Scene, Split, World, scene_random
from omma.data.playground.shapes_drawing import draw_masks, draw_picture
from omma.data.playground.shapes_edits import edit
from omma.data.playground.shapes_layout import Layout, sample_layout
from omma.data.playground.shapes_questions import Asker
from omma.data.playground.shapes_requests import request
from omma.data.playground.shapes_words import caption, describe
from omma.data.sample import Box

VERSION = 1
"""Part of every picture's key: bump it when the same scene is drawn differently."""


@WORLDS.register("shapes")
class Shapes(World):
    """Scenes of 1 to 6 coloured shapes."""

    name = "shapes"

    def scene(self, split: Split, index: int) -> Scene:
        rng = random_of(self.name, split, index)
        layout = sample_layout(rng, split)
        return pictured(self.name, split, index, rng, layout, lambda: Asker(rng, layout.things, split).questions())


def random_of(world: str, split: Split, index: int) -> random.Random:
    """`scene_random`.

    Raises:
        ValueError: for an unknown split or a negative index.
    """
    if split not in SPLITS or index < 0:
        raise ValueError(f"expected a split of {SPLITS} and an index >= 0, found {split!r} and {index}")
    return scene_random(world, split, index)


def pictured(
    world: str, split: Split, index: int, rng: random.Random, layout: Layout, ask: Callable[[], tuple[Question, ...]]
) -> Scene:
    """The scene of a layout, described in words drawn from ``rng``, with the questions that are asked after that."""
    key = f"playground/{VERSION}/{world}/{split}/{index}/0"
    return Scene(
        id=f"{world}/{split}/{index}",
        images=(DrawnImage(key, (layout.width, layout.height), partial(draw_picture, layout)),),
        caption=caption(rng, layout),
        description=describe(rng, layout),
        questions=ask(),
        boxes=tuple(Box(*thing.box, label=thing.label) for thing in layout.things),
        masks=partial(draw_masks, layout),
        request=partial(_request, world, split, index, layout),
        edit=partial(_edit, world, split, index, layout),
        facts=_facts(layout),
    )


def _request(world: str, split: Split, index: int, layout: Layout) -> str:
    # Randomness of its own: scenes are the same whether or not anybody asks for one.
    return request(scene_random(f"{world}/request", split, index), layout)


def _edit(world: str, split: Split, index: int, layout: Layout) -> tuple[str, DrawnImage]:
    made = edit(scene_random(f"{world}/edit", split, index), layout, split)
    key = f"playground/{VERSION}/{world}/{split}/{index}/edited"
    return made.text, DrawnImage(key, (layout.width, layout.height), partial(draw_picture, made.layout))


def _facts(layout: Layout) -> dict[str, Any]:
    return {
        "objects": [
            {
                "color": t.color,
                "shape": t.shape,
                "size": t.size,
                "place": t.place,
                "center": [t.x, t.y],
                "box": list(t.box),
            }
            for t in layout.things
        ],
        "background": {"kind": layout.background.kind, "color": layout.background.color},
    }
