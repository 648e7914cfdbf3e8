"""Plans: how a resolution strategy cuts one picture, in integers only.

A strategy is a pure function ``(width, height) -> Plan``. Cutting pixels (`cut`) and ordering tokens (`layout.arrange`)
are the same two functions for every strategy, so what the prompt reserves and what the encoder delivers cannot disagree.

A plan is read in three steps, each exact in integers:

1. *Canvases.* A region of the original picture (it may reach beyond the picture: there the fill colour shows), or of a
   canvas before, is resized to ``content`` pixels and pasted at ``offset`` on a canvas of ``size`` (a negative offset crops).
2. *Views.* Each view is a box of one canvas: exactly the pixels that the encoder sees.
3. *Layout.* The order in which view tokens, separating marks and text enter the sequence (`layout`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from PIL import Image

from omma.parts.base import Part, PartConfig, Registry
from omma.parts.resolution.layout import Grid, LayoutItem, Mark, Size, ViewTokens

__all__ = [
    "RESOLUTIONS", "Canvas", "Color", "Grid", "LayoutItem", "Mark", "Plan", "Rectangle", "Resolution", "Size", "View",
    "ViewTokens", "checked", "cut", "grid_of_views", "nearest_multiple",
]  # fmt: skip

Rectangle = tuple[int, int, int, int]
"""(left, top, right, bottom) in pixels; right and bottom are exclusive."""
Color = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Canvas:
    """A resized picture to cut views from.

    Attributes:
        region: of the original picture (or of ``source``), in its pixels; parts outside are filled.
        content: size to which the region is resized.
        size: size of the canvas.
        offset: where the content's top left corner lands on the canvas; negative to crop.
        fill: colour beside the content and beyond the picture; None for what the caller of `cut` gives, the encoder's mean.
        source: number of the canvas, an earlier one, that the region is of; None for the picture itself.
        resample: how it is resized.
    """

    region: Rectangle
    content: Size
    size: Size
    offset: tuple[int, int] = (0, 0)
    fill: Color | None = None
    source: int | None = None
    resample: Image.Resampling = Image.Resampling.BICUBIC


@dataclass(frozen=True, slots=True)
class View:
    """One input of the encoder: a box of a canvas, never resized again.

    Attributes:
        canvas: index into ``Plan.canvases``.
        box: in that canvas's pixels; its size is what the encoder sees.
        cell: (row, column) among the views of the same canvas; None for a view of the whole picture.
        branch: which encoder reads it, for systems with several.
    """

    canvas: int
    box: Rectangle
    cell: tuple[int, int] | None = None
    branch: int = 0

    @property
    def size(self) -> Size:
        left, top, right, bottom = self.box
        return right - left, bottom - top


@dataclass(frozen=True, slots=True)
class Plan:
    """How one picture is cut. Hashable, so it can key a cache."""

    image: Size
    canvases: tuple[Canvas, ...]
    views: tuple[View, ...]
    layout: tuple[LayoutItem, ...]

    def region_of(self, view: int) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) of a view in pixels of the original picture; may reach beyond it."""
        return self._in_picture(self.views[view].canvas, self.views[view].box)

    def _in_picture(
        self, number: int, box: tuple[float, float, float, float]
    ) -> tuple[float, float, float, float]:
        """A box of a canvas in pixels of the original picture."""
        canvas = self.canvases[number]
        left, top, right, bottom = canvas.region
        scale_x = (right - left) / canvas.content[0]
        scale_y = (bottom - top) / canvas.content[1]
        dx, dy = canvas.offset
        found = (
            left + (box[0] - dx) * scale_x,
            top + (box[1] - dy) * scale_y,
            left + (box[2] - dx) * scale_x,
            top + (box[3] - dy) * scale_y,
        )
        return found if canvas.source is None else self._in_picture(canvas.source, found)


def checked(width: int, height: int) -> Rectangle:
    """The rectangle of a whole picture.

    Raises:
        ValueError: if a side is not positive.
    """
    if width < 1 or height < 1:
        raise ValueError(f"a picture needs positive sides, this one has {width}x{height}")
    return 0, 0, width, height


@lru_cache(maxsize=1024)
def grid_of_views(canvas: int, rows: int, columns: int, size: Size) -> tuple[View, ...]:
    """Views of ``size`` pixels that cover a canvas, row by row, with their cells."""
    width, height = size
    return tuple(
        View(canvas, (column * width, row * height, (column + 1) * width, (row + 1) * height), (row, column))
        for row in range(rows)
        for column in range(columns)
    )


@lru_cache(maxsize=1024)
def in_order(views: int) -> tuple[LayoutItem, ...]:
    """The layout of views that stand one after another, nothing between them."""
    return tuple(ViewTokens(view) for view in range(views))


def nearest_multiple(number: int, of: int) -> int:
    """The positive multiple that is nearest; of two equally near ones the larger."""
    return max((2 * number + of) // (2 * of), 1) * of


def cut(image: Image.Image, plan: Plan, *, fill: Color = (0, 0, 0)) -> list[Image.Image]:
    """The pixels of every view of a plan, in order.

    Args:
        image: RGB, of exactly the size that was planned.
        fill: colour of padding on canvases that have no colour of their own.

    Raises:
        ValueError: if the picture's size is not the plan's.
    """
    if image.size != plan.image:
        raise ValueError(f"the plan is for a picture of {plan.image} pixels, this one has {image.size}")
    canvases: list[Image.Image] = []
    for canvas in plan.canvases:
        source = image if canvas.source is None else canvases[canvas.source]
        canvases.append(_paint(source, canvas, canvas.fill if canvas.fill is not None else fill))
    return [
        canvases[view.canvas]
        if view.box == (0, 0, *canvases[view.canvas].size)
        else canvases[view.canvas].crop(view.box)
        for view in plan.views
    ]


def _paint(image: Image.Image, canvas: Canvas, fill: Color) -> Image.Image:
    region = image
    if canvas.region != (0, 0, *image.size):
        region = _framed(image, canvas, fill)
    if region.size != canvas.content:
        region = region.resize(canvas.content, canvas.resample)
    if canvas.size == canvas.content and canvas.offset == (0, 0):
        return region
    painted = Image.new("RGB", canvas.size, fill)
    painted.paste(region, canvas.offset)
    return painted


MOST_FRAMED = 1 << 26
"""Pixels of the largest frame that is painted whole."""
STRIP = 1 << 22
"""Pixels of the strips in which a larger one is painted."""


def _framed(image: Image.Image, canvas: Canvas, fill: Color) -> Image.Image:
    """A canvas's region of a picture, filled up where it reaches beyond; a huge one is as wide as the content already.

    A picture of 30,000 x 10 pixels would need gigabytes for its square. Pillow resizes by width first and by height then, so
    doing the first half in strips gives the same pixels.
    """
    left, top, right, bottom = canvas.region
    width, height = right - left, bottom - top
    if width * height > MOST_FRAMED:
        narrow = Image.new("RGB", (canvas.content[0], image.height))
        rows = max(1, STRIP // width)
        for row in range(0, image.height, rows):
            strip = Image.new("RGB", (width, min(rows, image.height - row)), fill)
            strip.paste(image.crop((0, row, image.width, row + strip.height)), (-left, 0))
            narrow.paste(strip.resize((canvas.content[0], strip.height), canvas.resample), (0, row))
        image, left, width = narrow, 0, canvas.content[0]
    frame = Image.new("RGB", (width, height), fill)
    frame.paste(image, (-left, -top))
    return frame


class Resolution(Part):
    """A resolution strategy. Subclasses implement `plan`; their config holds sizes and caps, all in pixels or counts."""

    class Config(PartConfig):
        pass

    marks: tuple[str, ...] = ()
    """Names of the learned vectors that its layouts use."""
    branches: int = 1
    """How many encoders its views are for."""
    is_plain: bool = False
    """Whether every picture is one view of the whole, always of the same size."""

    def plan(self, width: int, height: int) -> Plan:
        """The plan for a picture of that size.

        Raises:
            ValueError: if a side is not positive.
        """
        raise NotImplementedError

    def for_patches(self, patch: int) -> dict[str, int]:
        """The fields nearest to its own with which all views are whole patches of that side in pixels.

        Nothing from strategies whose views have sizes of their own, not made of patches.
        """
        return {}


RESOLUTIONS: Registry[type[Resolution]] = Registry("resolution")
