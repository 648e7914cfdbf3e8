"""Places: boxes in whatever frame a model writes them, intersection over union, Acc@0.5, pointing, and detection.

Boxes are float [N, 4], (left, top, right, bottom) in pixels of the original picture, unless a `Frame` says otherwise.
(RefCOCO: arXiv 1608.00272; COCO's average precision: 1405.0312.)
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.optimize import linear_sum_assignment

Order = Literal["xyxy", "yxyx", "xywh", "cxcywh"]
Canvas = Literal["original", "padded-square"]
Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Frame:
    """How a model writes boxes. Guessing it from magnitudes is what makes scores wrong, so it is always declared.

    Attributes:
        order: of the four numbers; ``xywh`` has the corner and the size, ``cxcywh`` the centre and the size.
        scale: what the canvas's width and height are in its numbers (1, 100, 1000, or 1024 for location tokens); None if
            they are pixels.
        canvas: the original picture, or the square that it was padded to on both sides.
        resized: (width, height) of the resized canvas, where numbers are pixels of it; None for the original's pixels.
    """

    order: Order = "xyxy"
    scale: float | None = None
    canvas: Canvas = "original"
    resized: Size | None = None

    def to_pixels(self, boxes_N4: np.ndarray, size: Size) -> np.ndarray:
        """Boxes as pixels (left, top, right, bottom) of the original picture of that (width, height); not clipped."""
        boxes = np.asarray(boxes_N4, dtype=np.float64).reshape(-1, 4)
        if self.order == "yxyx":
            boxes = boxes[:, [1, 0, 3, 2]]
        elif self.order == "xywh":
            boxes = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
        elif self.order == "cxcywh":
            boxes = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], axis=1)
        factors, offset = self._factors_and_offset(size)
        return boxes * factors - offset

    def of_pixels(self, boxes_N4: np.ndarray, size: Size) -> np.ndarray:
        """The inverse of `to_pixels`: boxes of the original picture as this frame writes them."""
        factors, offset = self._factors_and_offset(size)
        boxes = (np.asarray(boxes_N4, dtype=np.float64).reshape(-1, 4) + offset) / factors
        if self.order == "yxyx":
            return boxes[:, [1, 0, 3, 2]]
        if self.order == "xywh":
            return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
        if self.order == "cxcywh":
            return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], axis=1)
        return boxes

    def _factors_and_offset(self, size: Size) -> tuple[np.ndarray, np.ndarray]:
        """Pixels of the canvas per unit, and where the picture begins in it, each for (x, y, x, y)."""
        width, height = size
        padded = max(size)
        canvas = (width, height) if self.canvas == "original" else (padded, padded)
        written = self.resized or canvas if self.scale is None else (self.scale, self.scale)
        factors = np.array([canvas[0] / written[0], canvas[1] / written[1]] * 2)
        return factors, np.array([(canvas[0] - width) / 2, (canvas[1] - height) / 2] * 2)


FRAMES: dict[str, Frame] = {
    "pixels": Frame(),
    "thousandths": Frame(scale=1000),
    "gemini": Frame("yxyx", scale=1000),
    "paligemma": Frame("yxyx", scale=1024),
    "llava": Frame(scale=1, canvas="padded-square"),
}
"""What well-known models write; Qwen2.5-VL writes pixels of the picture as it was resized, which `Frame.resized` is for.
Qwen2-VL, Qwen3-VL and InternVL write thousandths."""


def clipped(boxes_N4: np.ndarray, size: Size) -> np.ndarray:
    """Boxes cut off at the borders of a picture of that (width, height)."""
    limits = np.array([size[0], size[1]] * 2, dtype=np.float64)
    return np.clip(boxes_N4, 0, limits)


def iou(one_N4: np.ndarray, other_M4: np.ndarray) -> np.ndarray:
    """Intersection over union of every pair, [N, M]; inverted and empty boxes have 0 with everything."""
    one, other = (np.asarray(b, dtype=np.float64).reshape(-1, 4) for b in (one_N4, other_M4))
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(axis=-1)
    areas = [np.where((b[:, 2:] > b[:, :2]).all(1), (b[:, 2:] - b[:, :2]).prod(1), 0.0) for b in (one, other)]
    valid = (areas[0] > 0)[:, None] & (areas[1] > 0)[None]
    union = areas[0][:, None] + areas[1][None] - common
    return np.where(valid, common / np.where(union > 0, union, 1), 0.0)


@dataclass(frozen=True, slots=True)
class GroundingScores:
    """Attributes:
    mean_iou: over expressions.
    accuracy: share with an IoU of at least the threshold, by threshold.
    centre: share whose centre lies in the true box.
    invalid: share without a box that has an area.
    """

    mean_iou: float
    accuracy: dict[float, float]
    centre: float
    invalid: float


def grounding_scores(
    found: Sequence[np.ndarray | None],
    truths: Sequence[np.ndarray],
    sizes: Sequence[Size],
    *,
    thresholds: Sequence[float] = (0.3, 0.5, 0.7, 0.9),
) -> GroundingScores:
    """One box [4] per referring expression, None where none was written. Boxes are clipped to their pictures.

    Raises:
        ValueError: for no expressions.
    """
    if not truths:
        raise ValueError("grounding needs at least one expression")
    overlaps, centres, invalid = [], [], 0
    for box, truth, size in zip(found, truths, sizes, strict=True):
        cut = None if box is None else clipped(np.asarray(box, dtype=np.float64), size)
        if cut is None or not (cut[2:] > cut[:2]).all():
            overlaps.append(0.0)
            centres.append(False)
            invalid += 1
            continue
        overlaps.append(float(iou(cut, clipped(truth, size))[0, 0]))
        centre = (cut[:2] + cut[2:]) / 2
        centres.append(bool((truth[:2] <= centre).all() and (centre <= truth[2:]).all()))
    return GroundingScores(
        float(np.mean(overlaps)),
        {threshold: float(np.mean([overlap >= threshold for overlap in overlaps])) for threshold in thresholds},
        float(np.mean(centres)),
        invalid / len(truths),
    )


@dataclass(frozen=True, slots=True)
class Detections:
    """What was found, or what is there, in one picture.

    Attributes:
        boxes: [N, 4].
        labels: N names.
        scores: [N], how sure the model is; None if it does not say.
        crowd: [N], of the truth only: regions of many things, which are no misses and hide no false alarms.
    """

    boxes: np.ndarray
    labels: Sequence[str]
    scores: np.ndarray | None = None
    crowd: np.ndarray | None = None


def average_precision(found: Sequence[Detections], truths: Sequence[Detections]) -> dict[str, float]:
    """COCO's average precision over all pictures, by `pycocotools`, as "AP", "AP50", "AP75", "AP_small", "AP_medium",
    "AP_large", "AR1", "AR10", "AR100"; -1 where there is nothing of a kind.

    Raises:
        ValueError: if a picture's detections have no scores: a ranking is what the metric is of. Use `f1_at`.
    """
    # Imported here: it takes a second to load and is for this alone.
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    if any(one.scores is None and len(one.boxes) for one in found):
        raise ValueError("average precision ranks detections by their scores, and these have none; use f1_at")
    names = sorted({label for one in (*found, *truths) for label in one.labels})
    number = {name: i for i, name in enumerate(names, start=1)}
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for picture, (guess, truth) in enumerate(zip(found, truths, strict=True), start=1):
        crowd = np.zeros(len(truth.boxes), bool) if truth.crowd is None else truth.crowd
        for box, label, many in zip(truth.boxes, truth.labels, crowd, strict=True):
            corner = [float(box[0]), float(box[1]), float(box[2] - box[0]), float(box[3] - box[1])]
            annotations.append({
                "id": len(annotations) + 1, "image_id": picture, "category_id": number[label], "bbox": corner,
                "area": corner[2] * corner[3], "iscrowd": int(many),
            })  # fmt: skip
        for box, label, sure in zip(guess.boxes, guess.labels, [] if guess.scores is None else guess.scores, strict=True):
            corner = [float(box[0]), float(box[1]), float(box[2] - box[0]), float(box[3] - box[1])]
            results.append({"image_id": picture, "category_id": number[label], "bbox": corner, "score": float(sure)})
    keys = ("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large", "AR1", "AR10", "AR100")
    if not annotations:
        return dict.fromkeys(keys, -1.0)
    if not results:
        return dict.fromkeys(keys, 0.0)
    with _silent():
        truth_set = COCO()
        truth_set.dataset = {
            "info": {},
            "images": [{"id": i} for i in range(1, len(truths) + 1)],
            "categories": [{"id": i, "name": name} for name, i in number.items()],
            "annotations": annotations,
        }
        truth_set.createIndex()
        evaluation = COCOeval(truth_set, truth_set.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return dict(zip(keys, map(float, evaluation.stats[:9]), strict=True))


def _silent() -> contextlib.AbstractContextManager[object]:
    """Standard output goes nowhere: the library prints its progress."""
    return contextlib.redirect_stdout(io.StringIO())


def matched(found: Detections, truth: Detections, threshold: float) -> int:
    """How many can be paired one to one with a true box of the same label and an IoU of at least the threshold."""
    same = np.array([[one == other for other in truth.labels] for one in found.labels], bool).reshape(
        len(found.labels), len(truth.labels)
    )
    allowed = (iou(found.boxes, truth.boxes) >= threshold) & same
    rows, columns = linear_sum_assignment(allowed, maximize=True)
    return int(allowed[rows, columns].sum())


def f1_at(found: Sequence[Detections], truths: Sequence[Detections], threshold: float = 0.5) -> float:
    """F1 of detections without scores, over all pictures, in [0, 1]; 1 if there is nothing and nothing was found."""
    hits = sum(matched(guess, truth, threshold) for guess, truth in zip(found, truths, strict=True))
    total = sum(len(one.boxes) for one in (*found, *truths))
    return 2 * hits / total if total else 1.0


def points_in_masks(points_N2: np.ndarray, masks: Sequence[np.ndarray]) -> tuple[float, float]:
    """(precision, recall) of points (x, y) in pixels, each matched to one mask [height, width] that it lies in.

    Both are 1 where there is nothing and nothing was pointed at.
    """
    points = np.asarray(points_N2, dtype=np.float64).reshape(-1, 2)
    inside = np.zeros((len(points), len(masks)), bool)
    for column, mask in enumerate(masks):
        x, y = np.floor(points).astype(int).T
        there = (x >= 0) & (y >= 0) & (x < mask.shape[1]) & (y < mask.shape[0])
        inside[there, column] = mask[y[there], x[there]].astype(bool)
    rows, columns = linear_sum_assignment(inside, maximize=True)
    hits = int(inside[rows, columns].sum())
    nothing = 0.0 if len(points) or len(masks) else 1.0
    return hits / len(points) if len(points) else nothing, hits / len(masks) if len(masks) else nothing
