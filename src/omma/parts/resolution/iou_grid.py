"""The grid of cells that overlaps most with the picture, in size and in shape, behind the whole picture (UReader).

UReader: arXiv 2310.05126, section 3.1. The picture is stretched to the grid. Every view's tokens end with a mark.
"""

from __future__ import annotations

from functools import lru_cache

from pydantic import Field

from omma.parts.base import PartConfig
from omma.parts.resolution.base import (
    RESOLUTIONS,
    Canvas,
    Grid,
    LayoutItem,
    Mark,
    Plan,
    Resolution,
    View,
    ViewTokens,
    checked,
    grid_of_views,
)

EPSILON = 1e-5
"""What keeps the released code from dividing by nothing."""


@RESOLUTIONS.register("iou-grid")
class IouGrid(Resolution):
    marks = ("view_end",)

    class Config(PartConfig):
        """Grids of cells of ``size`` pixels a side.

        ``shape_weight`` is what the overlap in shape counts against that in size: 100 in the released code, 1 in the paper.
        """

        size: int = Field(gt=0)
        max_cells: int = Field(20, gt=0)
        max_side: int = Field(11, gt=0)
        shape_weight: float = Field(100.0, ge=0, allow_inf_nan=False)

    def plan(self, width: int, height: int) -> Plan:
        whole, config = checked(width, height), self.config
        square = (config.size, config.size)
        rows, columns = best_grid(width, height, config.size, config.max_cells, config.max_side, config.shape_weight)
        grid = (columns * config.size, rows * config.size)
        views = (View(0, (0, 0, *square)), *grid_of_views(1, rows, columns, square))
        canvases = (Canvas(whole, square, square), Canvas(whole, grid, grid))
        return Plan((width, height), canvases, views, _each_with_its_end(len(views)))


@lru_cache(maxsize=256)
def _each_with_its_end(views: int) -> tuple[LayoutItem, ...]:
    return tuple(item for view in range(views) for item in (ViewTokens(view), Mark("view_end")))


def best_grid(width: int, height: int, size: int, max_cells: int, max_side: int, shape_weight: float) -> Grid:
    """(rows, columns) with the largest sum of both overlaps (intersection over union); the first of equals.

    The overlap in shape is that of the picture, made as wide as the grid, with the grid. That in size is not worked out where
    it could not make the grid the best one: no overlap is more than 1.
    """
    best, highest = (1, 1), -1.0
    for rows, columns in _grids(max_cells, max_side):
        tall = columns * height / width
        common = (tall if tall < rows else rows) * columns
        score = shape_weight * (common / (tall * columns + rows * columns - common + EPSILON))
        if score + 1 <= highest:
            continue
        grid_height, grid_width = rows * size, columns * size
        common = (height if height < grid_height else grid_height) * (width if width < grid_width else grid_width)
        score += common / (height * width + grid_height * grid_width - common + EPSILON)
        if score > highest:
            best, highest = (rows, columns), score
    return best


@lru_cache(maxsize=64)
def _grids(max_cells: int, max_side: int) -> tuple[Grid, ...]:
    """(rows, columns) of all grids by their number of cells, then rows."""
    grids = [
        (rows, columns)
        for rows in range(1, max_side + 1)
        for columns in range(1, max_side + 1)
        if rows * columns <= max_cells
    ]
    return tuple(sorted(grids, key=lambda grid: (grid[0] * grid[1], grid[0])))
