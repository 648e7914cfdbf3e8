"""Places: every frame comes back to pixels, IoU by pixel counting, COCO's library, and one-to-one matching."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omma.evaluation.metrics.boxes import (
    FRAMES,
    Detections,
    Frame,
    average_precision,
    clipped,
    f1_at,
    grounding_scores,
    iou,
    matched,
    points_in_masks,
)

SIZE = (200, 100)
BOX = np.array([[50.0, 20.0, 150.0, 60.0]])


@pytest.mark.parametrize(
    ("frame", "written"),
    [
        (Frame(), [50, 20, 150, 60]),
        (Frame("yxyx"), [20, 50, 60, 150]),
        (Frame("xywh"), [50, 20, 100, 40]),
        (Frame("cxcywh"), [100, 40, 100, 40]),
        (FRAMES["thousandths"], [250, 200, 750, 600]),
        (FRAMES["gemini"], [200, 250, 600, 750]),
        (FRAMES["paligemma"], [204.8, 256, 614.4, 768]),
        (Frame(scale=1), [0.25, 0.2, 0.75, 0.6]),
        # The square is 200 x 200, with 50 rows of padding above.
        (FRAMES["llava"], [0.25, 0.35, 0.75, 0.55]),
        (Frame(resized=(400, 100)), [100, 20, 300, 60]),
        (Frame("xywh", scale=100), [25, 20, 50, 40]),
    ],
)
def test_every_frame_comes_back_to_pixels(frame: Frame, written: list[float]) -> None:
    np.testing.assert_allclose(frame.to_pixels(np.array([written]), SIZE), BOX)


BOXES = st.tuples(*[st.integers(0, 12)] * 4).map(lambda b: np.array(b, dtype=float))


@given(BOXES, BOXES)
def test_iou_is_counted_in_pixels(one: np.ndarray, other: np.ndarray) -> None:
    def pixels(box: np.ndarray) -> np.ndarray:
        grid = np.zeros((12, 12), bool)
        left, top, right, bottom = box.astype(int)
        grid[top:bottom, left:right] = True
        return grid

    a, b = pixels(one), pixels(other)
    expected = (a & b).sum() / (a | b).sum() if a.any() and b.any() else 0.0
    assert iou(one, other)[0, 0] == pytest.approx(expected)
    assert iou(other, one)[0, 0] == iou(one, other)[0, 0]


def test_grounding() -> None:
    truth = BOX[0]
    half = np.array([50.0, 20, 100, 60])  # IoU 0.5, centre inside
    beyond = np.array([50.0, 20, 400, 60])  # clipped at 200: 100 of 150
    found = grounding_scores(
        [truth, half, beyond, truth[[2, 1, 0, 3]], None, np.array([0.0, 0, 10, 10])], [truth] * 6, [SIZE] * 6
    )
    assert found.mean_iou == pytest.approx((1 + 0.5 + 100 / 150) / 6)
    assert found.accuracy == {0.3: 0.5, 0.5: 0.5, 0.7: pytest.approx(1 / 6), 0.9: pytest.approx(1 / 6)}
    assert found.centre == 0.5
    assert found.invalid == pytest.approx(2 / 6)
    with pytest.raises(ValueError, match="at least one expression"):
        grounding_scores([], [], [])


def scene(seed: int, scored: bool) -> Detections:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 100, (5, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(10, 120, (5, 2))], axis=1)
    labels = rng.choice(["cat", "dog"], 5)
    return Detections(boxes, list(labels), rng.uniform(size=5) if scored else None)


def noisy(truth: Detections, seed: int) -> Detections:
    rng = np.random.default_rng(seed)
    return Detections(truth.boxes + rng.normal(0, 6, truth.boxes.shape), truth.labels, rng.uniform(size=len(truth.labels)))


def test_average_precision_is_coco_s() -> None:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truths = [scene(i, False) for i in range(6)]
    found = [noisy(truth, i) for i, truth in enumerate(truths)]
    scores = average_precision(found, truths)
    number = {"cat": 1, "dog": 2}

    def rows(many: list[Detections], score: bool) -> list[dict[str, object]]:
        out: list[dict[str, object]] = []
        for picture, one in enumerate(many, start=1):
            for i, (box, label) in enumerate(zip(one.boxes, one.labels, strict=True)):
                left, top, right, bottom = map(float, box)
                row = {"image_id": picture, "category_id": number[label], "bbox": [left, top, right - left, bottom - top]}
                row |= {"score": float(one.scores[i])} if score and one.scores is not None else {
                    "id": len(out) + 1, "iscrowd": 0, "area": (right - left) * (bottom - top),
                }  # fmt: skip
                out.append(row)
        return out

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {"info": {}, "images": [{"id": i + 1} for i in range(6)],
                        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
                        "annotations": rows(truths, False)}  # fmt: skip
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(rows(found, True)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert list(scores.values()) == pytest.approx(list(evaluation.stats[:9]), abs=1e-9)
    assert 0.1 < scores["AP"] < scores["AP50"] < 1


def test_the_truth_with_scores_is_perfect(capsys: pytest.CaptureFixture[str]) -> None:
    truth = scene(3, False)
    assert average_precision([Detections(truth.boxes, truth.labels, np.ones(5))], [truth])["AP"] == pytest.approx(1.0)
    assert capsys.readouterr().out == ""


def test_without_scores_there_is_no_ranking() -> None:
    truth = scene(3, False)
    with pytest.raises(ValueError, match="use f1_at"):
        average_precision([truth], [truth])
    assert f1_at([truth], [truth]) == 1.0


def test_nothing_there_and_nothing_found() -> None:
    nothing = Detections(np.zeros((0, 4)), [], np.zeros(0))
    assert average_precision([nothing], [nothing])["AP"] == -1
    assert average_precision([nothing], [scene(0, False)])["AP"] == 0
    assert f1_at([nothing], [nothing]) == 1.0
    assert f1_at([nothing], [scene(0, False)]) == 0.0


def test_matching_is_one_to_one_and_the_best_there_is() -> None:
    """Greedy matching would give the wide box the first truth, and leave the second without one."""
    truth = Detections(np.array([[0, 0, 10, 10], [0, 0, 10, 8.0]]), ["a", "a"])
    found = Detections(np.array([[0, 0, 10, 9], [0, 0, 10, 6.5]]), ["a", "a"])
    assert matched(found, truth, 0.8) == 2
    assert matched(Detections(found.boxes, ["a", "b"]), truth, 0.8) == 1


def test_points() -> None:
    left, right = np.zeros((10, 10), bool), np.zeros((10, 10), bool)
    left[:, :5], right[:, 5:] = True, True
    assert points_in_masks(np.array([[2, 2], [3, 3.0]]), [left, right]) == (0.5, 0.5)
    assert points_in_masks(np.array([[2, 2], [7, 3.0]]), [left, right]) == (1.0, 1.0)
    assert points_in_masks(np.array([[12, 2.0]]), [left]) == (0.0, 0.0)
    assert points_in_masks(np.zeros((0, 2)), []) == (1.0, 1.0)


def test_clipping() -> None:
    np.testing.assert_array_equal(clipped(np.array([[-5.0, 5, 300, 90]]), SIZE), [[0, 5, 200, 90]])
