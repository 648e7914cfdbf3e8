"""The sheets world: a page and a chart on one large sheet."""

from __future__ import annotations

import pickle

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from omma.data.playground import SPLITS, Scene
from omma.data.playground.charts import Charts
from omma.data.playground.documents import Documents
from omma.data.playground.sheets import Sheets
from omma.data.sample import Box

WORLD, PAGES, CHARTS = Sheets.Config().build(), Documents.Config().build(), Charts.Config().build()


def back(boxes: tuple[Box, ...], corner: tuple[float, float]) -> list[tuple[float, ...]]:
    """All numbers of boxes on the sheet, as they were on their own pictures."""
    left, top = corner
    return [
        (*(b.left - left, b.top - top, b.right - left, b.bottom - top), *(n for x, y in b.places() for n in (x - left, y - top)))
        for b in boxes
    ]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(SPLITS), st.integers(0, 10**9))
def test_every_pixel_of_both_and_every_word_at_its_place(split: str, index: int) -> None:
    scene, page, chart = (world.scene(split, index) for world in (WORLD, PAGES, CHARTS))
    (image,) = scene.images
    sheet = image.load()
    assert sheet.size == image.size and max(sheet.size) > 128
    pixels = np.asarray(sheet)
    assert len(scene.words) == len(page.words) + len(chart.words)
    # Whichever of them comes first lies above or to the left.
    pages_first = [box.label for box in scene.words[: len(page.words)]] == [box.label for box in page.words]
    for one, words in zip((page, chart), halves(scene, len(page.words), pages_first), strict=True):
        corner = words[0].left - one.words[0].left, words[0].top - one.words[0].top
        assert np.allclose(sum(back(words, corner), ()), sum(back(one.words, (0, 0)), ()))
        left, top = (round(number) for number in corner)
        picture = np.asarray(one.images[0].load().convert("RGB"))
        assert np.array_equal(pixels[top : top + len(picture), left : left + picture.shape[1]], picture)


def halves(scene: Scene, of_page: int, pages_first: bool) -> tuple[tuple[Box, ...], tuple[Box, ...]]:
    if pages_first:
        return scene.words[:of_page], scene.words[of_page:]
    return scene.words[-of_page:], scene.words[:-of_page]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SPLITS), st.integers(0, 10**9))
def test_questions_are_those_of_both_that_mean_one_of_them(split: str, index: int) -> None:
    scene, page, chart = (world.scene(split, index) for world in (WORLD, PAGES, CHARTS))
    assert scene.questions and set(scene.questions) <= {*page.questions, *chart.questions}
    assert len({question.text for question in scene.questions}) == len(scene.questions)
    printed = [{word for box in one.words for word in words_of(box.label)} for one in (page, chart)]
    both = printed[0] & printed[1]
    for question in scene.questions:
        assert both.isdisjoint(words_of(question.text)), question


def words_of(text: str) -> list[str]:
    return [word.strip(".,:;?!/()%$") for word in text.lower().split()]


def test_both_are_asked_about_and_a_name_that_both_print_is_not() -> None:
    kinds: set[str] = set()
    dropped = 0
    for index in range(300):
        scene, page = WORLD.scene("train", index), PAGES.scene("train", index)
        kinds |= {question.kind for question in scene.questions}
        texts = {question.text for question in scene.questions}
        dropped += "what is the name?" in {question.text for question in page.questions} and "what is the name?" not in texts
        assert "what is the name?" not in texts
    assert dropped and {"field", "locate", "cell", "read", "value", "order", "extreme", "difference"} <= kinds


def test_a_scene_travels_to_workers() -> None:
    image = WORLD.scene("fresh", 3).images[0]
    assert pickle.loads(pickle.dumps(image)).load().tobytes() == image.load().tobytes()
