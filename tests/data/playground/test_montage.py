"""The montage world: the panels world's scenes on one sheet."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omma.data.playground import SPLITS
from omma.data.playground.montage import PLACES, MontageWorld
from omma.data.playground.panels import PanelsWorld

WORLD, PANELS = MontageWorld.Config().build(), PanelsWorld.Config().build()


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(SPLITS), st.integers(0, 10**9))
def test_the_words_of_the_panels_and_all_of_their_pixels(split: str, index: int) -> None:
    scene, panels = WORLD.scene(split, index), PANELS.scene(split, index)
    assert (scene.questions, scene.description, scene.facts) == (panels.questions, panels.description, panels.facts)
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


def test_pictures_have_distinct_keys_and_survive_pickling() -> None:
    scenes = [WORLD.scene(split, index) for split in SPLITS for index in range(10)]
    assert len({image.key for scene in scenes for image in scene.images}) == 30
    for scene in scenes[:5]:
        again = pickle.loads(pickle.dumps(scene))
        assert again.images[0].load().tobytes() == scene.images[0].load().tobytes()


def test_bad_places_are_refused() -> None:
    with pytest.raises(ValueError, match="split"):
        WORLD.scene("test", 0)
