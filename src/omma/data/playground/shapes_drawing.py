"""Pixels of the shapes world: anti-aliased pictures and masks from a layout."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

from omma.data.playground.shapes_layout import Background, Layout, Thing
from omma.data.playground.shapes_outlines import RING_HOLE
from omma.data.sample import Mask

SUPERSAMPLING = 4
NOISE = 7
"""Largest change of a noisy background's brightness per pixel."""


def draw_picture(layout: Layout) -> Image.Image:
    """The layout's picture, mode RGB, [height, width] of the layout."""
    picture = draw_background(layout.background, layout.width, layout.height)
    for thing in layout.things:
        coverage, corner = draw_coverage(thing)
        picture.paste(thing.rgb, (*corner, corner[0] + coverage.width, corner[1] + coverage.height), coverage)
    return picture


def draw_masks(layout: Layout) -> tuple[Mask, ...]:
    """One mask per thing, in the layout's order: the pixels of which the thing covers at least half."""
    masks = []
    for thing in layout.things:
        coverage, corner = draw_coverage(thing)
        full = Image.new("L", (layout.width, layout.height))
        full.paste(coverage, corner)
        masks.append(Mask(np.asarray(full) >= 128, label=thing.label))
    return tuple(masks)


def draw_coverage(thing: Thing) -> tuple[Image.Image, tuple[int, int]]:
    """How much of each pixel the thing covers (mode L, 0 to 255) in a patch around it, and the patch's top left pixel."""
    left, top, right, bottom = thing.box
    x, y = math.floor(left), math.floor(top)
    width, height = math.ceil(right) - x, math.ceil(bottom) - y
    patch = Image.new("L", (width * SUPERSAMPLING, height * SUPERSAMPLING))
    draw = ImageDraw.Draw(patch)
    polygon = thing.polygon
    draw.polygon(_in_patch(polygon, x, y), fill=255)
    if thing.shape == "ring":
        hole = [(thing.x + (px - thing.x) * RING_HOLE, thing.y + (py - thing.y) * RING_HOLE) for px, py in polygon]
        draw.polygon(_in_patch(hole, x, y), fill=0)
    return patch.reduce(SUPERSAMPLING), (x, y)


def _in_patch(
    polygon: tuple[tuple[float, float], ...] | list[tuple[float, float]], x: int, y: int
) -> list[tuple[float, float]]:
    # Pillow puts integer coordinates on pixel centres, hence the half pixel.
    return [((px - x) * SUPERSAMPLING - 0.5, (py - y) * SUPERSAMPLING - 0.5) for px, py in polygon]


def draw_background(background: Background, width: int, height: int) -> Image.Image:
    """The picture before any thing is on it, mode RGB."""
    if background.kind == "plain":
        return Image.new("RGB", (width, height), background.top)
    if background.kind == "gradient":
        share = np.linspace(0, 1, height)[:, None]
        rows = (1 - share) * np.array(background.top) + share * np.array(background.bottom)
        column = Image.fromarray(np.rint(rows).astype(np.uint8)[:, None, :])
        return column.resize((width, height), Image.Resampling.NEAREST)
    speckle = np.random.default_rng(background.seed).integers(-NOISE, NOISE + 1, (height, width, 1), dtype=np.int16)
    return Image.fromarray(np.clip(np.array(background.top, dtype=np.int16) + speckle, 0, 255).astype(np.uint8))
