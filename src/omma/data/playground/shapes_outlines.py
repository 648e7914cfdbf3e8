"""Outlines of the shapes world's eight shapes, as polygons in picture pixels.

Every outline is scaled so that the longer side of its bounding box is the object's diameter, whatever the rotation: then
"small" and "large" mean the same for all shapes, and the bounding box is exact.
"""

from __future__ import annotations

import math
from functools import lru_cache

Point = tuple[float, float]
Polygon = tuple[Point, ...]

RING_HOLE = 0.56
"""Inner over outer diameter of a ring: a hole that survives at the small size."""


def _regular(corners: int, *, start: float = -90.0) -> Polygon:
    angles = (math.radians(start + 360.0 * i / corners) for i in range(corners))
    return tuple((math.cos(a), math.sin(a)) for a in angles)


def _star() -> Polygon:
    outer, inner = _regular(5), _regular(5, start=-54.0)
    return tuple(p for (ox, oy), (ix, iy) in zip(outer, inner, strict=True) for p in ((ox, oy), (0.42 * ix, 0.42 * iy)))


def _cross() -> Polygon:
    a = 0.32
    return ((-a, -1), (a, -1), (a, -a), (1, -a), (1, a), (a, a), (a, 1), (-a, 1), (-a, a), (-1, a), (-1, -a), (-a, -a))


def _heart() -> Polygon:
    # The classic parametric heart; y grows downward in pictures.
    steps = [2 * math.pi * i / 44 for i in range(44)]
    return tuple(
        (
            16 * math.sin(t) ** 3 / 17,
            -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 17,
        )
        for t in steps
    )


_UNIT: dict[str, Polygon] = {
    "circle": _regular(48),
    "square": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
    "triangle": _regular(3),
    "star": _star(),
    "cross": _cross(),
    "diamond": ((0, -1), (0.68, 0), (0, 1), (-0.68, 0)),
    "heart": _heart(),
    "ring": _regular(48),
}

MAX_TURN: dict[str, float] = {
    "circle": 0, "square": 9, "triangle": 12, "star": 18, "cross": 12, "diamond": 8, "heart": 14, "ring": 0,
}  # fmt: skip
"""Largest rotation in degrees that leaves each shape its name: a turned square would be a diamond."""


# Placing, boxing and drawing an object all want its outline.
@lru_cache(maxsize=256)
def outline(shape: str, diameter: float, angle: float) -> Polygon:
    """The shape's polygon with its bounding box centred on the origin and its longer side ``diameter`` pixels.

    ``angle`` is in degrees, clockwise in the picture.
    """
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    turned = [(x * cos - y * sin, x * sin + y * cos) for x, y in _UNIT[shape]]
    xs, ys = [x for x, _ in turned], [y for _, y in turned]
    left, right, top, bottom = min(xs), max(xs), min(ys), max(ys)
    scale = diameter / max(right - left, bottom - top)
    middle_x, middle_y = (left + right) / 2, (top + bottom) / 2
    return tuple(((x - middle_x) * scale, (y - middle_y) * scale) for x, y in turned)


def extent(polygon: Polygon) -> tuple[float, float]:
    """(width, height) of a polygon's bounding box in pixels."""
    xs, ys = [x for x, _ in polygon], [y for _, y in polygon]
    return max(xs) - min(xs), max(ys) - min(ys)
