"""Reading out: in reading order, from the beginning or from somewhere on, and always all of it together."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest

from omma.data.playground import WORLDS
from omma.data.playground.base import Scene
from omma.data.playground.read_out import NOTHING, REST, WHOLE, in_reading_order, read_out
from omma.data.sample import Box

SCENES = 600


def scenes(world: str, count: int) -> list[Scene]:
    built = WORLDS.get(world, where="world").Config().build()
    return [built.scene("train", index) for index in range(count)]


def test_lines_from_top_to_bottom_and_words_from_left_to_right() -> None:
    words = [
        Box(60, 42, 80, 52, "four"), Box(5, 41, 30, 51, "three"), Box(50, 8, 90, 22, "two"), Box(5, 12, 40, 22, "one"),
        Box(5, 52, 20, 60, "five"),
    ]  # fmt: skip
    assert [word.label for word in in_reading_order(words)] == ["one", "two", "three", "four", "five"]
    assert in_reading_order([]) == []


def test_lines_of_print_are_read_as_they_were_written() -> None:
    for scene in scenes("reading", 40):
        if "digits" not in scene.caption:
            assert [word.label for word in in_reading_order(scene.words)] == [word.label for word in scene.words], scene.id


@pytest.mark.parametrize("world", ["documents", "reading", "charts"])
def test_what_is_given_and_what_is_answered_are_the_whole(world: str) -> None:
    for scene in scenes(world, 40):
        asked, answer = read_out(scene)
        whole = " ".join(word.label.lower() for word in in_reading_order(scene.words))
        assert answer and whole.endswith(answer)
        begun = whole.removesuffix(answer).strip()
        assert asked in (WHOLE if not begun else [prompt.format(begun=begun) for prompt in REST])
        assert read_out(scene) == (asked, answer)


def test_half_of_the_pictures_are_read_from_the_beginning() -> None:
    shares = Counter[Fraction]()
    for scene in scenes("reading", SCENES):
        whole = " ".join(word.label.lower() for word in in_reading_order(scene.words))
        begun = len(whole) - len(read_out(scene)[1])
        # A part ends with a word: it is at most as long as was drawn.
        shares[Fraction(-(-6 * begun // len(whole)), 6)] += 1
    assert shares[Fraction(0)] / SCENES == pytest.approx(0.5, abs=0.08)
    for part in range(2, 6):
        assert shares[Fraction(part, 6)] / SCENES == pytest.approx(0.1, abs=0.06)


def test_a_picture_without_words() -> None:
    asked, answer = read_out(scenes("shapes", 1)[0])
    assert asked in WHOLE and answer == NOTHING
