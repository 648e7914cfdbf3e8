"""Words at their places: by hand, and against the boxes of all worlds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omma.data.playground import WORLDS
from omma.data.playground.base import DrawnImage, Scene
from omma.data.playground.laid_out import COLUMNS, EMPTY, ROWS, laid_out
from omma.data.sample import Box, told_by_place


def scene(*words: Box, boxes: tuple[Box, ...] = (), size: tuple[int, int] = (80, 80)) -> Scene:
    picture = DrawnImage("page", size, lambda: pytest.fail("no pixel is needed"))
    return Scene("s", (picture,), "a page", "a page", (), boxes=boxes, words=words)


def rows(text: str) -> dict[int, str]:
    """The rows that hold anything."""
    lines = text.split("\n")
    assert len(lines) == ROWS
    blank = " ".join([EMPTY] * COLUMNS)
    return {number: line for number, line in enumerate(lines) if line != blank}


def test_words_stand_where_they_stand_on_the_page() -> None:
    found = rows(laid_out(scene(Box(2, 2, 28, 8, "Total"), Box(42, 1, 58, 9, "4.82"), Box(75, 72, 79, 79, "x"))))
    # A word from the first cell into the third, two empty ones, a word over two cells, two empty ones.
    assert found == {0: "total - 4.82 - -", 7: "- - - - - - - x"}


def test_a_page_that_is_no_square_is_put_in_the_middle() -> None:
    assert rows(laid_out(scene(Box(0, 0, 8, 8, "a"), size=(80, 40)))) == {2: "a - - - - - - -"}
    assert rows(laid_out(scene(Box(0, 0, 8, 8, "a"), size=(40, 80)))) == {0: "- - a - - - - -"}


def test_two_lines_in_one_row_follow_each_other() -> None:
    assert rows(laid_out(scene(Box(1, 26, 9, 29, "low"), Box(2, 21, 8, 23, "high")))) == {2: "high low - - - - - - -"}


def test_boxes_stand_for_what_no_word_says() -> None:
    circle, line = Box(35, 35, 45, 45, "red circle"), Box(0, 0, 80, 9, "total")
    assert rows(laid_out(scene(boxes=(circle,)))) == {4: "- - - red circle - - -"}
    found = laid_out(scene(Box(0, 0, 9, 9, "Total"), boxes=(circle, line)))
    assert rows(found) == {0: "total - - - - - - -", 4: "- - - red circle - - -"}
    assert laid_out(scene()) == ""


def test_what_reaches_over_the_edge_is_still_there() -> None:
    assert rows(laid_out(scene(Box(-5, -5, 3, 3, "a"), Box(78, 78, 95, 95, "b")))) == {0: "a - - - - - - -", 7: "- - - - - - - b"}


def test_several_pictures_are_not_told_by_the_first() -> None:
    found = WORLDS.get("panels", where="world").Config().build().scene("train", 0)
    assert found.boxes and laid_out(found) == ""


@pytest.mark.parametrize("world", ["documents", "shapes", "digits", "charts", "montage", "reading"])
@settings(max_examples=25, deadline=None)
@given(index=st.integers(0, 10**6))
def test_every_word_is_there_once_and_rows_go_down_the_page(world: str, index: int) -> None:
    found = WORLDS.get(world, where="world").Config().build().scene("train", index)
    text = laid_out(found)
    boxes = [box for box in told_by_place(found.words, found.boxes) if box.label]
    if not boxes:
        assert text == ""
        return
    written = [word for word in text.split() if word != EMPTY]
    expected = [word for box in boxes for word in box.label.lower().split() if word != EMPTY]
    assert sorted(written) == sorted(expected)
    top, bottom = (pick(boxes, key=lambda box: box.top + box.bottom) for pick in (min, max))
    lines = text.split("\n")
    first, last = (next(i for i, line in enumerate(lines) if box.label.lower() in line) for box in (top, bottom))
    assert first <= last or top.label.lower() == bottom.label.lower()
