"""A fixed canvas in windows, row by row, and the whole picture last (Monkey).

Monkey: arXiv 2311.06607, section 3.1. Any picture is stretched to the canvas; the last view is the canvas made small.
"""

from __future__ import annotations

from pydantic import Field, PositiveInt, model_validator

from omma.parts.base import PartConfig
from omma.parts.resolution.base import (
    RESOLUTIONS,
    Canvas,
    Plan,
    Resolution,
    View,
    ViewTokens,
    checked,
    grid_of_views,
)


@RESOLUTIONS.register("windows")
class Windows(Resolution):
    class Config(PartConfig):
        """A canvas of (width, height) pixels in windows of ``size`` pixels a side."""

        canvas: tuple[PositiveInt, PositiveInt]
        size: int = Field(gt=0)

        @model_validator(mode="after")
        def _whole_windows(self) -> Windows.Config:
            width, height = self.canvas
            if width % self.size or height % self.size:
                raise ValueError(f"a canvas of whole windows of {self.size} pixels, {width}x{height} is none")
            return self

    def plan(self, width: int, height: int) -> Plan:
        side, canvas = self.config.size, self.config.canvas
        windows = grid_of_views(0, canvas[1] // side, canvas[0] // side, (side, side))
        return Plan(
            (width, height),
            (
                Canvas(checked(width, height), canvas, canvas),
                Canvas((0, 0, *canvas), (side, side), (side, side), source=0),
            ),
            (*windows, View(1, (0, 0, side, side))),
            tuple(ViewTokens(view) for view in range(len(windows) + 1)),
        )
