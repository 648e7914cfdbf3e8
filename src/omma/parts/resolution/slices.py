"""A few slices of the picture's own shape, told apart by commas and newlines, and an overview last (LLaVA-UHD).

LLaVA-UHD: arXiv 2403.11703, sections 3.1 and 3.3. Slices and overview have about as many pixels as the square that the
encoder was trained on, but any shape, so the encoder needs interpolated positions. MiniCPM-V chooses its slices by the
same rule.
"""

from __future__ import annotations

import math
from functools import lru_cache

from pydantic import Field, model_validator

from omma.parts.base import PartConfig
from omma.parts.resolution.base import (
    RESOLUTIONS,
    Canvas,
    LayoutItem,
    Plan,
    Resolution,
    Size,
    View,
    ViewTokens,
    checked,
    grid_of_views,
    nearest_multiple,
)
from omma.parts.resolution.layout import Text


@RESOLUTIONS.register("slices")
class Slices(Resolution):
    class Config(PartConfig):
        """At most ``most`` slices of about ``size`` x ``size`` pixels, whose sides are multiples of ``patch``."""

        size: int = Field(gt=0)
        patch: int = Field(gt=0)
        most: int = Field(6, gt=0)

        @model_validator(mode="after")
        def _holds_a_patch(self) -> Slices.Config:
            if self.patch > self.size:
                raise ValueError(f"a patch of at most size, {self.patch} is more than {self.size}")
            return self

    def for_patches(self, patch: int) -> dict[str, int]:
        suited = nearest_multiple(self.config.patch, patch)
        return {"patch": suited, "size": max(self.config.size, suited)}

    def plan(self, width: int, height: int) -> Plan:
        whole, size, patch = checked(width, height), self.config.size, self.config.patch
        overview = _fitted(width, height, size, patch)
        columns, rows = best_partition(width, height, size, self.config.most)
        if columns * rows == 1:
            return Plan(
                (width, height), (Canvas(whole, overview, overview),), (View(0, (0, 0, *overview)),), (ViewTokens(0),)
            )
        one = _fitted(max(width // columns, 1), max(height // rows, 1), size, patch)
        grid = (columns * one[0], rows * one[1])
        layout: list[LayoutItem] = []
        for view in range(columns * rows):
            layout += [ViewTokens(view), Text("," if (view + 1) % columns else "\n")]
        return Plan(
            (width, height),
            (Canvas(whole, grid, grid), Canvas(whole, overview, overview)),
            (*grid_of_views(0, rows, columns, one), View(1, (0, 0, *overview))),
            (*layout, ViewTokens(columns * rows)),
        )


def best_partition(width: int, height: int, size: int, most: int) -> Size:
    """(columns, rows) of the slices: about as many as the picture has squares, as close as can be to squares.

    (1, 1) if the picture is no larger than one: then the overview is all there is.
    """
    wanted = min(-(-width * height // (size * size)), most)
    shape = math.log(width / height)
    best, least = (1, 1), float("inf")
    for proportion, grid in _partitions(wanted, most):
        difference = abs(shape - proportion)
        if difference < least:
            best, least = grid, difference
    return best


@lru_cache(maxsize=1024)
def _partitions(wanted: int, most: int) -> tuple[tuple[float, Size], ...]:
    """(log of columns / rows, (columns, rows)) of all grids of about as many slices, in the order of the reference."""
    if wanted <= 1:
        return ()
    return tuple(
        (math.log(columns / (number // columns)), (columns, number // columns))
        for number in (wanted - 1, wanted, wanted + 1)
        if 1 < number <= most
        for columns in range(1, number + 1)
        if number % columns == 0
    )


def _fitted(width: int, height: int, size: int, patch: int) -> Size:
    """About ``size`` squared pixels in the shape of (width, height), rounded down to whole patches, at least one."""
    ratio = width / height
    tall = int(size / math.sqrt(ratio))
    wide = int(tall * ratio)
    # A side too thin for one patch becomes one; without a bound on the other, the view would have ever more pixels.
    longest = size * size // patch
    return (
        max(min(wide, longest) // patch * patch, patch),
        max(min(tall, longest) // patch * patch, patch),
    )
