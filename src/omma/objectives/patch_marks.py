"""What stands in each patch of a picture whose words and things have known places.

What stands where is known of generated pages, as it is to LocCa (arXiv 2403.19596) and to the layout models (LayoutLM,
arXiv 1912.13318). Characters are told where they are printed, and things have names; what is printed elsewhere in the picture
is left out of these, and what print is for (the shop, the total) is left to its reader.

A patch holds what is printed in it by parts, a mark each, and not one after the other: of a mark at a patch's border no one can
tell whether it still counts, and in a row it would shift all others (docs/log.md). What stands close to a border stands on both
sides of it, with a share on each. Names of what is there stand in slots of their own, written across it like print, a token a
patch: of sums of several tokens in one patch a language model had learned which occur, and answered less often about pairs that
it was never told of (docs/log.md).

Shapes: T features of a view, S slots of a patch: its parts, then the tokens of names. A slot holds up to `DEPTH` marks, each
with its share.
"""

from __future__ import annotations

import math
import zlib
from collections import defaultdict
from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from transformers import PreTrainedTokenizerBase

from omma.data.sample import Box, Sample, beyond_print, in_print
from omma.model.segments import IGNORE
from omma.parts.resolution.base import Resolution

ASKED = 0.1
"""Share of the empty slots that are asked at all: most of a picture holds nothing, and takes most of the time."""

UPRIGHT = 1.5
"""How many times as high as wide a thing is whose name stands upright: bars beside each other leave no room to the right."""

DEPTH = 2
"""Marks that a slot holds at most: small print, or what stands beside a border with what comes over it."""
BORDER = 0.1
"""How close to a border a mark stands on both sides of it, as a share of a patch: encoders cannot tell such small shifts."""

WRITTEN = 0.4
"""Share of a box that its printed words fill if there is nothing else in it."""

HELD = np.dtype([("mark", np.int64), ("share", np.float32)])
"""What a slot holds, largest share first."""
Mark = tuple[float, float, int]
"""What is printed where: x and y of its middle in pixels of the first picture, and its token."""
Thing = tuple[Box, list[int]]
"""What has a name: its box in pixels of the first picture, and the tokens of the name."""


def spread(place: float, cells: int, border: float) -> list[tuple[int, float]]:
    """The one or two cells of a row of them that a place in it belongs to, with shares that add up to 1; none outside.

    Args:
        place: from 0 at the beginning of the row to ``cells`` at its end.
        border: how close to the next cell it belongs to both, half to each where they meet.
    """
    cell = math.floor(place)
    if not 0 <= cell < cells:
        return []
    beside = cell - 1 if place - cell < 0.5 else cell + 1
    distance = min(place - cell, cell + 1 - place)
    if distance >= border or not 0 <= beside < cells:
        return [(cell, 1.0)]
    share = (1 + distance / border) / 2
    return [(cell, share), (beside, 1 - share)]


@dataclass
class PatchMarks:
    """The workers' half of the objectives that tell a picture by its places.

    Attributes:
        grid: rows and columns of patches.
        parts: rows and columns of parts of a patch.
        names: slots of a patch for tokens of names.
        nothing: stands for no mark, as no token does.
    """

    resolution: Resolution
    grid: Sequence[int]
    parts: tuple[int, int]
    names: int
    nothing: int
    tokenizer: PreTrainedTokenizerBase

    @cached_property
    def vocabulary(self) -> dict[str, int]:
        return self.tokenizer.get_vocab()

    @cached_property
    def space(self) -> str:
        """As it is written at the beginning of a token."""
        return "".join(self.tokenizer.tokenize(" "))

    def printed(self, sample: Sample) -> list[Mark]:
        """Characters as the words are spelled in a text: with the first letter of one goes the space before it, if it may."""
        marks = []
        for word in sample.words:
            before = self.space
            for character, place in zip(word.label.lower(), word.places(), strict=True):
                token = self.vocabulary.get(before + character, self.vocabulary.get(character))
                # In byte-level vocabularies other characters stand for bytes.
                if token is not None and character.isascii():
                    marks.append((*place, token))
                before = self.space if character.isspace() else ""
        return marks

    def things(self, sample: Sample) -> list[Thing]:
        printed = in_print(sample.words)
        named = [box for box in beyond_print(sample.words, sample.boxes) if not _is_written(box, sample.words)]
        return [(box, self._name(box, printed)) for box in named]

    def _name(self, box: Box, printed: Container[str]) -> list[int]:
        """Without spaces, which are what is between the others.

        Numbers stay although they are printed: what an axis says is not what a bar says.
        """
        words = [word for word in box.label.lower().split() if word not in printed or not word.isalpha()]
        text = "".join(f" {word}" for word in words)
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        pairs = zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
        return [token for token, (start, end) in pairs if text[start:end].strip()]

    @property
    def slots(self) -> int:
        return self.parts[0] * self.parts[1] + self.names

    def held(self, sample: Sample) -> np.ndarray:
        """`HELD` [views, T, S, `DEPTH`], `nothing` with a share of 0 where nothing is.

        Of more marks in one slot those with the largest shares stay, and of these the upper, then the left ones.
        """
        rows, columns = self.grid
        down, across = self.parts
        left, top, right, bottom = self.resolution.plan(*sample.images[0].size).region_of(0)
        held = np.zeros((len(sample.images), rows, columns, self.slots, DEPTH), dtype=HELD)
        held["mark"] = self.nothing

        def cells(x: float, y: float, parts: tuple[int, int], border: float) -> list[tuple[int, int, float]]:
            vertical = spread((y - top) / (bottom - top) * rows * parts[0], rows * parts[0], border * parts[0])
            horizontal = spread((x - left) / (right - left) * columns * parts[1], columns * parts[1], border * parts[1])
            return [(row, column, a * b) for row, a in vertical for column, b in horizontal]

        found: dict[tuple[int, int], list[tuple[int, float]]] = defaultdict(list)
        for x, y, mark in sorted(self.printed(sample), key=lambda mark: (mark[1], mark[0])):
            for row, column, share in cells(x, y, self.parts, BORDER):
                found[row, column].append((mark, share))
        for (row, column), marks in found.items():
            slot = row % down * across + column % across
            # Sorting is stable.
            kept = sorted(marks, key=lambda one: -one[1])[:DEPTH]
            held[0, row // down, column // across, slot, : len(kept)] = kept
        for box, name in sorted(self.things(sample), key=lambda thing: (thing[0].top, thing[0].left)):
            x, y = np.mean(box.places(), axis=0).tolist()
            for row, column, _ in cells(x, y, (1, 1), 0):
                self._write(held[0], (row, column), name, box.bottom - box.top > UPRIGHT * (box.right - box.left))
        return held.reshape(len(held), rows * columns, self.slots, DEPTH)

    def _write(self, held_RCSD: np.ndarray, middle: tuple[int, int], name: list[int], upright: bool) -> None:
        """A name around a middle, downwards or to the right. What has no room, in the picture or beside others, is left out."""
        steps = np.arange(len(name)) - (len(name) - 1) // 2
        first = self.parts[0] * self.parts[1]
        for step, token in zip(steps.tolist(), name, strict=True):
            row, column = middle[0] + step * upright, middle[1] + step * (not upright)
            if 0 <= row < held_RCSD.shape[0] and 0 <= column < held_RCSD.shape[1]:
                free = first + np.flatnonzero(held_RCSD["mark"][row, column, first:, 0] == self.nothing)[:1]
                held_RCSD[row, column, free, 0] = (token, 1.0)

    def tokens(self, sample: Sample) -> np.ndarray:
        """What is asked, as `held`: every mark, and a share of the empty slots; the others are IGNORE."""
        rng = np.random.default_rng(zlib.crc32(sample.id.encode()))
        held = self.held(sample)
        empty = held["mark"][..., 0] == self.nothing
        held["mark"][empty & (rng.random(empty.shape) >= ASKED)] = IGNORE
        return held

    def collate(self, tokens: list[np.ndarray]) -> dict[str, np.ndarray]:
        held = np.concatenate(tokens)
        known = [np.arange(len(one)) == 0 for one in tokens]
        return {"held": held["mark"].copy(), "share": held["share"].copy(), "known": np.concatenate(known)}


def _is_written(box: Box, words: Sequence[Box]) -> bool:
    """Whether nothing is in a box but what is printed in it: its label then says what that is for, which no patch shows."""
    inside = [word for word in words if box.left <= (word.left + word.right) / 2 <= box.right]
    inside = [word for word in inside if box.top <= (word.top + word.bottom) / 2 <= box.bottom]
    return sum(map(_area, inside)) > WRITTEN * _area(box)


def _area(box: Box) -> float:
    return (box.right - box.left) * (box.bottom - box.top)
