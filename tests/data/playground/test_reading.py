"""The world of reading: what is asked follows from the description, and what is described is on the picture."""

from __future__ import annotations

import hashlib
import pickle
import re
from collections import Counter
from dataclasses import replace
from functools import lru_cache, partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omma.data.playground.base import SPLITS, WORLDS, Scene, Split
from omma.data.playground.digits import Page as Handwritten
from omma.data.playground.documents_drawing import Finish, draw_page
from omma.data.playground.documents_layouts import SMALLEST, Page
from omma.data.playground.fonts import HELD_OUT_FONTS, TRAIN_FONTS
from omma.data.playground.handwriting import TRAIN_GLYPHS
from omma.data.playground.reading import LARGEST_SKEW, Reading

WORLD = Reading(Reading.Config())
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
BLACK_ON_WHITE = Finish((255, 255, 255), (0, 0, 0), 0.0, (0.0, 0.0), 0.0, 0.0, 0)
places = st.tuples(st.sampled_from(SPLITS), st.integers(0, 10**9))


@lru_cache(maxsize=3)
def scenes(split: Split) -> list[Scene]:
    return [WORLD.scene(split, index) for index in range(400)]


def page_of(scene: Scene) -> Page | Handwritten:
    draw = scene.images[0].draw
    assert isinstance(draw, partial)
    return draw.args[0]


def printed(split: Split) -> list[tuple[Scene, Page]]:
    return [(scene, page) for scene in scenes(split) if isinstance(page := page_of(scene), Page)]


def handwritten(split: Split) -> list[tuple[Scene, Handwritten]]:
    return [(scene, page) for scene in scenes(split) if isinstance(page := page_of(scene), Handwritten)]


def test_registered_under_its_name() -> None:
    assert WORLDS.get("reading", where="test") is Reading


@pytest.mark.parametrize(("split", "index"), [("train", -1), ("test", 0)])
def test_places_that_do_not_exist_are_refused(split: Split, index: int) -> None:
    with pytest.raises(ValueError, match="splits train, fresh, compositional and indices from 0"):
        WORLD.scene(split, index)


@settings(max_examples=40, deadline=None)
@given(places)
def test_a_scene_is_the_same_after_a_trip_to_another_process(place: tuple[Split, int]) -> None:
    scene, again = WORLD.scene(*place), pickle.loads(pickle.dumps(WORLD.scene(*place)))
    assert (scene.id, scene.caption, scene.description, scene.questions, scene.words, scene.facts) == (
        again.id, again.caption, again.description, again.questions, again.words, again.facts,
    )  # fmt: skip
    assert scene.id == f"reading/{place[0]}/{place[1]}"
    image, other = scene.images[0], again.images[0]
    assert image.key == other.key == f"playground/1/reading/{place[0]}/{place[1]}/0"
    picture = image.load()
    assert picture.mode == "RGB" and picture.size == image.size and max(image.size) <= 128
    assert picture.tobytes() == other.load().tobytes()


@pytest.mark.parametrize("split", SPLITS)
def test_answers_follow_from_the_description(split: Split) -> None:
    for scene in scenes(split):
        lines = scene.description.split(" / ")
        assert scene.facts["lines"] == lines and scene.description == scene.description.lower()
        assert re.fullmatch(rf"{len(lines)} lines? of (words|handwritten digits)", scene.caption)
        texts = [question.text for question in scene.questions]
        assert len(set(texts)) == len(texts) == min(3, len(lines)) + 2
        for question in scene.questions:
            if question.text == "how many lines are there?":
                expected = str(len(lines))
            else:
                match = re.fullmatch("what does the ([a-z]+) line say[?]", question.text)
                assert match, question
                expected = lines[-1 if match[1] == "last" else ORDINALS.index(match[1])]
            assert question.answer == expected, (scene.id, question)
    counts = Counter(len(scene.facts["lines"]) for scene in scenes(split))
    assert max(counts.values()) / counts.total() < 0.35


@pytest.mark.parametrize("split", SPLITS)
def test_words_have_boxes_on_the_picture_in_reading_order(split: Split) -> None:
    for scene in scenes(split):
        width, height = scene.images[0].size
        assert all(0 <= box.left < box.right <= width and 0 <= box.top < box.bottom <= height for box in scene.words)
        assert [box.label.lower() for box in scene.words] == scene.description.replace(" / ", " ").split()
        boxes = iter(scene.words)
        lines = [[next(boxes) for _ in line.split()] for line in scene.facts["lines"]]
        for line in lines:
            assert all(a.right <= b.left + 2 for a, b in zip(line, line[1:], strict=False)), scene.id
        middles = [np.mean([(box.top + box.bottom) / 2 for box in line]) for line in lines]
        assert middles == sorted(middles), scene.id


def test_held_out_fonts_are_in_the_compositional_split_only() -> None:
    for split in SPLITS:
        shown = {word.font for _, page in printed(split) for word in page.words}
        assert shown == set(HELD_OUT_FONTS if split == "compositional" else TRAIN_FONTS)
    assert not handwritten("compositional")


def test_handwriting_of_training_is_not_shown_in_tests() -> None:
    for split, trained in (("train", True), ("fresh", False)):
        assert 0.2 < len(handwritten(split)) / len(scenes(split)) < 0.4
        for scene, page in handwritten(split):
            assert all((glyph.row < TRAIN_GLYPHS) == trained for glyph in page.glyphs)
            assert [str(glyph.digit) for glyph in page.glyphs] == [box.label for box in scene.words]
            assert [mask.label for mask in scene.masks()] == [box.label for box in scene.words]


@pytest.mark.parametrize("split", SPLITS)
def test_print_is_legible_and_nothing_but_words_is_ink(split: Split) -> None:
    for scene, page in printed(split)[:80]:
        assert min(word.size for word in page.words) >= SMALLEST and abs(page.skew) <= LARGEST_SKEW
        assert scene.masks() == ()
        ink = 255 - np.asarray(draw_page(page, BLACK_ON_WHITE).convert("L"), dtype=np.int32)
        outside = ink.copy()
        for box in scene.words:
            left, top = max(0, int(box.left) - 1), max(0, int(box.top) - 1)
            right, bottom = int(np.ceil(box.right)) + 1, int(np.ceil(box.bottom)) + 1
            assert (ink[top:bottom, left:right] > 100).mean() > 0.04, (scene.id, box)
            outside[top:bottom, left:right] = 0
        assert outside.max() < 40, scene.id


def test_printed_words_do_not_overlap() -> None:
    for split in SPLITS:
        for scene, page in printed(split):
            boxes = replace(page, skew=0.0).word_boxes()
            for i, a in enumerate(boxes):
                for b in boxes[i + 1 :]:
                    apart = a.right <= b.left or b.right <= a.left or a.bottom <= b.top or b.bottom <= a.top
                    assert apart, (scene.id, a, b)


def test_digits_stand_apart_in_boxes_that_fit_their_ink() -> None:
    for split in ("train", "fresh"):
        for scene, _ in handwritten(split)[:60]:
            masks = [mask.array for mask in scene.masks()]
            assert np.sum(masks, axis=0).max() == 1, scene.id
            pixels = np.asarray(scene.images[0].load(), np.float32).mean(axis=2)
            covered = np.any(masks, axis=0)
            assert abs(pixels[covered].mean() - np.median(pixels[~covered])) > 40, scene.id
            for box, mask in zip(scene.words, masks, strict=True):
                ys, xs = np.nonzero(mask)
                ink = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
                assert np.abs(np.subtract(ink, (box.left, box.top, box.right, box.bottom))).max() < 3, (scene.id, box)


def test_the_texts_of_known_scenes_never_change() -> None:
    """Changes when any scene changes, and when print is measured differently: what fits a line decides what it says."""
    told = [
        (scene.id, scene.caption, scene.description, [(q.text, q.answer, q.kind) for q in scene.questions], scene.facts)
        for split in SPLITS
        for scene in scenes(split)[:20]
    ]
    assert hashlib.sha256(repr(told).encode()).hexdigest()[:16] == "faef599b0eb8230a"
