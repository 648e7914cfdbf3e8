"""The montage world: the scenes of the panels world with the three boxes on one sheet.

For models that are to take one picture of bounded size, and for objectives that know what stands where in a picture: they
read boxes of the first picture alone. A scene has the description of the panels scene of the same split and index, and its
questions among more: statements, and questions that are answered for each box.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import numpy as np

from omma.data.montage import Montage, corners
from omma.data.playground.base import WORLDS, DrawnImage, Scene, Split, World, scene_random
from omma.data.playground.panels import PanelsWorld, panels_of, statements
from omma.data.playground.panels_drawing import draw_box_masks, object_boxes
from omma.data.playground.panels_each import questions_of_each
from omma.data.playground.panels_layout import BOX, Panels
from omma.data.playground.panels_words import Detail
from omma.data.sample import Box, Mask

MORE, EACH = 12, 6
"""Statements, and questions of each box, beside those of the panels scene: a sheet costs more to read than a question."""

PLACES: tuple[tuple[int, int], ...] = tuple(corners([(BOX, BOX)] * 3))
"""(left, top) of the three boxes on the sheet."""


@WORLDS.register("montage")
class MontageWorld(World):
    """Scenes of three boxes on one sheet, with about 19 statements, 6 questions of each box, and a few plain ones."""

    name = "montage"

    def __init__(self, config: World.Config) -> None:
        super().__init__(config)
        self.panels = PanelsWorld.Config().build()

    def scene(self, split: Split, index: int) -> Scene:
        scene = self.panels.scene(split, index)
        panels = panels_of(split, index)
        sheet = Montage(scene.images)
        rng = scene_random(self.name, split, index)
        detail = Detail(**scene.facts["described"])
        more = statements(rng, panels, split, detail, MORE) + questions_of_each(rng, panels, detail, EACH)
        asked = list({question.text: question for question in (*more, *scene.questions)}.values())
        rng.shuffle(asked)
        return replace(
            scene,
            questions=tuple(asked),
            id=f"{self.name}/{split}/{index}",
            images=(DrawnImage(sheet.key, sheet.size, sheet.load),),
            boxes=tuple(_all_boxes(panels)),
            masks=partial(_all_masks, panels, sheet.size),
        )


def _all_boxes(panels: Panels) -> Iterable[Box]:
    for panel, (left, top) in zip(panels, PLACES, strict=True):
        for box in object_boxes(panel):
            yield Box(box.left + left, box.top + top, box.right + left, box.bottom + top, label=box.label)


def _all_masks(panels: Panels, size: tuple[int, int]) -> tuple[Mask, ...]:
    masks = []
    for panel, (left, top) in zip(panels, PLACES, strict=True):
        for mask in draw_box_masks(panel):
            whole = np.zeros(size[::-1], dtype=bool)
            whole[top : top + BOX, left : left + BOX] = mask.array
            masks.append(Mask(whole, label=mask.label))
    return tuple(masks)
