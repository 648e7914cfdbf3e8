from __future__ import annotations

import hashlib
import pickle
import re
from collections import Counter, defaultdict
from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest

from omma.data.playground import documents_phrases as phrases
from omma.data.playground.base import SPLITS, WORLDS, Scene, Split
from omma.data.playground.documents import LARGEST_SKEW
from omma.data.playground.documents_drawing import Finish, draw_page
from omma.data.playground.documents_kinds import KINDS
from omma.data.playground.documents_layouts import SMALLEST, Page
from omma.data.playground.documents_questions import FEWEST, LONGEST_ANSWER, MOST, MOST_OF_KIND
from omma.data.playground.fonts import HELD_OUT_FONTS, TRAIN_FONTS

WORLD = WORLDS.parse({"type": "documents"}, where="world").build()
SUPPLY: dict[Split, int] = {"train": 1200, "fresh": 2000, "compositional": 400}
HELD_OUT_LAYOUTS = {(name, layout) for name, kind in KINDS.items() for layout in kind.held_out}
BLACK_ON_WHITE = Finish((255, 255, 255), (0, 0, 0), 0.0, (0.0, 0.0), 0.0, 0.0, 0)


@cache
def scenes(split: Split) -> tuple[Scene, ...]:
    return tuple(WORLD.scene(split, index) for index in range(SUPPLY[split]))


def page_of(scene: Scene) -> Page:
    draw = scene.images[0].draw
    assert isinstance(draw, partial)
    page = draw.args[0]
    assert isinstance(page, Page)
    return page


def plain(text: str) -> str:
    """Words only: what an answer and a description must share."""
    return " ".join(re.sub(r"[/;,:]|\.(?!\d)", " ", text).split())


def test_the_texts_of_known_scenes_never_change() -> None:
    digest = hashlib.sha256()
    for split in SPLITS:
        for scene in scenes(split)[:20]:
            questions = [(q.text, q.answer, q.kind) for q in scene.questions]
            facts = {name: value for name, value in scene.facts.items() if name != "font"}
            digest.update(repr((scene.id, scene.caption, scene.description, questions, facts)).encode())
    assert digest.hexdigest()[:16] == "81da952add2de870"


def test_a_scene_is_the_same_twice_and_survives_pickling() -> None:
    for split in SPLITS:
        for index in (0, 7):
            first, second = WORLD.scene(split, index), pickle.loads(pickle.dumps(WORLD.scene(split, index)))
            assert first == second
            assert first.images[0].load().tobytes() == second.images[0].load().tobytes()
            assert (first.id, first.images[0].key) == (
                f"documents/{split}/{index}",
                f"playground/1/documents/{split}/{index}/0",
            )


def test_a_wrong_place_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="splits"):
        WORLD.scene("test", 0)
    with pytest.raises(ValueError, match="index"):
        WORLD.scene("train", -1)


def test_held_out_fonts_and_layouts_are_in_the_compositional_split_only() -> None:
    for split in ("train", "fresh"):
        fonts = {scene.facts["font"] for scene in scenes(split)}
        layouts = {(scene.facts["kind"], scene.facts["layout"]) for scene in scenes(split)}
        assert fonts == set(TRAIN_FONTS)
        assert layouts == {(name, layout) for name, kind in KINDS.items() for layout in kind.layouts}
    novel = [
        (scene.facts["font"] in HELD_OUT_FONTS, (scene.facts["kind"], scene.facts["layout"]) in HELD_OUT_LAYOUTS)
        for scene in scenes("compositional")
    ]
    assert set(novel) == {(True, False), (False, True), (True, True)}


@pytest.mark.parametrize("split", SPLITS)
def test_pictures_are_small_and_print_is_legible_and_on_the_page(split: Split) -> None:
    for scene in scenes(split):
        width, height = scene.images[0].size
        assert max(width, height) <= 128
        page = page_of(scene)
        assert min(word.size for word in page.words) >= SMALLEST and abs(page.skew) <= LARGEST_SKEW
        for box in scene.words + scene.boxes:
            assert 0 <= box.left < box.right <= width and 0 <= box.top < box.bottom <= height
            assert box.label
        printed = " ".join(word.label for word in scene.words).lower()
        assert printed == " ".join(scene.facts["lines"])


def test_words_do_not_overlap() -> None:
    for scene in scenes("train")[:200] + scenes("compositional")[:100]:
        page = replace(page_of(scene), skew=0.0)
        boxes = page.word_boxes()
        for i, a in enumerate(boxes):
            for b in boxes[i + 1 :]:
                apart = a.right <= b.left or b.right <= a.left or a.bottom <= b.top or b.bottom <= a.top
                assert apart, (scene.id, a, b)


def test_word_boxes_cover_the_ink_and_nothing_but_words_is_ink() -> None:
    for scene in scenes("train")[:80] + scenes("compositional")[:40]:
        page = replace(page_of(scene), bars=(), frame="")
        ink = 255 - np.asarray(draw_page(page, BLACK_ON_WHITE).convert("L"), dtype=np.int32)
        outside = ink.copy()
        for box in page.word_boxes():
            left, top = int(box.left) - 1, int(box.top) - 1
            right, bottom = int(np.ceil(box.right)) + 1, int(np.ceil(box.bottom)) + 1
            inside = ink[max(0, top) : bottom, max(0, left) : right]
            assert (inside > 100).mean() > 0.04, (scene.id, box)
            outside[max(0, top) : bottom, max(0, left) : right] = 0
        assert outside.max() < 40, scene.id


def test_each_character_has_its_ink_where_its_place_is() -> None:
    for scene in scenes("fresh")[:40]:
        page = replace(page_of(scene), bars=(), frame="")
        for word, box in zip(page.words, page.word_boxes(), strict=True):
            assert len(box.characters) == len(word.text)
            for i in (0, len(word.text) - 1):
                # The last letter's ink is what goes with it; the first one's what stays when all others go.
                short = word.text[:-1] if i else word.text[0]
                if not short:
                    continue
                whole, part = (
                    np.asarray(draw_page(replace(page, words=(w,)), BLACK_ON_WHITE).convert("L"), dtype=np.int32)
                    for w in (word, word._replace(text=short))
                )
                ink = (255 - part) if i == 0 else np.abs(whole - part)
                if (ink > 100).sum() < 4:
                    continue
                rows, columns = np.nonzero(ink > 100)
                x, y = box.characters[i]
                assert abs((columns.min() + columns.max() + 1) / 2 - x) < 0.3 * word.size, (scene.id, word.text, i)
                assert rows.min() - 0.5 * word.size < y < rows.max() + 0.5 * word.size, (scene.id, word.text, i)


def test_word_boxes_are_tight_without_skew() -> None:
    for scene in scenes("fresh")[:60]:
        page = replace(page_of(scene), bars=(), frame="", skew=0.0)
        for word, box in zip(page.words, page.word_boxes(), strict=True):
            ink = draw_page(replace(page, words=(word,)), BLACK_ON_WHITE).convert("L").point(lambda v: 255 * (v < 250))
            found = ink.getbbox()
            assert found is not None
            # A font's own side bearings may count as part of the word, a pixel or two.
            assert np.abs(np.subtract(found, (box.left, box.top, box.right, box.bottom))).max() <= 2, (scene.id, box)


def test_field_boxes_hold_the_words_of_the_value() -> None:
    for scene in scenes("train")[:300]:
        values = dict(scene.facts["fields"])
        for box in scene.boxes:
            if box.label in values:
                inside = [
                    word.label.lower()
                    for word in scene.words
                    if box.left <= word.left and word.right <= box.right and box.top <= word.top <= box.bottom
                ]
                assert set(values[box.label].split()) <= set(inside), (scene.id, box)
        assert not scene.boxes or len({box.label for box in scene.boxes}) == len(scene.boxes)


@pytest.mark.parametrize("split", SPLITS)
def test_questions_follow_from_the_description(split: Split) -> None:
    for scene in scenes(split):
        assert FEWEST <= len(scene.questions) <= MOST
        assert len({q.text for q in scene.questions}) == len(scene.questions)
        assert len(scene.description.split()) <= 50
        assert scene.description == scene.description.lower() and scene.caption == scene.caption.lower()
        told = f" {plain(scene.description)} "
        for question in scene.questions:
            assert "{" not in question.text and question.kind in MOST_OF_KIND
            assert question.answer == question.answer.lower() and 0 < len(question.answer) <= LONGEST_ANSWER
            one_character = question.kind == "read" and len(question.answer) == 1
            if question.kind not in ("exist", "count") and not one_character:
                assert f" {plain(question.answer)} " in told, (scene.id, question, scene.description)


def test_presence_and_counts_are_true() -> None:
    asked_word = [
        re.escape(way).replace(r"\{noun\}", ".+").replace(r"\{word\}", r"(?P<word>\w+)") for way in phrases.EXIST
    ]
    for scene in scenes("fresh"):
        facts = scene.facts
        words = set(" ".join(facts["lines"]).split())
        for question in scene.questions:
            if question.kind == "exist":
                matches = (re.fullmatch(way, question.text) for way in asked_word)
                word = next(match["word"] for match in matches if match)
                assert question.answer == ("yes" if word in words else "no"), (scene.id, question)
            if question.kind == "count" and "items" in question.text:
                assert int(question.answer) == len(facts["items"])
            if question.kind == "count" and "rows" in question.text:
                assert int(question.answer) == len(facts["table"]) - 1


def test_receipts_add_up() -> None:
    receipts = [scene.facts for scene in scenes("train") if scene.facts["kind"] == "receipt"]
    assert receipts
    for facts in receipts:
        paid = sum(round(100 * float(price)) for _, price in facts["items"])
        assert round(100 * float(facts["fields"]["total"])) == paid


def test_comparisons_are_true() -> None:
    seen = 0
    for scene in scenes("fresh"):
        prices = {name: float(price) for name, price in scene.facts["items"]}
        for question in scene.questions:
            if question.kind == "compare" and prices:
                seen += 1
                named = [name for name in prices if re.search(rf"\b{name}\b", question.text)] or list(prices)
                dearest = "most expensive" in question.text
                assert question.answer == (max if dearest else min)(named, key=prices.__getitem__), question
    assert seen > 100


def test_no_prior_pays() -> None:
    """Guessing what was most often right for a text (or else its kind) in training is mostly wrong on new scenes."""
    by_text: dict[str, Counter[str]] = defaultdict(Counter)
    by_kind: dict[str, Counter[str]] = defaultdict(Counter)
    for scene in scenes("train"):
        for question in scene.questions:
            by_text[question.text][question.answer] += 1
            by_kind[question.kind][question.answer] += 1
    asked = [question for scene in scenes("fresh") for question in scene.questions]
    guesses = [(by_text.get(q.text) or by_kind[q.kind]).most_common(1)[0][0] for q in asked]
    assert np.mean([guess == question.answer for guess, question in zip(guesses, asked, strict=True)]) < 0.25
    kinds = Counter(question.kind for question in asked)
    assert set(kinds) == set(MOST_OF_KIND) and min(kinds.values()) > 0.02 * len(asked)
    yes, no = (sum(question.answer == answer for question in asked) for answer in ("yes", "no"))
    assert (yes + no) / len(asked) < 0.15 and abs(yes - no) < 0.12 * (yes + no)


def test_presence_cannot_be_guessed_from_the_word() -> None:
    """Present and absent words have the same lengths and the same share of invented ones, kind by kind."""
    lengths: dict[str, list[int]] = {"yes": [], "no": []}
    for scene in scenes("train") + scenes("fresh"):
        for question in scene.questions:
            if question.kind == "exist":
                lengths[question.answer].append(len(question.text))
    assert abs(np.mean(lengths["yes"]) - np.mean(lengths["no"])) < 0.5


def test_every_question_is_asked_in_at_least_eight_ways() -> None:
    ways = {name: value for name, value in vars(phrases).items() if name.isupper() and isinstance(value, tuple)}
    assert len(ways) >= 15
    for name, templates in (ways | phrases.OWN_WAYS).items():
        assert len(set(templates)) >= 8, name
