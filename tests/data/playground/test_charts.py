from __future__ import annotations

import hashlib
import pickle
import re
from collections import Counter, defaultdict
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from omma.data.playground.base import SPLITS, WORLDS, Scene, Split
from omma.data.playground.charts import Charts
from omma.data.playground.charts_table import COLORS, FAMILIES, HELD_OUT_COLORS, HELD_OUT_FAMILIES, KINDS
from omma.data.playground.fonts import HELD_OUT_FONTS, TRAIN_FONTS

WORLD = Charts(Charts.Config())
ORDINALS = ("first", "second", "third", "fourth", "fifth")
places = st.tuples(st.sampled_from(SPLITS), st.integers(0, 10**9))


@lru_cache(maxsize=4)
def scenes(split: Split, count: int) -> list[Scene]:
    return [WORLD.scene(split, i) for i in range(count)]


def combinations(scene: Scene) -> set[tuple[str, str]]:
    facts = scene.facts
    found = {(facts["type"], facts["family"])}
    return found | {(facts["type"], facts["colors"][0])} if facts["shared_color"] else found


def test_registered_under_its_name() -> None:
    assert WORLDS.get("charts", where="test") is Charts


@pytest.mark.parametrize(("split", "index"), [("train", -1), ("test", 0)])
def test_places_that_do_not_exist_are_refused(split: Split, index: int) -> None:
    with pytest.raises(ValueError, match="splits"):
        WORLD.scene(split, index)


@settings(max_examples=60, deadline=None)
@given(places)
def test_a_scene_is_the_same_after_a_trip_to_another_process(place: tuple[Split, int]) -> None:
    scene = WORLD.scene(*place)
    again = pickle.loads(pickle.dumps(WORLD.scene(*place)))
    assert (scene.id, scene.caption, scene.description, scene.questions, scene.boxes, scene.words, scene.facts) == (
        again.id, again.caption, again.description, again.questions, again.boxes, again.words, again.facts,
    )  # fmt: skip
    assert scene.id == f"charts/{place[0]}/{place[1]}"
    image, other = scene.images[0], again.images[0]
    assert image.key == f"playground/1/charts/{place[0]}/{place[1]}/0" and image.key == other.key
    picture = image.load()
    assert picture.mode == "RGB" and picture.size == image.size and max(image.size) == 128
    assert picture.tobytes() == other.load().tobytes()


@settings(max_examples=80, deadline=None)
@given(places)
@example(("compositional", 1412))
def test_shapes_have_their_color_their_box_and_their_size(place: tuple[Split, int]) -> None:
    scene = WORLD.scene(*place)
    facts, masks = scene.facts, scene.masks()
    pixels = np.asarray(scene.images[0].load(), np.int32)
    unit = " percent" if facts["type"] == "pie" else ""
    rows = zip(facts["names"], facts["values"], facts["colors"], strict=True)
    assert [box.label for box in scene.boxes] == [f"{name} {value}{unit} {color}" for name, value, color in rows]
    assert [mask.label for mask in masks] == facts["names"]
    for box, mask, color in zip(scene.boxes, masks, facts["colors"], strict=True):
        ys, xs = np.nonzero(mask.array)
        assert mask.array.shape == pixels.shape[:2]
        ink = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        assert max(abs(a - b) for a, b in zip(ink, (box.left, box.top, box.right, box.bottom), strict=True)) <= 2
        distances = ((pixels[ys, xs][:, None] - np.array(list(COLORS.values()))) ** 2).sum(axis=2)
        # The outline of a short bar has as many pixels as what it encloses.
        filled = distances[distances.min(axis=1) < 3000]
        assert list(COLORS)[np.bincount(filled.argmin(axis=1)).argmax()] == color
    if facts["type"] == "pie":
        areas = np.array([mask.array.sum() for mask in masks])
        assert np.abs(100 * areas / areas.sum() - facts["values"]).max() < 2


@settings(max_examples=80, deadline=None)
@given(places)
def test_values_can_be_read_from_the_axis(place: tuple[Split, int]) -> None:
    scene = WORLD.scene(*place)
    kind = scene.facts["type"]
    if kind == "pie":
        return
    words = scene.words
    # The axis prints 0, 5 and 10 before names and values.
    start = next(i for i in range(len(words)) if [word.label for word in words[i : i + 3]] == ["0", "5", "10"])
    ticks = words[start : start + 3]
    middle = [((t.left + t.right) / 2 if kind == "horizontal" else (t.top + t.bottom) / 2) for t in ticks]
    unit = (middle[2] - middle[0]) / 10
    assert abs(unit) >= 5
    for box, value in zip(scene.boxes, scene.facts["values"], strict=True):
        tip = box.right if kind == "horizontal" else (box.top + box.bottom) / 2 if kind == "line" else box.top
        assert abs((tip - middle[0]) / unit - value) < 0.4


@settings(max_examples=150, deadline=None)
@given(places)
def test_printed_words_lie_in_the_picture_and_never_overlap(place: tuple[Split, int]) -> None:
    scene = WORLD.scene(*place)
    width, height = scene.images[0].size
    for i, a in enumerate(scene.words):
        assert a.left >= 0 and a.top >= 0 and a.right <= width and a.bottom <= height, (scene.id, a)
        for b in scene.words[:i]:
            apart = a.left >= b.right or b.left >= a.right or a.top >= b.bottom or b.top >= a.bottom
            assert apart, (scene.id, a, b)
    labels = [word.label for word in scene.words]
    assert all(name in labels for name in scene.facts["names"])
    assert all(word in labels for word in scene.facts["title"].split())
    if scene.facts["values_printed"]:
        assert not Counter(map(str, scene.facts["values"])) - Counter(labels)


def test_printed_words_have_ink_where_their_boxes_are() -> None:
    for scene in scenes("train", 60):
        pixels = np.asarray(scene.images[0].load().convert("L"), np.float32)
        for word in scene.words:
            patch = pixels[int(word.top) : int(word.bottom), int(word.left) : int(word.right)]
            assert patch.max() - patch.min() > 60, (scene.id, word)
            assert len(word.characters) == len(word.label)
            assert list(word.characters) == sorted(word.characters)
            for x, y in word.characters:
                assert word.left - 1 < x < word.right + 1 and word.top < y < word.bottom, (scene.id, word)


def test_held_out_combinations_and_fonts_are_in_compositional_scenes_only() -> None:
    held_out = HELD_OUT_FAMILIES | HELD_OUT_COLORS
    fonts: Counter[tuple[str, bool]] = Counter()
    for split, expected in (("train", False), ("fresh", False), ("compositional", True)):
        for scene in scenes(split, 1200):
            assert bool(combinations(scene) & held_out) is expected, scene.id
            fonts[split, scene.facts["font"] in HELD_OUT_FONTS] += 1
    assert fonts["train", True] == fonts["fresh", True] == 0
    assert 0.4 < fonts["compositional", True] / 1200 < 0.6


def test_every_part_of_a_held_out_combination_is_trained_on() -> None:
    seen = {pair for scene in scenes("train", 1200) for pair in combinations(scene)}
    for kind in KINDS:
        assert sum((kind, family) in seen for family in FAMILIES) == len(FAMILIES) - 1
    for kind, color in HELD_OUT_COLORS:
        assert any((other, color) in seen for other in KINDS if other != kind)
    assert {scene.facts["font"] for scene in scenes("train", 1200)} == set(TRAIN_FONTS)


def test_the_description_is_the_whole_table() -> None:
    for split in SPLITS:
        for scene in scenes(split, 1200):
            facts, words = scene.facts, scene.description
            assert len(words.split()) <= 50
            found = re.findall(r"(\w+)(?: is|:)? (\d+)(?: percent)?(?: \((\w+)\)| in (\w+))?", words)
            assert [(name, int(value)) for name, value, _, _ in found] == list(
                zip(facts["names"], facts["values"], strict=True)
            ), words
            if facts["shared_color"]:
                assert words.endswith(f" {facts['colors'][0]}.")
            else:
                assert [a or b for _, _, a, b in found] == facts["colors"]
            assert facts["title"] in words and ("titled" in words) == bool(facts["title"])


def test_answers_follow_from_the_table() -> None:
    checked: Counter[str] = Counter()
    for scene in scenes("train", 1200):
        facts = scene.facts
        names, values = facts["names"], facts["values"]
        table = dict(zip(names, values, strict=True))
        for question in scene.questions:
            text, answer, kind = question.text, question.answer, question.kind
            asked = [word for word in re.findall(r"[a-z]+", text) if word in table]
            if kind == "value" and asked:
                expected = str(table[asked[0]])
            elif kind == "lookup":
                expected = names[values.index(int(re.findall(r"\d+", text)[0]))]
            elif kind == "extreme" and "second" not in text:
                high = re.search("highest|tallest|largest|longest|biggest", text)
                expected = (max if high else min)(names, key=lambda name: table[name])
            elif kind == "compare":
                high = re.search("higher|larger|bigger", text)
                expected = (max if high else min)(asked, key=lambda name: table[name])
            elif kind == "is_more":
                more = re.search("higher|larger|bigger", text) is not None
                expected = "yes" if (table[asked[0]] > table[asked[1]]) == more else "no"
            elif kind == "difference":
                expected = str(abs(table[asked[0]] - table[asked[1]]))
            elif kind == "sum":
                expected = str(table[asked[0]] + table[asked[1]])
            elif kind == "threshold":
                limit, above = int(re.findall(r"\d+", text)[0]), re.search("above|over|higher", text)
                expected = str(sum(value > limit if above else value < limit for value in values))
            elif kind == "trend":
                expected = "rise" if table[asked[1]] > table[asked[0]] else "fall"
            elif kind == "order" and facts["type"] == "pie":
                step = 1 if "after" in text else -1
                expected = names[(names.index(asked[0]) + step) % len(names)]
            elif kind == "order" and asked:
                expected = names[names.index(asked[0]) + (1 if "after" in text or "below" in text else -1)]
            elif kind == "order":
                ordinal = next(i for i, word in enumerate(ORDINALS) if word in text)
                expected = names[-1 - ordinal if re.search("bottom|right", text) else ordinal]
            elif kind == "count":
                expected = str(len(names))
            elif kind == "title":
                expected = facts["title"]
            else:
                continue
            assert answer == expected, (scene.id, text)
            checked[kind] += 1
            if facts["type"] == "pie" and kind in ("compare", "is_more"):
                assert abs(table[asked[0]] - table[asked[1]]) >= 8
    assert len(checked) == 12


def test_questions_are_many_short_and_of_different_kinds() -> None:
    phrasings: dict[str, set[str]] = defaultdict(set)
    variety = 0
    known = set(COLORS) | {name for family in FAMILIES.values() for name in family}
    for scene in scenes("train", 1200):
        texts = [question.text for question in scene.questions]
        assert 5 <= len(texts) <= 9 and len(set(texts)) == len(texts)
        kinds = Counter(question.kind for question in scene.questions)
        assert len(kinds) >= 2 and max(kinds.values()) <= 3 and kinds["is_more"] <= 1 and kinds["trend"] <= 1
        variety += len(kinds)
        for question in scene.questions:
            assert question.answer == question.answer.lower() and 0 < len(question.answer.split()) <= 2
            phrasings[question.kind].add(re.sub(r"[a-z]+|\d+", lambda m: "#" if m[0] in known else m[0], question.text))
    assert len(phrasings) == 14 and variety / 1200 > 5
    assert min(map(len, phrasings.values())) >= 8


def test_no_prior_pays() -> None:
    by_text: dict[str, Counter[str]] = defaultdict(Counter)
    by_kind: dict[str, Counter[str]] = defaultdict(Counter)
    for scene in scenes("train", 1200):
        for question in scene.questions:
            by_text[question.text][question.answer] += 1
            by_kind[question.kind][question.answer] += 1
    questions = [question for scene in scenes("fresh", 2000) for question in scene.questions]
    right = sum((by_text.get(q.text) or by_kind[q.kind]).most_common(1)[0][0] == q.answer for q in questions)
    assert right / len(questions) < 0.25
    binary = Counter(q.answer for q in questions if q.answer in ("yes", "no"))
    assert sum(binary.values()) / len(questions) < 0.12
    assert 0.42 < binary["yes"] / sum(binary.values()) < 0.58
    values = Counter(
        v for scene in scenes("fresh", 2000) if scene.facts["type"] != "pie" for v in scene.facts["values"]
    )
    assert sorted(values) == list(range(1, 11)) and max(values.values()) / min(values.values()) < 1.3
    kinds = Counter(scene.facts["type"] for scene in scenes("fresh", 2000))
    assert min(kinds.values()) / 2000 > 0.18


def test_golden_text() -> None:
    """Changes when any scene changes: then the playground's version must change too."""
    told = [
        (scene.id, scene.caption, scene.description, [(q.text, q.answer, q.kind) for q in scene.questions])
        for split in SPLITS
        for scene in (WORLD.scene(split, i) for i in range(5))
    ]
    assert hashlib.sha256(repr(told).encode()).hexdigest()[:16] == "13b4cc0adeb22bca"
