"""What shapes a picture shows, read back from its pixels alone: colours, outlines, sizes, places.

GenEval (arXiv 2310.11513) asks a detector and CLIP; pictures of the shapes world need neither. What stands out from the ground
is parted into things of one colour, and each is the shape whose outline covers it best. Nothing here was trained, so that no
model that draws can have learned to please it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from omma.data.playground.shapes_layout import COLORS, CONTRAST, PLACES, SHAPES, SIZES
from omma.data.playground.shapes_outlines import MAX_TURN, RING_HOLE, outline

SIDE = 128
"""Longer side in pixels that pictures are read at, whatever size they have."""
FRAME = 2
"""Pixels along the edges that are taken for background."""
STANDING_OUT = CONTRAST / 2
"""Distance from the background from which a pixel belongs to a thing."""
LEAST = 40
"""Pixels of the smallest thing; a small ring or cross has 90."""
SECOND = 0.25
"""Share of what stands out together from which a second colour is a thing of its own."""
SOLID = 0.25
"""Share of a thing's pixels that have only its own around them."""
ALIKE = 0.62
"""Overlap of a thing with an outline from which it has that shape."""
BETWEEN_SIZES = (SIZES["small"][1] + SIZES["large"][0]) / 2
GRID = 40
"""Side of outlines and things when they are laid over each other."""
REACH = 1.25
"""How far the squares in which they are reach from their centres, in roots of their areas; a star's tips reach 1.04."""
TURN = 3.0
"""Degrees between outlines that are tried."""

_NAMES = tuple(COLORS)
_PALETTE = np.array([COLORS[name] for name in _NAMES], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Found:
    """A thing in a picture.

    Attributes:
        shape: None if no outline fits.
        x, y: centre of its bounding box, as shares of the picture's width and height.
        width, height: of the bounding box, in pixels of a picture of `SIDE`.
    """

    color: str
    shape: str | None
    x: float
    y: float
    width: float
    height: float

    @property
    def size(self) -> str:
        return "large" if max(self.width, self.height) > BETWEEN_SIZES else "small"

    @property
    def place(self) -> str:
        """One of the nine names of places."""
        return PLACES[min(2, int(3 * self.y))][min(2, int(3 * self.x))]


def read_back(picture: Image.Image) -> list[Found]:
    """The things in a picture, row by row as the shapes world lists them."""
    scale = SIDE / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    scaled = picture.convert("RGB")
    if scaled.size != (width, height):
        scaled = scaled.resize((width, height), Image.Resampling.BICUBIC)
    pixels = np.asarray(scaled, dtype=np.float32)
    background = _background(pixels)
    standing_out = np.linalg.norm(pixels - background, axis=2) > STANDING_OUT
    nearest = np.linalg.norm(pixels[:, :, None] - _PALETTE, axis=3).argmin(2)
    found = [
        _thing(pixels, background, part, color, (width, height))
        for together in _connected(standing_out)
        for part, color in _by_color(together, nearest)
    ]
    return sorted(found, key=lambda thing: (int(3 * thing.y), int(3 * thing.x), thing.x, thing.y))


def _background(pixels: np.ndarray) -> np.ndarray:
    """[height, width, 3]: what the frame of the picture goes on as, from top to bottom, without what lies on it."""
    height, width = pixels.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    frame = (np.minimum(rows, height - 1 - rows) < FRAME) | (np.minimum(columns, width - 1 - columns) < FRAME)
    values = pixels[frame]
    terms = np.stack([np.ones(len(values)), rows[frame] / height], axis=1).astype(np.float32)
    kept = np.linalg.norm(values - np.median(values, axis=0), axis=1) < 1.5 * CONTRAST
    for _ in range(3):
        fitted, *_ = np.linalg.lstsq(terms[kept], values[kept], rcond=None)
        kept = np.linalg.norm(values - terms @ fitted, axis=1) < STANDING_OUT
        if kept.sum() < len(values) / 4:
            break
    share = (np.arange(height, dtype=np.float32) / height)[:, None]
    return np.broadcast_to((fitted[0] + share * fitted[1])[:, None], pixels.shape)


def _connected(mask: np.ndarray) -> list[np.ndarray]:
    """The pieces of a mask that hang together and are no specks."""
    labels, count = ndimage.label(mask)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    return [labels == number for number in range(1, count + 1) if sizes[number] >= LEAST]


def _by_color(together: np.ndarray, nearest: np.ndarray) -> list[tuple[np.ndarray, int]]:
    """What hangs together in things of one colour each. Edges blend with the background, so that only what lies inside tells."""
    inside = ndimage.binary_erosion(together)
    counts = np.bincount(nearest[inside], minlength=len(_NAMES))
    colors = [int(color) for color in np.argsort(-counts) if counts[color] >= max(SECOND * counts.sum(), LEAST / 2)]
    parts = [(part, color) for color in colors for part in _connected(together & (nearest == color)) if _is_solid(part)]
    if len({color for _, color in parts}) < 2:
        return [(together, int(counts.argmax()))]
    return parts


def _is_solid(part: np.ndarray) -> bool:
    """Whether it is more than the rim of something else, whose colour blends with the background into a third one."""
    return bool(ndimage.binary_erosion(part).sum() >= SOLID * part.sum())


def _thing(pixels: np.ndarray, background: np.ndarray, part: np.ndarray, color: int, size: tuple[int, int]) -> Found:
    inside = ndimage.binary_erosion(part)
    own = np.median(pixels[inside if inside.any() else part], axis=0)
    # How much of a pixel the thing covers, by how far the pixel has come from the background to the thing's colour.
    way = own - background
    covered = ((pixels - background) * way).sum(2) / np.maximum((way * way).sum(2), 1.0)
    covered = np.clip(covered, 0, 1) * ndimage.binary_dilation(part, iterations=2)
    shape, box = _shape(covered)
    left, top, right, bottom = box
    width, height = size
    return Found(
        color=_NAMES[color],
        shape=shape,
        x=min(max((left + right) / 2 / width, 0.0), 1.0),
        y=min(max((top + bottom) / 2 / height, 0.0), 1.0),
        width=right - left,
        height=bottom - top,
    )


def _shape(covered: np.ndarray) -> tuple[str | None, tuple[float, float, float, float]]:
    """The shape whose outline has most in common with what is covered, and its (left, top, right, bottom).

    Both are laid over each other by their centres of mass and areas: those of a thing survive blur, which its corners do not.
    """
    side = math.sqrt(covered.sum())
    y, x = ndimage.center_of_mass(covered)
    steps = (np.arange(GRID) + 0.5) / GRID * 2 * REACH - REACH
    places = np.meshgrid(y + side * steps, x + side * steps, indexing="ij")
    seen = ndimage.map_coordinates(covered, places, order=1).ravel()
    outlines = _outlines()
    drawn = outlines.coverage
    common = np.minimum(drawn, seen).sum(1) / np.maximum(drawn, seen).sum(1)
    best = int(common.argmax())
    # Pixels begin half a pixel before their centres.
    left, top, right, bottom = (side * edge for edge in outlines.boxes[best])
    box = (x + left + 0.5, y + top + 0.5, x + right + 0.5, y + bottom + 0.5)
    return (outlines.names[best] if common[best] >= ALIKE else None), box


@dataclass(frozen=True, slots=True)
class _Outlines:
    """Every shape in every turn that leaves it its name, of area 1 around its centre of mass.

    Attributes:
        coverage: [outlines, GRID * GRID], of a square that reaches `REACH` to every side.
        boxes: (left, top, right, bottom).
    """

    names: tuple[str, ...]
    coverage: np.ndarray
    boxes: tuple[tuple[float, float, float, float], ...]


@cache
def _outlines() -> _Outlines:
    names, drawn, boxes = [], [], []
    for shape in SHAPES:
        steps = int(MAX_TURN[shape] // TURN)
        for step in range(-steps, steps + 1):
            polygon = np.array(outline(shape, 2.0, step * TURN))
            coverage, box = _around_its_center(polygon, hole=shape == "ring")
            names.append(shape)
            drawn.append(coverage)
            boxes.append(box)
    return _Outlines(tuple(names), np.stack(drawn), tuple(boxes))


def _around_its_center(polygon: np.ndarray, *, hole: bool) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    x, y = polygon.T
    # The shoelace formula, for area and centre of mass.
    cross = x * np.roll(y, -1) - np.roll(x, -1) * y
    area = cross.sum() / 2
    center = np.array([((x + np.roll(x, -1)) * cross).sum(), ((y + np.roll(y, -1)) * cross).sum()]) / (6 * area)
    covered = abs(area) * (1 - RING_HOLE**2 if hole else 1)
    normal = (polygon - center) / math.sqrt(covered)
    side = 8 * GRID
    picture = Image.new("L", (side, side))
    draw = ImageDraw.Draw(picture)
    places = (normal / REACH + 1) / 2 * side - 0.5
    draw.polygon([tuple(place) for place in places], fill=255)
    if hole:
        draw.polygon([tuple(place) for place in (normal * RING_HOLE / REACH + 1) / 2 * side - 0.5], fill=0)
    left, top = normal.min(0)
    right, bottom = normal.max(0)
    return np.asarray(picture.reduce(8), dtype=np.float32).ravel() / 255, (left, top, right, bottom)
