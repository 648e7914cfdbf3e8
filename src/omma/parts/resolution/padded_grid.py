"""As many tiles as a cap allows in the picture's own shape, padded with white, behind the whole (XComposer2-4KHD).

InternLM-XComposer2-4KHD: arXiv 2404.06512, section 3.2; as its released code evaluates, which enlarges every picture to
the cap. Rows of tokens of both maps end with a mark, and another stands between the maps.
"""

from __future__ import annotations

import math

from pydantic import Field

from omma.parts.base import PartConfig
from omma.parts.resolution.base import (
    RESOLUTIONS,
    Canvas,
    Mark,
    Plan,
    Resolution,
    View,
    checked,
    grid_of_views,
)
from omma.parts.resolution.layout import MapTokens, row_major

WHITE = (255, 255, 255)


@RESOLUTIONS.register("padded-grid")
class PaddedGrid(Resolution):
    marks = ("newline", "separator")

    class Config(PartConfig):
        """At most ``max_tiles`` tiles of ``size`` pixels a side."""

        size: int = Field(gt=0)
        max_tiles: int = Field(25, gt=0)

    def plan(self, width: int, height: int) -> Plan:
        whole, side = checked(width, height), self.config.size
        # Sides and tiles along the picture's long and short side.
        long, short, long_tiles, short_tiles = _sides(max(width, height), min(width, height), side, self.config.max_tiles)
        before = (short_tiles * side - short) // 2
        if width < height:
            content, columns, rows, offset = (short, long), short_tiles, long_tiles, (before, 0)
        else:
            content, columns, rows, offset = (long, short), long_tiles, short_tiles, (0, before)
        canvas = (columns * side, rows * side)
        return Plan(
            (width, height),
            (
                Canvas(whole, content, canvas, offset, fill=WHITE),
                Canvas((0, 0, *canvas), (side, side), (side, side), source=0),
            ),
            (View(1, (0, 0, side, side)), *grid_of_views(0, rows, columns, (side, side))),
            (
                MapTokens(((0,),), row_end="newline"),
                Mark("separator"),
                MapTokens(row_major(rows, columns, first=1), row_end="newline"),
            ),
        )


def _sides(long: int, short: int, size: int, max_tiles: int) -> tuple[int, int, int, int]:
    """(long side, short side, tiles along the long one, tiles along the short one) of the enlarged picture.

    The most tiles along the long side for which the whole grid stays within the cap.
    """
    ratio = long / short
    # Up to the ratio one row is enough for them, and t tiles are never more than t (t / ratio + 1) with those below: of what is
    # smaller than either bound nothing is too much.
    bound = int(ratio / 2 * (math.sqrt(1 + 4 * max_tiles / ratio) - 1)) - 1
    tiles = max(1, min(int(ratio), max_tiles), bound)
    while (tiles + 1) * math.ceil((tiles + 1) / ratio) <= max_tiles:
        tiles += 1
    short = max(int(size * tiles / ratio), 1)
    return size * tiles, short, tiles, -(-short // size)
