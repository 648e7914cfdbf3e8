"""What stands in each patch of a picture whose words and things have known places, and the loss of telling it.

What stands where is known of generated pages, as it is to LocCa (arXiv 2403.19596) and to the layout models (LayoutLM,
arXiv 1912.13318).

A patch holds what is printed in it by parts, a mark each, and not one after the other: of a mark at a patch's border no one can
tell whether it still counts, and in a row it would shift all others (docs/log.md). What stands close to a border stands on both
sides of it, with a share on each. Names of what is there stand in slots of their own, written across it like print, a token a
patch: of sums of several tokens in one patch a language model had learned which occur, and answered less often about pairs that
it was never told of (docs/log.md).

What is said of a patch is compared with its code (`place_code`).

Shapes: V views, T features of a view, C channels, S slots of a patch: its parts, then the tokens of names. A slot holds up to
`DEPTH` marks, each with its share. H numbers of an embedding.
"""

from __future__ import annotations

import math
import zlib
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field, PositiveInt
from torch import Tensor

from omma.data.sample import Box, Sample
from omma.model.composition import Composition
from omma.model.segments import IGNORE
from omma.objectives.base import MicroBatch
from omma.objectives.picture_text import PictureTextObjective, refuse_other_views
from omma.objectives.place_code import PlaceCode
from omma.parts.base import PartConfig
from omma.parts.resolution.base import Resolution

ASKED = 0.1
"""Share of the empty slots that are asked at all: most of a picture holds nothing, and takes most of the time."""

UPRIGHT = 1.5
"""How many times as high as wide a thing is whose name stands upright: bars beside each other leave no room to the right."""

DEPTH = 2
"""Marks that a slot holds at most: small print, or what stands beside a border with what comes over it."""
BORDER = 0.1
"""How close to a border a mark stands on both sides of it, as a share of a patch: encoders cannot tell such small shifts."""

HELD = np.dtype([("mark", np.int64), ("share", np.float32)])
"""What a slot holds, largest share first."""
Mark = tuple[float, float, int]
"""What is printed where: x and y of its middle in pixels of the first picture, and its number."""
Thing = tuple[Box, list[int]]
"""What has a name: its box in pixels of the first picture, and the numbers of the name."""


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
class ByPlaceTerm(ABC):
    """The workers' half.

    Attributes:
        nothing: the number that stands for no mark.
    """

    resolution: Resolution
    grid: Sequence[int]
    parts: tuple[int, int]
    names: int
    nothing: int

    @abstractmethod
    def printed(self, sample: Sample) -> list[Mark]:
        """Every mark that is printed in the sample's first picture."""

    def things(self, sample: Sample) -> list[Thing]:
        """What is in the sample's first picture and has a name."""
        return []

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


class ByPlace(PictureTextObjective):
    """What is made of every feature says by itself, slot by slot, what its patch holds."""

    class Config(PartConfig):
        parts: tuple[PositiveInt, PositiveInt] = (1, 2)
        """Rows and columns of parts of a patch, one mark each."""
        names: int = Field(default=2, ge=0)
        """Tokens of names of things, in a patch."""
        micro_samples: int = Field(default=64, ge=1)

    table: Tensor

    def __init__(self, config: Config, *, model: Composition, table_WH: Tensor, tap: int | None = None) -> None:
        """With the embeddings of the language model that is to read the features, of one hidden state or the encoder's own."""
        super().__init__(config, model=model)
        assert model.encoder is not None and model.resolution is not None
        refuse_other_views(model.resolution, "whose features a place can be found in")
        (view,) = model.resolution.plan(64, 64).views
        size = view.box[2] - view.box[0], view.box[3] - view.box[1]
        *self.grid, self.width = (
            (*model.encoder.grid(size), model.encoder.width) if tap is None else model.encoder.extent(size, tap)
        )
        self.slots = config.parts[0] * config.parts[1] + config.names
        self.register_buffer("table", table_WH, persistent=False)
        self.nothing = len(table_WH)
        self.code = PlaceCode(self.slots, table_WH.shape[1], self.grid)

    def weight(self, own: MicroBatch, batch: MicroBatch) -> float:
        return float((own["held"][own["known"]][..., 0] != IGNORE).sum())

    def loss(self, hidden: tuple[Tensor, ...], view_counts: Tensor, own: Mapping[str, Any]) -> Tensor:
        known = own["known"]
        return self.compared(self.codes(hidden, known), own["held"][known], own["share"][known])

    def codes(self, hidden: tuple[Tensor, ...], known_V: Tensor) -> Tensor:
        """[known, T, H]: what is said of these views, for embeddings of a length of 1 on average, without their mean."""
        raise NotImplementedError

    def compared(self, codes_VTH: Tensor, held_VTSD: Tensor, share_VTSD: Tensor) -> Tensor:
        """The sum of the squared distances from the codes of the patches that are asked."""
        asked = (held_VTSD[..., 0] != IGNORE).any(-1)
        wanted = self.code(held_VTSD, share_VTSD, self.table)
        return (codes_VTH - wanted).float()[asked].pow(2).sum()


def unit_table(table_WH: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings without their mean and of a length of 1 on average, their mean, and what their length was."""
    mean = table_WH.mean(0)
    length = (table_WH - mean).norm(dim=-1).mean()
    return (table_WH - mean) / length, mean, length
