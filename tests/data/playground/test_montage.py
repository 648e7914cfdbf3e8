"""The montage world: the panels world's scenes on one sheet."""

from __future__ import annotations

import pickle
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omma.data.playground import SPLITS
from omma.data.playground.montage import PLACES, MontageWorld
from omma.data.playground.panels import PanelsWorld
from omma.data.playground.panels_layout import COLORS, SHAPES, SIZES

WORLD, PANELS = MontageWorld.Config().build(), PanelsWorld.Config().build()
PLURALS = tuple(f"{shape}s" for shape in SHAPES)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(SPLITS), st.integers(0, 10**9))
def test_the_words_of_the_panels_and_all_of_their_pixels(split: str, index: int) -> None:
    scene, panels = WORLD.scene(split, index), PANELS.scene(split, index)
    assert (scene.description, scene.caption, scene.facts) == (panels.description, panels.caption, panels.facts)
    assert set(panels.questions) <= set(scene.questions)
    assert len({question.text for question in scene.questions}) == len(scene.questions)
    assert scene.id == f"montage/{split}/{index}"
    (image,) = scene.images
    sheet = image.load()
    assert sheet.size == image.size == (204, 204)
    for one, (left, top) in zip(panels.images, PLACES, strict=True):
        assert sheet.crop((left, top, left + 100, top + 100)).tobytes() == one.load().tobytes()
    assert scene.boxes[: len(panels.boxes)] == panels.boxes
    pixels = np.asarray(sheet)
    drawn = (pixels != 211).any(axis=-1) & (pixels != 64).any(axis=-1)
    union = np.zeros_like(drawn)
    for mask, box in zip(scene.masks(), scene.boxes, strict=True):
        assert mask.label == box.label
        rows, columns = np.nonzero(mask.array)
        assert np.allclose((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1),
                           (box.left, box.top, box.right, box.bottom), atol=1.1)  # fmt: skip
        assert not (union & mask.array).any()
        union |= mask.array
    assert not (union & ~drawn).any() and union.sum() > 0.8 * drawn.sum()


def test_every_item_of_every_box_has_a_name() -> None:
    for index in range(50):
        scene = WORLD.scene("train", index)
        named = sorted(box.label for box in scene.boxes)
        items = [f"{i['size']} {i['color']} {i['shape']}" for box in scene.facts["boxes"] for i in box["items"]]
        blocks = [f"{color} block" for box in scene.facts["boxes"] for tower in box["towers"] for color in tower]
        assert named == sorted(items + blocks)


def test_more_is_asked_of_a_sheet_and_as_often_true_as_false() -> None:
    asked = [question for index in range(200) for question in WORLD.scene("train", index).questions]
    statements = [question for question in asked if question.kind == "statement"]
    assert len(statements) > 200 * 16 and abs(sum(q.answer == "true" for q in statements) / len(statements) - 0.5) < 0.03
    assert sum(question.kind == "each" for question in asked) > 200 * 4


BLOCKS = {"top block": -1, "second block from the top": -2, "block at the base": 0, "second block from the base": 1}
SIDES = {"bottom": "bottom", "base": "bottom", "top": "top", "upper": "top", "left": "left", "right": "right"}


def touches(item: dict[str, Any], wall: str) -> bool:
    side = next((side for name, side in SIDES.items() if name in wall.split()), None)
    return len(item["walls"]) == 2 if "corner" in wall else side in item["walls"] if side else bool(item["walls"])


def expected(text: str, boxes: list[dict[str, Any]]) -> list[str]:
    """What is so in each box, read off the facts by the words of the question."""
    text = text.lower()
    for place, at in BLOCKS.items():
        if re.search(rf"{place}\b", text):
            return [box["towers"][0][at] for box in boxes]
    if "towers" in text:
        return [str(len(box["towers"])) for box in boxes]
    if different := re.search("different (color|shape)s", text):
        held = [[i[different[1]] for i in box["items"]] or [c for tower in box["towers"] for c in tower] for box in boxes]
        return [str(len(set(names))) for names in held]
    touching = re.search(r"(not )?touching (.*?)(?:\?| are in| does each|:| in | there|\.)", f"{text}.")
    said = set(re.findall("[a-z]+", text.replace(touching[0], "") if touching else text))
    if "blocks" in said:
        return [str(sum(c in said or not said & {*COLORS} for tower in box["towers"] for c in tower)) for box in boxes]

    def counted(item: dict[str, Any]) -> bool:
        looks = {item["color"]: COLORS, item["size"]: SIZES, f"{item['shape']}s": PLURALS}
        if not all(look in said or not said & {*options} for look, options in looks.items()):
            return False
        return not touching or touches(item, touching[2]) != bool(touching[1])

    return [str(sum(map(counted, box["items"]))) for box in boxes]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**9))
def test_questions_of_each_box_are_answered_from_the_first_to_the_third(index: int) -> None:
    scene = WORLD.scene("fresh", index)
    for question in scene.questions:
        if question.kind == "each":
            assert question.answer.split(", ") == expected(question.text, scene.facts["boxes"]), question.text
            assert scene.facts["described"]["walls"] or "touching" not in question.text
            assert scene.facts["described"]["sizes"] or not {*SIZES} & {*question.text.lower().split()}


def test_pictures_have_distinct_keys_and_survive_pickling() -> None:
    scenes = [WORLD.scene(split, index) for split in SPLITS for index in range(10)]
    assert len({image.key for scene in scenes for image in scene.images}) == 30
    for scene in scenes[:5]:
        again = pickle.loads(pickle.dumps(scene))
        assert again.images[0].load().tobytes() == scene.images[0].load().tobytes()


def test_bad_places_are_refused() -> None:
    with pytest.raises(ValueError, match="split"):
        WORLD.scene("test", 0)
