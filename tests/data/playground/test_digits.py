from __future__ import annotations

import hashlib
import pickle
import re
from collections import Counter, defaultdict
from functools import lru_cache
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omma.data.playground.base import SPLITS, WORLDS, Scene, Split
from omma.data.playground.digits import Digits
from omma.data.playground.digits_layout import HELD_OUT_PAIRS, PLACES, Layout
from omma.data.playground.handwriting import TRAIN_GLYPHS, handwriting, rows_of_digits

WORLD = Digits(Digits.Config())
places = st.tuples(st.sampled_from(SPLITS), st.integers(0, 10**9))


@lru_cache(maxsize=4)
def scenes(split: Split, count: int) -> list[Scene]:
    return [WORLD.scene(split, i) for i in range(count)]


def layout_of(scene: Scene) -> Layout:
    facts = scene.facts
    cells = tuple((row, column) for row, column in facts["cells"])
    return Layout(facts["layout"], tuple(facts["shape"]), cells, tuple(facts["digits"]))


def test_registered_under_its_name() -> None:
    assert WORLDS.get("digits", where="test") is Digits


@pytest.mark.parametrize(("split", "index"), [("train", -1), ("test", 0)])
def test_places_that_do_not_exist_are_refused(split: Split, index: int) -> None:
    with pytest.raises(ValueError, match="splits"):
        WORLD.scene(split, index)


def test_the_data_is_all_there_and_in_the_published_order() -> None:
    cells, digits = handwriting()
    assert cells.shape == (1797, 8, 8) and cells.max() == 16
    assert digits[:10].tolist() == list(range(10))
    train, fresh = rows_of_digits("train"), rows_of_digits("fresh")
    assert sum(map(len, train)) == TRAIN_GLYPHS and sum(map(len, fresh)) == 397
    assert min(map(len, fresh)) > 30


@settings(max_examples=60, deadline=None)
@given(places)
def test_a_scene_is_the_same_after_a_trip_to_another_process(place: tuple[Split, int]) -> None:
    scene = WORLD.scene(*place)
    again = pickle.loads(pickle.dumps(WORLD.scene(*place)))
    assert (scene.id, scene.caption, scene.description, scene.questions, scene.boxes, scene.facts) == (
        again.id, again.caption, again.description, again.questions, again.boxes, again.facts,
    )  # fmt: skip
    assert scene.id == f"digits/{place[0]}/{place[1]}"
    image, other = scene.images[0], again.images[0]
    assert image.key == f"playground/1/digits/{place[0]}/{place[1]}/0" and image.key == other.key
    picture = image.load()
    assert picture.mode == "RGB" and picture.size == image.size and max(image.size) <= 128
    assert picture.tobytes() == other.load().tobytes()


@settings(max_examples=60, deadline=None)
@given(places)
def test_boxes_enclose_the_ink_and_lie_in_the_picture(place: tuple[Split, int]) -> None:
    scene = WORLD.scene(*place)
    width, height = scene.images[0].size
    masks = scene.masks()
    assert [box.label for box in scene.boxes] == [mask.label for mask in masks] == list(map(str, scene.facts["digits"]))
    for box, mask in zip(scene.boxes, masks, strict=True):
        ys, xs = np.nonzero(mask.array)
        assert mask.array.shape == (height, width) and len(ys) > 40
        ink = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        found = (box.left, box.top, box.right, box.bottom)
        assert max(abs(a - b) for a, b in zip(ink, found, strict=True)) < 3
        assert box.left >= 0 and box.top >= 0 and box.right <= width and box.bottom <= height


@settings(max_examples=40, deadline=None)
@given(places)
def test_digits_stand_apart_and_contrast_with_the_paper(place: tuple[Split, int]) -> None:
    scene = WORLD.scene(*place)
    pixels = np.asarray(scene.images[0].load(), np.float32).mean(axis=2)
    masks = [mask.array for mask in scene.masks()]
    covered = np.sum(masks, axis=0)
    assert covered.max() == 1
    assert abs(pixels[covered > 0].mean() - np.median(pixels[covered == 0])) > 70


def test_boxes_leave_paper_between_them() -> None:
    for scene in [*scenes("train", 1500), WORLD.scene("compositional", 77143184)]:
        for a, b in combinations(scene.boxes, 2):
            across, down = min(a.right, b.right) - max(a.left, b.left), min(a.bottom, b.bottom) - max(a.top, b.top)
            assert min(across, down) <= -1, (scene.id, a, b)


def test_scattered_digits_are_clearly_inside_their_parts_of_the_picture() -> None:
    for scene in scenes("train", 1500):
        if scene.facts["layout"] != "scatter":
            continue
        for box, (row, column) in zip(scene.boxes, scene.facts["cells"], strict=True):
            x, y = (box.left + box.right) / 2 / 128 * 3, (box.top + box.bottom) / 2 / 128 * 3
            assert abs(x - column - 0.5) < 0.3 and abs(y - row - 0.5) < 0.3


def test_held_out_pairs_stand_together_in_compositional_scenes_only() -> None:
    for split, expected in (("train", False), ("fresh", False), ("compositional", True)):
        for scene in scenes(split, 1500):
            grid = {tuple(cell): digit for cell, digit in zip(scene.facts["cells"], scene.facts["digits"], strict=True)}
            pairs = [
                (digit, grid[after])
                for (row, column), digit in grid.items()
                for after in ((row, column + 1), (row + 1, column))
                if after in grid
            ]
            assert any(pair in HELD_OUT_PAIRS for pair in pairs) is expected, scene.id


def test_handwriting_of_training_is_not_shown_in_tests() -> None:
    for split in SPLITS:
        for scene in scenes(split, 1500):
            assert all((row < TRAIN_GLYPHS) == (split == "train") for row in scene.facts["glyphs"])
            shown = handwriting()[1][scene.facts["glyphs"]].tolist()
            assert shown == scene.facts["digits"]


def test_the_description_tells_every_digit_and_its_place() -> None:
    seen: Counter[str] = Counter()
    for scene in scenes("train", 1500):
        layout, words = layout_of(scene), scene.description
        seen[layout.name] += 1
        if layout.name == "scatter":
            found = {place: int(d) for d, place in re.findall(r"an? (\d) (?:at|in) the ((?:\w+ )?\w+)", words)}
            expected = {PLACES[r][c]: d for (r, c), d in zip(layout.cells, layout.digits, strict=True)}
            assert found == expected, words
        elif layout.name == "grid":
            rows = re.findall(r"row: ([\d ]+)", words)
            assert [tuple(map(int, row.split())) for row in rows] == layout.rows(), words
        else:
            assert tuple(map(int, re.findall(r"\d", words))) == layout.digits, words
    assert set(seen) == {"single", "row", "column", "grid", "scatter", "sum"}


def test_answers_follow_from_the_digits() -> None:
    checked: Counter[str] = Counter()
    for scene in scenes("train", 1500):
        layout = layout_of(scene)
        digits, n = list(layout.digits), len(layout.digits)
        meaning = {name: digits[i] for i in range(n) for name in layout.names(i)}
        for question in scene.questions:
            text, answer = question.text, question.answer
            named = sorted((name for name in meaning if name in text), key=len, reverse=True)
            if question.kind == "read" and "number" in text and n > 1:
                assert answer == "".join(map(str, digits))
            elif question.kind == "position" and "of the" not in text and "the digit " not in text and named:
                if not re.search(r"(above|below) the \d", text):
                    assert answer == str(meaning[named[0]]), (text, digits)
            elif question.kind == "extreme":
                most = max if re.search("largest|biggest|highest", text) else min
                assert answer == str(most(digits))
            elif question.kind == "exist":
                assert answer == ("yes" if int(re.findall(r"\d", text)[0]) in digits else "no")
            elif question.kind == "count":
                number = re.findall(r"\d", text)
                if not number:
                    assert answer == str(n)
                elif re.search("larger|above|greater|over|exceed", text):
                    assert answer == str(sum(d > int(number[0]) for d in digits))
                else:
                    assert answer == str(digits.count(int(number[0])))
            elif question.kind == "sum" and not named:
                assert answer == str(sum(digits))
            else:
                continue
            checked[question.kind] += 1
    assert set(checked) == {"read", "position", "extreme", "exist", "count", "sum"}


def test_questions_are_many_short_and_of_different_kinds() -> None:
    phrasings: dict[str, set[str]] = defaultdict(set)
    for scene in scenes("train", 1500):
        texts = [question.text for question in scene.questions]
        assert 5 <= len(texts) <= 9 and len(set(texts)) == len(texts)
        kinds = Counter(question.kind for question in scene.questions)
        assert len(kinds) >= 3 and kinds["exist"] <= 1 and kinds["parity"] <= 1
        for question in scene.questions:
            assert question.answer == question.answer.lower() and 0 < len(question.answer.split()) <= 5
            phrasings[question.kind].add(re.sub(r"\d", "#", question.text))
    assert set(phrasings) == {
        "read", "position", "where", "count", "sum", "extreme", "exist", "compare", "parity", "step",
    }  # fmt: skip
    assert min(map(len, phrasings.values())) >= 8


def test_no_prior_pays() -> None:
    by_text: dict[str, Counter[str]] = defaultdict(Counter)
    by_kind: dict[str, Counter[str]] = defaultdict(Counter)
    for scene in scenes("train", 1500):
        for question in scene.questions:
            by_text[question.text][question.answer] += 1
            by_kind[question.kind][question.answer] += 1
    questions = [question for scene in scenes("fresh", 2000) for question in scene.questions]
    right = sum((by_text.get(q.text) or by_kind[q.kind]).most_common(1)[0][0] == q.answer for q in questions)
    assert right / len(questions) < 0.25
    assert sum(q.kind == "exist" for q in questions) / len(questions) < 0.15
    yes = Counter(q.answer for q in questions if q.kind == "exist")
    assert 0.44 < yes["yes"] / sum(yes.values()) < 0.56
    shown = Counter(digit for scene in scenes("fresh", 2000) for digit in scene.facts["digits"])
    assert max(shown.values()) / min(shown.values()) < 1.25


def test_golden_text() -> None:
    """Changes when any scene changes: then the playground's version must change too."""
    told = [
        (scene.id, scene.caption, scene.description, [(q.text, q.answer, q.kind) for q in scene.questions], scene.facts)
        for split in SPLITS
        for scene in (WORLD.scene(split, i) for i in range(5))
    ]
    assert hashlib.sha256(repr(told).encode()).hexdigest()[:16] == "fed55a2f4f0019bd"
