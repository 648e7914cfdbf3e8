"""Pictures of known scenes read back: everything that is there, at other sizes, under noise and blur, and what is no shape."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from omma.data.playground.base import SPLITS, Scene
from omma.data.playground.shapes import Shapes
from omma.data.playground.shapes_layout import SHAPES
from omma.evaluation.drawing.read_back import REACH, Found, _outlines, read_back

WORLD = Shapes.Config().build()


def there(scene: Scene) -> Counter[tuple[str, ...]]:
    return Counter((t["color"], t["shape"], t["size"], t["place"]) for t in scene.facts["objects"])


def seen(found: list[Found]) -> Counter[tuple[str | None, ...]]:
    return Counter((t.color, t.shape, t.size, t.place) for t in found)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SPLITS), st.integers(0, 10**9))
def test_everything_is_read_as_it_is(split: str, index: int) -> None:
    scene = WORLD.scene(split, index)  # type: ignore[arg-type]
    found = read_back(scene.images[0].load())
    assert seen(found) == there(scene)
    width, height = scene.images[0].size
    ours = np.array(
        [(t.x * width - t.width / 2, t.y * height - t.height / 2, t.x * width + t.width / 2, t.y * height + t.height / 2) for t in found]
    )
    for box in scene.boxes:
        apart = np.abs(ours - (box.left, box.top, box.right, box.bottom)).max(1)
        assert apart.min() < 1.6


@pytest.mark.parametrize("worse", ["half the size", "twice the size", "noise", "blur"])
def test_reading_survives_what_tokenizers_do(worse: str) -> None:
    right = 0
    for index in range(60):
        scene = WORLD.scene("fresh", index)
        picture = scene.images[0].load()
        if worse == "noise":
            noise = np.random.default_rng(index).normal(0, 12, (*picture.size[::-1], 3))
            picture = Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))
        elif worse == "blur":
            picture = picture.filter(ImageFilter.GaussianBlur(1.0))
        else:
            factor = 0.5 if "half" in worse else 2
            picture = picture.resize((round(picture.width * factor), round(picture.height * factor)), Image.Resampling.LANCZOS)
        right += seen(read_back(picture)) == there(scene)
    assert right >= 57


def test_touching_things_of_two_colors_are_two() -> None:
    picture = Image.new("RGB", (128, 128), "white")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((20, 40, 59, 79), fill=(218, 36, 40))
    draw.ellipse((60, 40, 99, 79), fill=(42, 82, 218))
    assert [(t.color, t.shape, t.size) for t in read_back(picture)] == [("red", "square", "large"), ("blue", "circle", "large")]


def test_what_is_no_shape_has_none_and_nothing_is_found_in_nothing() -> None:
    picture = Image.new("RGB", (128, 128), "white")
    ImageDraw.Draw(picture).rectangle((20, 60, 110, 64), fill=(22, 22, 24))
    assert [(t.color, t.shape) for t in read_back(picture)] == [("black", None)]
    assert read_back(Image.new("RGB", (64, 64), "white")) == []
    assert read_back(Image.new("L", (1, 1))) == []
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    assert all(thing.shape is None for thing in read_back(Image.fromarray(noise)))


def test_outlines_have_area_one_and_lie_in_their_squares() -> None:
    outlines = _outlines()
    assert set(outlines.names) == set(SHAPES)
    for coverage, box in zip(outlines.coverage, outlines.boxes, strict=True):
        side = int(len(coverage) ** 0.5)
        assert coverage.sum() * (2 * REACH / side) ** 2 == pytest.approx(1, abs=0.03)
        assert max(map(abs, box)) < REACH
