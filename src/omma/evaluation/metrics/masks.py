"""Segmentation: how much of the true mask is found (ReferIt and LISA's cIoU and gIoU; gRefCOCO's N-acc, T-acc).

Masks are boolean [height, width] at the picture's original size. (LISA: arXiv 2308.00692, section 5; GRES: 2306.00968.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask


@dataclass(frozen=True, slots=True)
class MaskCounts:
    """Pixels picture by picture, int64 [pictures, 4]: in both masks, in either, in the truth, found."""

    counts: np.ndarray

    @property
    def ciou(self) -> float:
        """Intersections of all pictures over unions of all pictures; large things weigh most. 1 if all masks are empty."""
        common, union = self.counts[:, :2].sum(axis=0)
        return float(common / union) if union else 1.0

    @property
    def each(self) -> np.ndarray:
        """Intersection over union of each picture; 1 if both masks are empty, 0 if one is."""
        common, union = self.counts[:, 0], self.counts[:, 1]
        return np.where(union > 0, common / np.maximum(union, 1), 1.0)

    @property
    def giou(self) -> float:
        """Mean of `each`."""
        return float(self.each.mean())

    def precision_at(self, threshold: float) -> float:
        """Share of pictures with an intersection over union above the threshold."""
        return float((self.each > threshold).mean())

    @property
    def no_target_accuracy(self) -> float | None:
        """Of the pictures where there is nothing, the share where nothing was found; None without such pictures."""
        nothing = self.counts[:, 2] == 0
        return float((self.counts[nothing, 3] == 0).mean()) if nothing.any() else None

    @property
    def target_accuracy(self) -> float | None:
        """Of the pictures where there is something, the share where something was found; None without such pictures."""
        something = self.counts[:, 2] > 0
        return float((self.counts[something, 3] > 0).mean()) if something.any() else None


def mask_counts(found: Sequence[np.ndarray], truths: Sequence[np.ndarray]) -> MaskCounts:
    """Counts for all scores. Raises ValueError for no masks, or two of different sizes."""
    if not truths:
        raise ValueError("segmentation needs at least one mask")
    rows = []
    for one, truth in zip(found, truths, strict=True):
        if one.shape != truth.shape:
            raise ValueError(f"masks are compared at the picture's size {truth.shape}, this one is {one.shape}")
        one, truth = one.astype(bool), truth.astype(bool)
        rows.append(((one & truth).sum(), (one | truth).sum(), truth.sum(), one.sum()))
    return MaskCounts(np.array(rows, dtype=np.int64))


def from_polygons(polygons: Sequence[Sequence[float]], size: tuple[int, int]) -> np.ndarray:
    """The mask of polygons (x, y, x, y, ...) in pixels, for a picture of that (width, height)."""
    canvas = Image.new("1", size)
    draw = ImageDraw.Draw(canvas)
    for polygon in polygons:
        draw.polygon(list(polygon), fill=1)
    return np.array(canvas)


def to_rle(mask: np.ndarray) -> dict[str, Any]:
    """A mask as COCO's run-length code: ``size`` (height, width) and ``counts``, a text."""
    encoded = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": [int(n) for n in encoded["size"]], "counts": encoded["counts"].decode()}


def from_rle(code: dict[str, Any]) -> np.ndarray:
    """The mask of COCO's run-length code. Counts may be a text, or the plain list of runs."""
    height, width = code["size"]
    counts = code["counts"]
    if isinstance(counts, list):
        packed: Any = coco_mask.frPyObjects(code, height, width)
    else:
        packed = {"size": [height, width], "counts": counts.encode() if isinstance(counts, str) else counts}
    return coco_mask.decode(packed).astype(bool)
