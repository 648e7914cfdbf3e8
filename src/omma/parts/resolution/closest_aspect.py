"""The grid of tiles whose shape is closest to the picture's, and a thumbnail behind them (InternVL 1.5).

InternVL 1.5: arXiv 2404.16821, section 3.3. The picture is stretched to the grid, so nothing is padded. The released models
have the tokens of a picture between the special tokens ``<img>`` and ``</img>``.
"""

from __future__ import annotations

from functools import lru_cache

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
    grid_of_views,
)
from omma.parts.resolution.layout import Text


@RESOLUTIONS.register("closest-aspect")
class ClosestAspect(Resolution):
    class Config(PartConfig):
        """``min_tiles`` to ``max_tiles`` tiles of ``size`` pixels a side."""

        size: int = Field(gt=0)
        min_tiles: int = Field(1, gt=0)
        max_tiles: int = Field(12, gt=0)
        thumbnail: bool = True
        frame: tuple[str, str] | None = None
        """What stands before and behind the tiles, as text; a text that is one token of the tokenizer's becomes that token."""

        @model_validator(mode="after")
        def _ordered(self) -> ClosestAspect.Config:
            if self.min_tiles > self.max_tiles:
                raise ValueError(f"min_tiles of at most max_tiles, {self.min_tiles} is more than {self.max_tiles}")
            return self

    def plan(self, width: int, height: int) -> Plan:
        whole, config = checked(width, height), self.config
        square = (config.size, config.size)
        columns, rows = closest_grid(width, height, config.size, config.min_tiles, config.max_tiles)
        grid = (columns * config.size, rows * config.size)
        canvases: tuple[Canvas, ...] = (Canvas(whole, grid, grid),)
        views = grid_of_views(0, rows, columns, square)
        if len(views) == 1:
            views = (View(0, (0, 0, *square)),)
        elif config.thumbnail:
            canvases += (Canvas(whole, square, square),)
            views += (View(1, (0, 0, *square)),)
        tiles = tuple(ViewTokens(view) for view in range(len(views)))
        if config.frame is None:
            return Plan((width, height), canvases, views, tiles)
        opening, closing = (Text(text) for text in config.frame)
        return Plan((width, height), canvases, views, (opening, *tiles, closing))


def closest_grid(width: int, height: int, size: int, min_tiles: int, max_tiles: int) -> Size:
    """(columns, rows) with the least difference of width / height.

    Of grids of equal difference the larger wins as long as the picture has more than half as many pixels.
    """
    shape, area = width / height, width * height
    best, least = (1, 1), float("inf")
    for ratio, grid in _grids(min_tiles, max_tiles):
        difference = abs(shape - ratio)
        # Equality of floats is meant: it is how equal shapes (1x1, 2x2, 3x3) are told in the reference.
        if difference < least or (difference == least and area > 0.5 * size * size * grid[0] * grid[1]):
            best, least = grid, difference
    return best


@lru_cache(maxsize=64)
def _grids(min_tiles: int, max_tiles: int) -> tuple[tuple[float, Size], ...]:
    """(columns / rows, (columns, rows)) of all grids, by their number of tiles."""
    grids = [
        (columns, rows)
        for columns in range(1, max_tiles + 1)
        for rows in range(1, max_tiles // columns + 1)
        if columns * rows >= min_tiles
    ]
    return tuple((columns / rows, (columns, rows)) for columns, rows in sorted(grids, key=lambda grid: grid[0] * grid[1]))
