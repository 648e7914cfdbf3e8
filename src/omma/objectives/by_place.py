"""What stands in each patch of a picture whose words and things have known places, and the loss of telling it.

What stands where is known of generated pages, as it is to LocCa (arXiv 2403.19596) and to the layout models (LayoutLM,
arXiv 1912.13318).

A patch holds what is printed in it by parts, a mark each, and not one after the other: of a mark at a patch's border no one can
tell whether it still counts, and in a row it would shift all others (docs/log.md). Names of what is there stand in slots of
their own, written across it like print, a token a patch: of sums of several tokens in one patch a language model had learned
which occur, and answered less often about pairs that it was never told of (docs/log.md).

Shapes: V views, T features of a view, C channels, S slots of a patch: its parts, then the tokens of names.
"""

from __future__ import annotations

import math
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor
from torch.nn import functional as F

from omma.data.sample import Box, Sample
from omma.model.composition import Composition
from omma.model.segments import IGNORE
from omma.objectives.base import MicroBatch
from omma.objectives.picture_text import PictureTextObjective, refuse_other_views
from omma.parts.base import PartConfig
from omma.parts.resolution.base import Resolution

ASKED = 0.1
"""Share of the empty slots that are asked at all: most of a picture holds nothing, and takes most of the time."""

UPRIGHT = 1.5
"""How many times as high as wide a thing is whose name stands upright: bars beside each other leave no room to the right."""

Mark = tuple[float, float, int]
"""What is printed where: x and y of its middle in pixels of the first picture, and its number."""
Thing = tuple[Box, list[int]]
"""What has a name: its box in pixels of the first picture, and the numbers of the name."""


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
        """[views, T, S], `nothing` where nothing is. The upper, then the left one stays of two marks in one part."""
        rows, columns = self.grid
        down, across = self.parts
        left, top, right, bottom = self.resolution.plan(*sample.images[0].size).region_of(0)
        held = np.full((len(sample.images), rows, columns, self.slots), self.nothing, dtype=np.int64)

        def cell(x: float, y: float, cells: tuple[int, int]) -> tuple[int, int] | None:
            row = math.floor((y - top) / (bottom - top) * cells[0])
            column = math.floor((x - left) / (right - left) * cells[1])
            return (row, column) if 0 <= row < cells[0] and 0 <= column < cells[1] else None

        for x, y, mark in sorted(self.printed(sample), key=lambda mark: (mark[1], mark[0]), reverse=True):
            if part := cell(x, y, (rows * down, columns * across)):
                held[0, part[0] // down, part[1] // across, part[0] % down * across + part[1] % across] = mark
        for box, name in sorted(self.things(sample), key=lambda thing: (thing[0].top, thing[0].left)):
            x, y = np.mean(box.places(), axis=0).tolist()
            if patch := cell(x, y, (rows, columns)):
                upright = box.bottom - box.top > UPRIGHT * (box.right - box.left)
                self._write(held[0], patch, name, upright)
        return held.reshape(len(held), rows * columns, self.slots)

    def _write(self, held_RCS: np.ndarray, middle: tuple[int, int], name: list[int], upright: bool) -> None:
        """A name around a middle, downwards or to the right. What has no room, in the picture or beside others, is left out."""
        steps = np.arange(len(name)) - (len(name) - 1) // 2
        first = self.parts[0] * self.parts[1]
        for step, token in zip(steps.tolist(), name, strict=True):
            row, column = middle[0] + step * upright, middle[1] + step * (not upright)
            if 0 <= row < held_RCS.shape[0] and 0 <= column < held_RCS.shape[1]:
                free = first + np.flatnonzero(held_RCS[row, column, first:] == self.nothing)[:1]
                held_RCS[row, column, free] = token

    def tokens(self, sample: Sample) -> np.ndarray:
        """What is asked, [views, T, S]: every mark, a share of the empty slots, IGNORE elsewhere."""
        rng = np.random.default_rng(zlib.crc32(sample.id.encode()))
        held = self.held(sample)
        return np.where((held != self.nothing) | (rng.random(held.shape) < ASKED), held, IGNORE)

    def collate(self, tokens: list[np.ndarray]) -> dict[str, np.ndarray]:
        known = [np.arange(len(one)) == 0 for one in tokens]
        return {"held": np.concatenate(tokens), "known": np.concatenate(known)}


class ByPlace(PictureTextObjective):
    """Every feature of one hidden state says by itself, slot by slot, what its patch holds."""

    class Config(PartConfig):
        parts: tuple[PositiveInt, PositiveInt] = (1, 2)
        """Rows and columns of parts of a patch, one mark each."""
        tap: int = -2
        """Which hidden state of the encoder is read."""
        micro_samples: int = Field(default=64, ge=1)

    nothing_number: int
    grid: Sequence[int]
    width: int

    def __init__(self, config: Config, *, model: Composition) -> None:
        super().__init__(config, model=model)
        assert model.encoder is not None and model.resolution is not None
        refuse_other_views(model.resolution, "whose features a place can be found in")
        (view,) = model.resolution.plan(64, 64).views
        size = view.box[2] - view.box[0], view.box[3] - view.box[1]
        *self.grid, self.width = model.encoder.extent(size, config.tap)

    @property
    def slots(self) -> int:
        return self.config.parts[0] * self.config.parts[1]

    def weight(self, own: MicroBatch, batch: MicroBatch) -> float:
        return float((own["held"][own["known"]] != IGNORE).sum())

    def loss(self, hidden: tuple[Tensor, ...], view_counts: Tensor, own: Mapping[str, Any]) -> Tensor:
        return self.compared(self.read(hidden)[own["known"]], own["held"][own["known"]])

    def read(self, hidden: tuple[Tensor, ...]) -> Tensor:
        """[V, T, C]: the features that are asked, those of the tap; what stands before them (CLS) has no place."""
        rows, columns = self.grid
        return hidden[:-1][self.config.tap][:, -rows * columns :]

    def compared(self, told_VTC: Tensor, held_VTS: Tensor) -> Tensor:
        """The sum of the cross-entropies of what is asked."""
        total = told_VTC.new_zeros((), dtype=torch.float32)
        for slot in range(self.slots):
            asked = held_VTS[..., slot] != IGNORE
            scores = self.scores(slot, told_VTC[asked]).float()
            total = total + F.cross_entropy(scores, held_VTS[..., slot][asked], reduction="sum")
        return total

    def scores(self, slot: int, told_NC: Tensor) -> Tensor:
        """[N, marks + 1], the last one for nothing."""
        raise NotImplementedError
