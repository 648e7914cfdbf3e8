"""Neighbouring features merged by channel, then an MLP (InternVL 1.5, arXiv 2404.16821, section 3.1; InternLM-XComposer2-
4KHD, arXiv 2404.06512, section 3.2).

Shapes: N views, T features, C channels, r the factor, H model width.
"""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field
from torch import Tensor, nn
from transformers.activations import ACT2FN

from omma.errors import BadInput
from omma.parts.base import PartConfig
from omma.parts.projectors.base import PROJECTORS, Projector, new_marks
from omma.parts.resolution.base import Grid


@PROJECTORS.register("pixel-shuffle")
class PixelShuffle(Projector):
    """Squares of r x r features become one of r * r * C channels; then [LayerNorm], Linear, activation, Linear."""

    class Config(PartConfig):
        factor: int = Field(default=2, ge=1)
        """Side r of the squares."""
        norm: bool = True
        """Whether a LayerNorm stands before the MLP (InternVL), or none (4KHD)."""
        activation: str = "gelu"
        marks_at: Literal["output", "merged"] = "output"
        """Where the resolution strategy's learned vectors live: beside the tokens, or beside the merged features, to pass
        through the MLP with them (4KHD)."""

    def __init__(self, config: Config, *, d_in: int, d_out: int, marks: tuple[str, ...] = ()) -> None:
        super().__init__(config)
        merged = d_in * config.factor**2
        self.marks = new_marks(marks, merged if config.marks_at == "merged" else d_out)
        self.layers = nn.Sequential(
            nn.LayerNorm(merged) if config.norm else nn.Identity(),
            nn.Linear(merged, d_out),
            ACT2FN[config.activation],
            nn.Linear(d_out, d_out),
        )

    def grid(self, grid: Grid) -> Grid:
        """The grid divided by the factor.

        Raises:
            BadInput: if the factor does not divide it.
        """
        rows, columns = grid
        factor = self.config.factor
        if rows % factor or columns % factor:
            raise BadInput(
                "model.projector.factor",
                expected=f"grids of features that {factor} divides",
                found=f"one of {rows} x {columns}",
                remedy=f"use {_nearest(factor, rows, columns)} instead, or sizes of views to suit it",
            )
        return rows // factor, columns // factor

    def project(self, features_NTC: Tensor, grid: Grid, branch: int, cells_N2: Tensor) -> Tensor:
        self.grid(grid)
        return self.layers(merge(features_NTC, grid, self.config.factor))

    def mark_vectors(self) -> Tensor | None:
        if self.marks is None or self.config.marks_at == "output":
            return self.marks
        return self.layers(self.marks)


def _nearest(factor: int, rows: int, columns: int) -> int:
    """The factor closest to this one that divides both; of equally close ones the smaller."""
    common = math.gcd(rows, columns)
    return min((other for other in range(1, common + 1) if common % other == 0), key=lambda other: (abs(other - factor), other))


def merge(features_NTC: Tensor, grid: Grid, factor: int) -> Tensor:
    """Squares of features as one feature each, [N, T / r^2, r^2 C]: the square's rows one after another, top left first."""
    squares = features_NTC.view(
        len(features_NTC), grid[0] // factor, factor, grid[1] // factor, factor, features_NTC.shape[2]
    )
    return squares.transpose(2, 3).flatten(3).flatten(1, 2)
