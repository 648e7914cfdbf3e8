"""The panels world: three boxes of scattered items or of towers, and statements about them that are true or false.

In the manner of Cornell NLVR (Suhr, Lewis, Yeh, Artzi: A Corpus of Natural Language for Visual Reasoning, ACL 2017), with
the boxes as three pictures. The compositional split always shows one of three looks of an item, or one of three towers,
that the other splits neither show nor mention.
"""

from __future__ import annotations

import random
from functools import partial
from typing import Any

from omma.data.playground.base import SPLITS, WORLDS, DrawnImage, Question, Scene, Split, World, scene_random
from omma.data.playground.panels_drawing import draw_box, draw_box_masks, object_boxes
from omma.data.playground.panels_layout import BOX, HELD_OUT_ITEMS, HELD_OUT_TOWERS, Panels, sample_panels
from omma.data.playground.panels_questions import plain_questions
from omma.data.playground.panels_scattered import SCATTERED
from omma.data.playground.panels_statements import Voice, draw_claims
from omma.data.playground.panels_terms import Kind, Term
from omma.data.playground.panels_towers import TOWERS, Colors
from omma.data.playground.panels_words import Detail, ask_verdict, caption, describe

VERSION = 1
"""Part of every picture's key: bump it when the same scene is drawn differently."""


@WORLDS.register("panels")
class PanelsWorld(World):
    """Scenes of three boxes with 6 to 8 statements and a few plain questions."""

    name = "panels"

    def scene(self, split: Split, index: int) -> Scene:
        if split not in SPLITS or index < 0:
            raise ValueError(f"expected a split of {SPLITS} and an index >= 0, found {split!r} and {index}")
        rng, panels = _drawn(split, index)
        description, detail = describe(rng, panels, prefer_sizes=split == "compositional")
        key = f"playground/{VERSION}/{self.name}/{split}/{index}"
        questions = statements(rng, panels, split, detail, rng.randint(6, 8)) + plain_questions(rng, panels, rng.randint(1, 3))
        rng.shuffle(questions)
        return Scene(
            id=f"{self.name}/{split}/{index}",
            images=tuple(DrawnImage(f"{key}/{n}", (BOX, BOX), partial(draw_box, box)) for n, box in enumerate(panels)),
            caption=caption(rng, panels),
            description=description,
            questions=tuple(questions),
            boxes=object_boxes(panels[0]),
            masks=partial(draw_box_masks, panels[0]),
            facts=_facts(panels, detail),
        )


def panels_of(split: Split, index: int) -> Panels:
    """What is in the three boxes of that scene."""
    return _drawn(split, index)[1]


def _drawn(split: Split, index: int) -> tuple[random.Random, Panels]:
    """The boxes, and the state of the randomness after them, which the words go on with."""
    rng = scene_random(PanelsWorld.name, split, index)
    return rng, sample_panels(rng, split)


HELD_OUT_KINDS: tuple[Term, ...] = tuple(Kind(*look) for look in sorted(HELD_OUT_ITEMS))
HELD_OUT_STACKS: tuple[Term, ...] = tuple(Colors(stack) for stack in sorted(HELD_OUT_TOWERS))


def statements(rng: random.Random, panels: Panels, split: Split, detail: Detail, number: int) -> list[Question]:
    """Up to ``number``, to be called true or false; no text twice, however it is asked."""
    towers = bool(panels[0].towers)
    claims = draw_claims(
        rng,
        panels,
        TOWERS if towers else SCATTERED,
        number=number,
        sizes=detail.sizes,
        walls=detail.walls,
        split=split,
        held_out=HELD_OUT_STACKS if towers else HELD_OUT_KINDS,
    )
    said = {claim.form.say(Voice(rng), *claim.terms): truth for claim, truth in claims}
    return [Question(ask_verdict(rng, text), "true" if truth else "false", "statement") for text, truth in said.items()]


def _facts(panels: Panels, detail: Detail) -> dict[str, Any]:
    return {
        "boxes": [
            {
                "items": [
                    {
                        "color": i.color,
                        "shape": i.shape,
                        "size": i.size,
                        "left": i.left,
                        "top": i.top,
                        "walls": list(i.walls),
                    }
                    for i in box.items
                ],
                "towers": [list(tower.colors) for tower in box.towers],
            }
            for box in panels
        ],
        "described": {"sizes": detail.sizes, "walls": detail.walls},
    }
