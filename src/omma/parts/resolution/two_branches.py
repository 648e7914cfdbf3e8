"""The whole picture twice, in the sizes of two encoders (Vary, DeepSeek-VL).

Vary: arXiv 2312.06109, section 3.3: stretched to a square for each. DeepSeek-VL: arXiv 2403.05525, section 3.1: the long
side is fitted to the larger square, the rest padded, and the smaller square is the larger one made small.
"""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt

from omma.parts.base import PartConfig
from omma.parts.resolution.base import (
    RESOLUTIONS,
    Canvas,
    Plan,
    Rectangle,
    Resolution,
    Size,
    View,
    ViewTokens,
    checked,
)
from omma.parts.resolution.square import fitted


@RESOLUTIONS.register("two-branches")
class TwoBranches(Resolution):
    branches = 2

    class Config(PartConfig):
        """Sides of the squares for the first and the second encoder (Vary: 224 and 1024, DeepSeek-VL: 1024 and 384).

        Whether the second view has tokens of its own is the encoder's choice: it has none if its features are joined to
        those of the first.
        """

        sizes: tuple[PositiveInt, PositiveInt]
        fit: Literal["stretch", "pad"] = "stretch"

    def plan(self, width: int, height: int) -> Plan:
        whole, sizes = checked(width, height), self.config.sizes
        canvases = _padded(whole, sizes) if self.config.fit == "pad" else _stretched(whole, sizes)
        views = tuple(
            View([canvas.size[0] for canvas in canvases].index(size), (0, 0, size, size), branch=branch)
            for branch, size in enumerate(sizes)
        )
        return Plan((width, height), canvases, views, (ViewTokens(0), ViewTokens(1)))


def _stretched(whole: Rectangle, sizes: Size) -> tuple[Canvas, ...]:
    return tuple(Canvas(whole, (size, size), (size, size)) for size in sizes)


def _padded(whole: Rectangle, sizes: Size) -> tuple[Canvas, ...]:
    large, small = max(sizes), min(sizes)
    return fitted(whole, large), Canvas((0, 0, large, large), (small, small), (small, small), source=0)
