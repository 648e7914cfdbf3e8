"""Reading a picture out, from its beginning or from somewhere on: UReader's text reading (arXiv 2310.05126, section 3.3).

Half of the pictures are read from the beginning. Of the others a part, one to five sixths of the characters, is given, and
reading goes on behind it, so that a model that can read little at a time learns all of a page.
"""

from __future__ import annotations

from collections.abc import Sequence

from omma.data.playground.base import Scene, scene_random
from omma.data.sample import Box

WHOLE = ("what is written here?", "read all the text in the picture.", "which words do you see?")
REST = ("the picture says: {begun}\nwhat comes next?", "read on behind these words: {begun}", "{begun}\nwhat is written behind that?")
"""Prompts, ours: the published ones are several for each case."""
PARTS = 6
NOTHING = "nothing"
"""What there is to read in a picture without words."""


def in_reading_order(words: Sequence[Box]) -> list[Box]:
    """Words from top to bottom, those of one line from left to right: of words whose middle is less than half of the line's
    height below the line's own."""
    lines: list[list[Box]] = []
    for word in sorted(words, key=lambda word: word.top + word.bottom):
        if lines and (word.top + word.bottom) / 2 - _middle(lines[-1]) < _height(lines[-1]) / 2:
            lines[-1].append(word)
        else:
            lines.append([word])
    return [word for line in lines for word in sorted(line, key=lambda word: word.left)]


def _middle(line: Sequence[Box]) -> float:
    return sum(word.top + word.bottom for word in line) / (2 * len(line))


def _height(line: Sequence[Box]) -> float:
    return sum(word.bottom - word.top for word in line) / len(line)


def read_out(scene: Scene) -> tuple[str, str]:
    """(what is asked, what is to be answered) of a scene's first picture, in small letters; always the same of one scene."""
    text = " ".join(word.label.lower() for word in in_reading_order(scene.words) if word.label)
    random = scene_random("read", scene.id, 0)
    # No part, as often as all others together.
    part = random.choice([0] * (PARTS - 1) + list(range(1, PARTS)))
    begun = text[: len(text) * part // PARTS].rpartition(" ")[0]
    if not begun:
        return random.choice(WHOLE), text or NOTHING
    return random.choice(REST).format(begun=begun), text[len(begun) + 1 :]
