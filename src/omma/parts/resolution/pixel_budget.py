"""One view of the whole picture in nearly its own shape, made so large that its pixels are between two numbers (Emu3, arXiv
2409.18869, by its image processor in `transformers`, which is Qwen2-VL's rule, 2409.12191).

Text may say how many rows and columns there are, and stand behind each row.
"""

from __future__ import annotations

import math

from pydantic import Field, model_validator

from omma.parts.base import PartConfig
from omma.parts.resolution.base import (
    RESOLUTIONS,
    Canvas,
    Plan,
    Resolution,
    Size,
    View,
    ViewTokens,
    checked,
    nearest_multiple,
)
from omma.parts.resolution.layout import LayoutItem, MapTokens, Text


@RESOLUTIONS.register("pixel-budget")
class PixelBudget(Resolution):
    class Config(PartConfig):
        """Both sides become multiples of ``patch`` pixels."""

        least: int = Field(default=512 * 512, gt=0)
        """Pixels of a view..."""
        most: int = Field(default=1024 * 1024, gt=0)
        """... and at most, where the multiples allow it."""
        patch: int = Field(gt=0)
        opening: str = ""
        """Text before the tokens, in which {rows} and {columns} are their numbers."""
        row_end: str = ""
        """Text behind each row."""
        closing: str = ""
        """Text behind all of them."""

        @model_validator(mode="after")
        def _possible(self) -> PixelBudget.Config:
            if self.most < self.least:
                raise ValueError(f"at least {self.least} pixels as the most")
            return self

    def for_patches(self, patch: int) -> dict[str, int]:
        return {"patch": nearest_multiple(self.config.patch, patch)}

    def plan(self, width: int, height: int) -> Plan:
        whole, config = checked(width, height), self.config
        size = self._sides(width, height)
        opening = config.opening.replace("{rows}", str(size[1] // config.patch))
        opening = opening.replace("{columns}", str(size[0] // config.patch))
        rows: LayoutItem = MapTokens(((0,),), row_text=config.row_end) if config.row_end else ViewTokens(0)
        before, behind = (tuple(Text(text) for text in (one,) if text) for one in (opening, config.closing))
        return Plan((width, height), (Canvas(whole, size, size),), (View(0, (0, 0, *size)),), (*before, rows, *behind))

    def _sides(self, width: int, height: int) -> Size:
        """The nearest multiples (of two equally near ones the even one), if their product is allowed; else all made smaller or
        larger alike, and rounded to what is allowed."""
        patch = self.config.patch
        near = round(width / patch) * patch, round(height / patch) * patch
        pixels = near[0] * near[1]
        if pixels > self.config.most:
            by = math.sqrt(width * height / self.config.most)
            return max(patch, math.floor(width / by / patch) * patch), max(patch, math.floor(height / by / patch) * patch)
        if pixels < self.config.least:
            by = math.sqrt(self.config.least / (width * height))
            return math.ceil(width * by / patch) * patch, math.ceil(height * by / patch) * patch
        return near
