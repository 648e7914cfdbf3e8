"""Pictures full of unconnected words, numbers and handwritten digits, to learn to read from. See `Reading`."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from PIL import Image

from omma.data.playground.base import SPLITS, WORLDS, DrawnImage, Question, Scene, Split, World, scene_random
from omma.data.playground.digits import Page as Handwritten
from omma.data.playground.digits import digit_masks
from omma.data.playground.digits import draw_page as draw_handwritten
from omma.data.playground.documents_drawing import draw_page as draw_printed
from omma.data.playground.documents_drawing import finish
from omma.data.playground.documents_layouts import LARGEST, SMALLEST, Page, PrintedWord, cased, line_height
from omma.data.playground.fonts import HELD_OUT_FONTS, TRAIN_FONTS, font
from omma.data.playground.handwriting import Glyph, glyph_box, rows_of_digits, set_apart
from omma.data.playground.recall import distinct_items
from omma.data.sample import Box, Mask

SIDE = 128
LARGEST_SKEW = 2.5
"""Of printed lines, in degrees: moves the ends of a line by less than `_MARGIN`."""

_MARGIN = 3
_HANDWRITTEN_SHARE = 0.3
_NTH = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")


@dataclass(frozen=True, slots=True)
class Writing:
    """What a scene shows: a page of either kind.

    Attributes:
        what: what its lines are lines of.
        lines: what they say, from top to bottom, lower-case, words (or digits) between single spaces.
        size: (width, height) in pixels.
        words: the box of each word (or digit), in reading order.
        masks: the ink of each digit, in the same order; nothing for print.
    """

    what: str
    lines: tuple[str, ...]
    size: tuple[int, int]
    draw: Callable[[], Image.Image]
    words: tuple[Box, ...]
    masks: Callable[[], tuple[Mask, ...]] = tuple


@WORLDS.register("reading")
class Reading(World):
    """Lines of print in any size, font and case, or rows of handwritten digits, packed as densely as they can be read.

    Pages of the world ``documents`` can half be guessed from their kind, and show a dozen words; here nothing can be
    guessed, and every picture has as much to read as fits: what an encoder learns reading from before it meets pages.
    The compositional split is print in the held-out fonts alone. Handwriting of ``fresh`` is none that training shows.

    Question kinds: read, count.
    """

    name = "reading"

    def scene(self, split: Split, index: int) -> Scene:
        if split not in SPLITS or index < 0:
            raise ValueError(f"reading has the splits {', '.join(SPLITS)} and indices from 0, not {split!r}, {index}")
        rng = scene_random(self.name, split, index)
        if split == "compositional":
            writing = printed(rng, HELD_OUT_FONTS)
        elif rng.random() < _HANDWRITTEN_SHARE:
            writing = handwritten(rng, split)
        else:
            writing = printed(rng, TRAIN_FONTS)
        lines = writing.lines
        return Scene(
            id=f"{self.name}/{split}/{index}",
            images=(DrawnImage(f"playground/1/{self.name}/{split}/{index}/0", writing.size, writing.draw),),
            caption=f"{len(lines)} line{'s' * (len(lines) > 1)} of {writing.what}",
            description=" / ".join(lines),
            questions=_questions(rng, lines),
            words=writing.words,
            masks=writing.masks,
            facts={"what": writing.what, "lines": list(lines)},
        )


def _questions(rng: random.Random, lines: tuple[str, ...]) -> tuple[Question, ...]:
    asked = rng.sample(range(len(lines)), min(3, len(lines)))
    questions = [Question(f"what does the {_NTH[n]} line say?", lines[n], "read") for n in asked]
    questions.append(Question("what does the last line say?", lines[-1], "read"))
    questions.append(Question("how many lines are there?", str(len(lines)), "count"))
    rng.shuffle(questions)
    return tuple(questions)


def printed(rng: random.Random, fonts: tuple[str, ...]) -> Writing:
    """Lines from top to bottom until the page is full, each in its own size, some in their own font and case."""
    height = rng.choice((SIDE, SIDE, SIDE, 96, 64))
    name, casing = rng.choice(fonts), rng.choice(("lower", "lower", "title", "upper"))
    largest = rng.choice((SMALLEST + 1, 14, 18, LARGEST))
    lines: list[list[PrintedWord]] = []
    y = _MARGIN + rng.randint(0, 6)
    while True:
        size = rng.randint(SMALLEST, largest)
        if y + line_height(size) > height - _MARGIN:
            break
        if rng.random() < 0.3:
            name, casing = rng.choice(fonts), rng.choice(("lower", "title", "upper"))
        lines.append(_printed_line(rng, name, size, y + round(size * 0.95), casing))
        y += line_height(size) + rng.randint(0, 4)
    skew = round(rng.uniform(-LARGEST_SKEW, LARGEST_SKEW), 2) if rng.random() < 0.5 else 0.0
    page = Page((SIDE, height), tuple(word for line in lines for word in line), (), "", skew)
    return Writing(
        what="words",
        lines=tuple(" ".join(word.text.lower() for word in line) for line in lines),
        size=page.size,
        draw=partial(draw_printed, page, finish(rng, bold_share=0.3)),
        words=page.word_boxes(),
    )


def _printed_line(rng: random.Random, name: str, size: int, baseline: int, casing: str) -> list[PrintedWord]:
    face = font(name, size)
    x = _MARGIN + (0 if rng.random() < 0.5 else rng.randint(0, 30))
    words: list[PrintedWord] = []
    while True:
        item = distinct_items(rng, 1, mixed=True)[0]
        for text in cased(item, casing).split():
            # Ink may reach out to both sides of what a word takes of its line, far in italics.
            left, _, right, _ = face.getbbox(text, anchor="ls")
            start, width = max(x, math.ceil(_MARGIN - left)), math.ceil(face.getlength(text))
            if start + max(width, right) > SIDE - _MARGIN:
                if words:
                    return words
                break  # too long for the line even alone: draw another
            words.append(PrintedWord(text, "", start, baseline, name, size))
            x = start + width + round(size * rng.uniform(0.36, 0.9))


def handwritten(rng: random.Random, split: Split) -> Writing:
    """Rows of digits by one hand, in a grid with a few gaps."""
    columns, rows = rng.randint(3, 5), rng.randint(2, 5)
    height = SIDE if rows > 3 else rng.choice((SIDE, 96))
    pitch_x, pitch_y = (SIDE - 2 * _MARGIN) / columns, (height - 2 * _MARGIN) / rows
    size = min(pitch_x, pitch_y, 44.0) * rng.uniform(0.85, 1.0)
    lean, level, pool = rng.uniform(-0.06, 0.06), rng.uniform(0.34, 0.48), rows_of_digits(split)
    lines: list[str] = []
    glyphs: list[Glyph] = []
    for row in range(rows):
        kept = [column for column in range(columns) if rng.random() < 0.9] or [0]
        for column in kept:
            digit = rng.randrange(10)
            glyphs.append(
                Glyph(
                    digit,
                    rng.choice(pool[digit]),
                    _MARGIN + (column + 0.5) * pitch_x + rng.uniform(-2, 2),
                    _MARGIN + (row + 0.5) * pitch_y + rng.uniform(-1.2, 1.2),
                    size * rng.uniform(0.88, 0.98),
                    math.radians(rng.uniform(-10, 10)),
                    lean + rng.uniform(-0.08, 0.08),
                    level,
                )
            )
        lines.append(" ".join(str(glyph.digit) for glyph in glyphs[-len(kept) :]))
    look = finish(rng, bold_share=0.3)
    page = Handwritten(
        size=(SIDE, height),
        paper=look.paper,
        ink=look.ink,
        ruled=rng.randint(9, 18) if rng.random() < 0.3 else 0,
        squared=rng.random() < 0.5,
        grain=rng.uniform(1, 6) if rng.random() < 0.5 else 0.0,
        grain_seed=look.seed,
        glyphs=set_apart(glyphs, (SIDE, height)),
        plus=None,
    )
    return Writing(
        what="handwritten digits",
        lines=tuple(lines),
        size=page.size,
        draw=partial(draw_handwritten, page),
        words=tuple(glyph_box(glyph, page.size) for glyph in page.glyphs),
        masks=partial(digit_masks, page),
    )
