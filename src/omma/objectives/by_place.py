"""What stands in each patch of a picture whose words and things have known places, and the loss of telling it.

What stands where is known of generated pages, as it is to LocCa (arXiv 2403.19596) and to the layout models (LayoutLM,
arXiv 1912.13318).

Shapes: V views, T features of a view, C channels, S marks that a patch holds at most.
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
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from omma.data.sample import Sample
from omma.model.composition import Composition
from omma.model.segments import IGNORE
from omma.objectives.base import MicroBatch
from omma.objectives.picture_text import PictureTextObjective, refuse_other_views
from omma.parts.base import PartConfig
from omma.parts.resolution.base import Resolution

BLANK = 0.1
"""Weight of a place that holds nothing, beside 1 of a mark: most of a picture holds nothing."""
ASKED = 0.25
"""Share of the places holding nothing that are asked at all, with the weight of all of them: they take most of the time."""
LINE = 1 / 3
"""Height, of a patch's, by which a mark is below the one before it if it belongs to another line."""

Mark = tuple[float, float, int]
"""What stands where: x and y of its middle in pixels of the first picture, and its number."""


def line_by_line(marks: list[Mark]) -> list[int]:
    """The marks of one patch, x and y in patches, in reading order."""
    lines: list[list[Mark]] = []
    for mark in sorted(marks, key=lambda mark: mark[1]):
        if not lines or mark[1] - lines[-1][-1][1] > LINE:
            lines.append([])
        lines[-1].append(mark)
    return [number for line in lines for _, _, number in sorted(line)]


@dataclass
class ByPlaceTerm(ABC):
    """The workers' half.

    Attributes:
        nothing: the number that stands for no mark.
    """

    resolution: Resolution
    grid: Sequence[int]
    slots: int
    nothing: int

    @abstractmethod
    def marks(self, sample: Sample) -> list[Mark]:
        """Everything that has a place in the sample's first picture."""

    def held(self, sample: Sample) -> np.ndarray:
        """[views, T, S], each patch's marks in reading order, then `nothing`."""
        rows, columns = self.grid
        found: dict[tuple[int, int], list[Mark]] = {}
        left, top, right, bottom = self.resolution.plan(*sample.images[0].size).region_of(0)
        for x, y, mark in self.marks(sample):
            x, y = (x - left) / (right - left) * columns, (y - top) / (bottom - top) * rows
            row, column = math.floor(y), math.floor(x)
            if 0 <= row < rows and 0 <= column < columns:
                found.setdefault((row, column), []).append((x, y, mark))
        held = np.full((len(sample.images), rows * columns, self.slots), self.nothing, dtype=np.int64)
        for (row, column), inside in found.items():
            for slot, number in enumerate(line_by_line(inside)[: self.slots]):
                held[0, row * columns + column, slot] = number
        return held

    def tokens(self, sample: Sample) -> np.ndarray:
        """What is asked, [views, T, S]: every mark, a share of the places that hold nothing, IGNORE elsewhere."""
        rng = np.random.default_rng(zlib.crc32(sample.id.encode()))
        held = self.held(sample)
        return np.where((held != self.nothing) | (rng.random(held.shape) < ASKED), held, IGNORE)

    def collate(self, tokens: list[np.ndarray]) -> dict[str, np.ndarray]:
        known = [np.arange(len(one)) == 0 for one in tokens]
        return {"held": np.concatenate(tokens), "known": np.concatenate(known)}


class ByPlace(PictureTextObjective):
    """Every feature of one hidden state says by itself, slot by slot, which marks its patch holds."""

    class Config(PartConfig):
        slots: int = Field(default=4, ge=1)
        """Marks that a patch can hold."""
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
        self.norm = nn.LayerNorm(self.width)

    def weight(self, own: MicroBatch, batch: MicroBatch) -> float:
        held = own["held"][own["known"]]
        nothing = held == self.nothing_number
        return float(((held != IGNORE) & ~nothing).sum() + BLANK / ASKED * nothing.sum())

    def loss(self, hidden: tuple[Tensor, ...], view_counts: Tensor, own: Mapping[str, Any]) -> Tensor:
        features = self.norm(hidden[:-1][self.config.tap][own["known"]])
        held = own["held"][own["known"]]
        total = features.new_zeros((), dtype=torch.float32)
        for slot in range(self.config.slots):
            asked = held[..., slot] != IGNORE
            marks = held[..., slot][asked]
            losses = F.cross_entropy(self.scores(slot, features[asked]).float(), marks, reduction="none")
            total = total + (losses * torch.where(marks == self.nothing_number, BLANK / ASKED, 1.0)).sum()
        return total

    def scores(self, slot: int, features_NC: Tensor) -> Tensor:
        """[N, marks + 1] of normalised features, the last one for nothing."""
        raise NotImplementedError
