"""What the tests of several resolution strategies need: sizes, planners and counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from omma.parts.resolution import RESOLUTIONS, Resolution
from omma.parts.resolution.base import Grid, Size
from omma.parts.resolution.layout import LayoutItem, MapTokens, Mark, arrange

SIZES: tuple[Size, ...] = (
    (336, 336),
    (640, 480),
    (800, 1300),
    (1000, 200),
    (1920, 1080),
    (2480, 3508),
    (4000, 1600),
    (300, 2400),
)
"""(width, height) of the worked examples."""


def planner(name: str, **fields: Any) -> Any:
    return RESOLUTIONS.parse({"type": name, **fields}, where="resolution").build()


def tokens(strategy: Resolution, size: Size, grid: Grid) -> int:
    """Image vectors of a picture if every view becomes ``grid`` tokens."""
    plan = strategy.plan(*size)
    return len(arrange(plan.layout, len(plan.views), lambda view: grid, strategy.marks))


def random_sizes(number: int, *, longest: int = 5000, seed: int = 0) -> Iterator[Size]:
    """Sizes from tiny to large, some square and some of simple ratios, where ties are."""
    rng = np.random.default_rng(seed)
    for width, height, kind in zip(
        np.exp(rng.uniform(0, np.log(longest), number)).astype(int) + 1,
        np.exp(rng.uniform(0, np.log(longest), number)).astype(int) + 1,
        rng.integers(0, 8, number),
        strict=True,
    ):
        if kind < 2:
            unit = max(int(width) // 6, 1)
            yield unit * int(height % 6 + 1), unit * int(width % 6 + 1)
        else:
            yield int(width), int(height)


def noise(size: Size, seed: int = 0) -> Image.Image:
    width, height = size
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def blank(size: Size) -> np.ndarray:
    """uint8 [1, height, width] of ones, which takes no memory, whatever its size."""
    return np.broadcast_to(np.ones((1, 1, 1), np.uint8), (1, size[1], size[0]))


def place_of(picture: np.ndarray) -> Size:
    """(left, top) of what is not 0 in a picture [1, height, width] that has it in its middle."""
    row, column = picture[0, picture.shape[1] // 2], picture[0, :, picture.shape[2] // 2]
    return int(row.argmax()), int(column.argmax())


def pixels(views: list[Image.Image]) -> np.ndarray:
    """uint8 [V, 3, height, width], as processors of transformers give them."""
    return np.stack([np.asarray(view) for view in views]).transpose(0, 3, 1, 2)


def marks_in(layout: tuple[LayoutItem, ...]) -> set[str]:
    """Names of the marks that a layout uses."""
    ends = {item.row_end for item in layout if isinstance(item, MapTokens) and item.row_end is not None}
    return ends | {item.name for item in layout if isinstance(item, Mark)}
