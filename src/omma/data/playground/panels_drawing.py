"""Pixels of the panels world: one picture of 100 x 100 per box, in the look of the Cornell NLVR pictures."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from omma.data.playground.panels_layout import BLOCK, BLOCK_STEP, BOX, Item, PanelBox, Tower
from omma.data.sample import Box, Mask

RGB: dict[str, tuple[int, int, int]] = {"black": (0, 0, 0), "blue": (0, 153, 255), "yellow": (255, 255, 0)}
GRAY = (211, 211, 211)
SUPERSAMPLING = 4


def draw_box(box: PanelBox) -> Image.Image:
    """One box, mode RGB, 100 x 100."""
    picture = Image.new("RGB", (BOX, BOX), GRAY)
    for color, coverage, corner in _pieces(box):
        picture.paste(RGB[color], (*corner, corner[0] + coverage.width, corner[1] + coverage.height), coverage)
    return picture


def draw_box_masks(box: PanelBox) -> tuple[Mask, ...]:
    """One mask [100, 100] per item or block, in the order of `object_boxes`."""
    masks = []
    for (_, coverage, corner), named in zip(_pieces(box), object_boxes(box), strict=True):
        full = Image.new("L", (BOX, BOX))
        full.paste(coverage, corner)
        masks.append(Mask(np.asarray(full) >= 128, label=named.label))
    return tuple(masks)


def object_boxes(box: PanelBox) -> tuple[Box, ...]:
    """Bounding boxes of the items, or of the blocks tower by tower from the base up."""
    items = [
        Box(i.left, i.top, i.left + i.side, i.top + i.side, label=f"{i.size} {i.color} {i.shape}") for i in box.items
    ]
    blocks = [
        Box(t.left, top, t.left + BLOCK, top + BLOCK, label=f"{color} block")
        for t in box.towers
        for color, top in zip(t.colors, _tops(t), strict=True)
    ]
    return tuple(items + blocks)


def _tops(tower: Tower) -> list[int]:
    return [BOX - BLOCK - BLOCK_STEP * level for level in range(len(tower.colors))]


def _pieces(box: PanelBox) -> list[tuple[str, Image.Image, tuple[int, int]]]:
    """(colour, coverage of mode L, top left corner) of each item or block."""
    block = Image.new("L", (BLOCK, BLOCK), 255)
    items = [(item.color, _coverage(item), (item.left, item.top)) for item in box.items]
    return items + [
        (color, block, (tower.left, top))
        for tower in box.towers
        for color, top in zip(tower.colors, _tops(tower), strict=True)
    ]


def _coverage(item: Item) -> Image.Image:
    side = item.side * SUPERSAMPLING
    patch = Image.new("L", (side, side), 255 if item.shape == "square" else 0)
    draw = ImageDraw.Draw(patch)
    if item.shape == "circle":
        draw.ellipse((0, 0, side - 1, side - 1), fill=255)
    elif item.shape == "triangle":
        draw.polygon(((side / 2 - 0.5, 0), (side - 1, side - 1), (0, side - 1)), fill=255)
    return patch.reduce(SUPERSAMPLING)
