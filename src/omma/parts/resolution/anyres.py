"""The best-fitting of a few canvases, in tiles, behind a view of the whole picture (LLaVA-NeXT).

LLaVA-NeXT: "LLaVA-NeXT: Improved reasoning, OCR, and world knowledge" (2024), "dynamic high resolution". The picture keeps
its shape and is centred on black; tokens that show only the padding are left out, and each row of tokens ends with a mark.
"""

from __future__ import annotations

import math

from pydantic import Field, PositiveInt, model_validator

from omma.parts.base import PartConfig
from omma.parts.resolution.base import RESOLUTIONS, Canvas, Plan, Resolution, Size, View, checked, grid_of_views
from omma.parts.resolution.layout import MapTokens, ViewTokens, row_major

BLACK = (0, 0, 0)


@RESOLUTIONS.register("anyres")
class AnyRes(Resolution):
    marks = ("newline",)

    class Config(PartConfig):
        """The canvases to choose from, as (width, height) in pixels, and the side of a tile."""

        canvases: tuple[tuple[PositiveInt, PositiveInt], ...] = Field(min_length=1)
        size: int = Field(gt=0)

        @model_validator(mode="after")
        def _whole_tiles(self) -> AnyRes.Config:
            for width, height in self.canvases:
                if width % self.size or height % self.size:
                    raise ValueError(f"canvases of whole tiles of {self.size} pixels, {width}x{height} is none")
            return self

    def plan(self, width: int, height: int) -> Plan:
        whole, side = checked(width, height), self.config.size
        canvas = best_canvas(width, height, self.config.canvases)
        content = _fitted(width, height, canvas)
        offset = ((canvas[0] - content[0]) // 2, (canvas[1] - content[1]) // 2)
        columns, rows = canvas[0] // side, canvas[1] // side
        return Plan(
            (width, height),
            (Canvas(whole, (side, side), (side, side)), Canvas(whole, content, canvas, offset, fill=BLACK)),
            (View(0, (0, 0, side, side)), *grid_of_views(1, rows, columns, (side, side))),
            (ViewTokens(0), MapTokens(row_major(rows, columns, first=1), row_end="newline", content=(width, height))),
        )


def best_canvas(width: int, height: int, canvases: tuple[Size, ...]) -> Size:
    """The canvas on which most of the picture's own pixels survive; among equals the one with the least padding.

    Enlarging earns nothing. The first of those that are equal in both wins.
    """
    best, best_kept, least_waste = canvases[0], -1, 0
    for canvas in canvases:
        scale = min(canvas[0] / width, canvas[1] / height)
        kept = min(int(width * scale) * int(height * scale), width * height)
        waste = canvas[0] * canvas[1] - kept
        if kept > best_kept or (kept == best_kept and waste < least_waste):
            best, best_kept, least_waste = canvas, kept, waste
    return best


def _fitted(width: int, height: int, canvas: Size) -> Size:
    scale_x, scale_y = canvas[0] / width, canvas[1] / height
    if scale_x < scale_y:
        return canvas[0], min(math.ceil(height * scale_x), canvas[1])
    return min(math.ceil(width * scale_y), canvas[0]), canvas[1]
