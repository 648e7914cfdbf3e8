"""The grid of tiles whose shape is closest to the picture's, and a thumbnail behind them (InternVL 1.5).

InternVL 1.5: arXiv 2404.16821, section 3.3. The picture is stretched to the grid, so nothing is padded.
"""

from __future__ import annotations

from bisect import bisect_left
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
    checked,
    grid_of_views,
    in_order,
)


@RESOLUTIONS.register("closest-aspect")
class ClosestAspect(Resolution):
    class Config(PartConfig):
        """``min_tiles`` to ``max_tiles`` tiles of ``size`` pixels a side."""

        size: int = Field(gt=0)
        min_tiles: int = Field(1, gt=0)
        max_tiles: int = Field(12, gt=0)
        thumbnail: bool = True

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
        return Plan((width, height), canvases, views, in_order(len(views)))


def closest_grid(width: int, height: int, size: int, min_tiles: int, max_tiles: int) -> Size:
    """(columns, rows) with the least difference of width / height.

    Of grids of equal difference the larger wins as long as the picture has more than half as many pixels.
    """
    shape, area = width / height, width * height
    ratios, grids = _grids(min_tiles, max_tiles)
    above = bisect_left(ratios, shape)
    # The ratios beside it, of which one is closest, or both are.
    near = range(max(0, above - 1), min(above + 1, len(ratios)))
    least = min(abs(shape - ratios[place]) for place in near)
    # Equality of floats is meant: it is how equally close shapes are told in the reference.
    closest = [grid for place in near if abs(shape - ratios[place]) == least for grid in grids[place]]
    closest.sort(key=_tiles)
    best = closest[0]
    for grid in closest[1:]:
        if area > 0.5 * size * size * grid[0] * grid[1]:
            best = grid
    return best


def _tiles(grid: Size) -> int:
    return grid[0] * grid[1]


@lru_cache(maxsize=64)
def _grids(min_tiles: int, max_tiles: int) -> tuple[list[float], list[list[Size]]]:
    """Every columns / rows that there is, ascending, and for each the grids (columns, rows) of it."""
    by_ratio: dict[float, list[Size]] = {}
    for columns in range(1, max_tiles + 1):
        for rows in range(1, max_tiles // columns + 1):
            if columns * rows >= min_tiles:
                by_ratio.setdefault(columns / rows, []).append((columns, rows))
    ratios = sorted(by_ratio)
    return ratios, [by_ratio[ratio] for ratio in ratios]
