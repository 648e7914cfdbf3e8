"""Figures of benchmarks against the metrics that they are of, on replies drawn at random."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation.benchmarks.published import MAKERS
from omma.evaluation import Item, ItemResult, Scores, judged, score
from omma.evaluation.benchmarks import BENCHMARKS
from omma.evaluation.figures import Measure, figures_of, mean_of_shares
from omma.evaluation.metrics.boxes import FRAMES, grounding_scores
from omma.evaluation.metrics.captioning import CiderD, bleu_counts, ptb_tokens
from omma.evaluation.metrics.hallucination import amber_score
from omma.evaluation.metrics.multiple_choice import Rotation, circular_scores
from omma.evaluation.metrics.yes_no import IllusionRecord, YesNoCounts, illusion_scores, mme_scores
from omma.evaluation.truths import RightBox
from omma.model.output import Output

Figures = dict[str, float]


def asked(name: str, folder: Path, says: Sequence[str], seed: int = 0) -> tuple[list[Item], list[ItemResult], Figures]:
    """The items of a benchmark with replies drawn from the answer and what else could be said; results and figures."""
    items = BENCHMARKS.parse(MAKERS[name](folder), where="benchmark").build().items()
    rng = random.Random(seed)
    replies = {item.id: Output(rng.choice([item.answer, item.answer, *says])) for item in items}
    results = judged(items, {"sighted": replies}, ["sighted"])
    return items, results, {figure.name: figure.value.value for figure in score(results).figures}


@pytest.mark.parametrize("seed", range(5))
def test_circular(tmp_path: Path, seed: int) -> None:
    _, results, figures = asked("mmbench", tmp_path, ["A", "D", "black", "hm"], seed)
    rotations = [
        Rotation(
            r.groups["question"], int(r.groups["rotation"]), int(r.groups["options"]),
            ("ABCD".index(r.answer) + int(r.groups["rotation"])) % int(r.groups["options"]),
            "ABCD".index(r.sighted.read) if r.sighted.read else None,
        )
        for r in results
    ]  # fmt: skip
    expected = circular_scores(rotations)
    assert figures["circular accuracy"] == expected.circular
    assert figures["accuracy in the given order"] == expected.vanilla
    assert figures["the same option named in every order"] == expected.consistency
    assert [figures[f"replies that say {letter}"] for letter in "ABCD"] == pytest.approx(expected.letters)


@pytest.mark.parametrize("seed", range(5))
def test_mme(tmp_path: Path, seed: int) -> None:
    _, results, figures = asked("mme", tmp_path, ["yes", "no", "maybe"], seed)
    for subtask in ("existence", "count", "posters"):
        mine = [result for result in results if result.kind == subtask]
        expected = mme_scores([r.cluster for r in mine], [r.sighted.right for r in mine]).score
        assert figures[f"{subtask} score"] == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_hallusionbench(tmp_path: Path, seed: int) -> None:
    _, results, figures = asked("hallusionbench", tmp_path, ["yes", "no"], seed)
    records = []
    for result in results:
        category, subcategory, number, figure, question, _ = result.id.split("/")[2:]
        records.append(IllusionRecord(category, subcategory, number, figure, question, result.sighted.right))
    expected = illusion_scores(records)
    assert (figures["aAcc"], figures["qAcc"], figures["fAcc"]) == (expected.all, expected.question, expected.figure)
    assert figures["mean of aAcc, qAcc and fAcc"] == pytest.approx(expected.mean)


@pytest.mark.parametrize("seed", range(5))
def test_amber(tmp_path: Path, seed: int) -> None:
    _, results, figures = asked("amber", tmp_path, ["a man with a ball and a dog", "yes", "hm"], seed)
    questions = [result for result in results if result.kind != "generative"]
    said = [result.sighted.read or None for result in questions]
    expected = YesNoCounts.of(said, [result.answer for result in questions]).scores("no")
    assert (figures["F1 of no"], figures["answered with yes"]) == (expected.f1, expected.yes_ratio)
    if expected.f1:
        assert figures["AMBER score"] == pytest.approx(amber_score(figures["CHAIR"], expected.f1))


@pytest.mark.parametrize("seed", range(3))
def test_refcoco(tmp_path: Path, seed: int) -> None:
    items, results, figures = asked("refcoco", tmp_path, ["[0.1, 0.2, 0.5, 0.6]", "[0.5, 0.2, 0.1, 0.6]", "there"], seed)
    truths = [item.truth for item in items if isinstance(item.truth, RightBox)]
    found = []
    for truth, result in zip(truths, results, strict=True):
        numbers = [float(number) for number in result.sighted.read.split(",")] if result.sighted.read else None
        found.append(None if numbers is None else FRAMES["llava"].to_pixels(np.array(numbers), truth.size)[0])
    expected = grounding_scores(found, [np.array(truth.box) for truth in truths], [truth.size for truth in truths])
    assert figures["mean IoU"] == pytest.approx(expected.mean_iou)
    assert np.mean([result.sighted.right for result in results]) == expected.accuracy[0.5]
    assert figures["Acc@0.3"] == expected.accuracy[0.3]
    assert (figures["centre in the box"], figures["no box with an area"]) == (expected.centre, pytest.approx(expected.invalid))


def test_captions(tmp_path: Path) -> None:
    _, results, figures = asked("coco-captions", tmp_path, ["a dog in the rain", ""], 1)
    references = [[ptb_tokens(text) for text in result.answers] for result in results]
    said = [ptb_tokens(result.sighted.text or "") for result in results]
    cider = CiderD(references)
    assert figures["CIDEr-D"] == pytest.approx(np.mean([cider.score(c, r) for c, r in zip(said, references, strict=True)]))
    assert [figures[f"BLEU-{n}"] for n in range(1, 5)] == pytest.approx(bleu_counts(said, references).bleu())


def broken(results: list[ItemResult], *places: int) -> list[ItemResult]:
    """The same where nothing came in these places."""
    failed = {"text": None, "right": False, "finish": "failed", "read": None, "counts": {}, "credit": None}
    return [
        r.model_copy(update={"sighted": r.sighted.model_copy(update=failed)}) if n in places else r for n, r in enumerate(results)
    ]


def test_a_group_of_which_a_reply_is_missing_is_missing(tmp_path: Path) -> None:
    _, results, figures = asked("mme", tmp_path, [])
    assert figures["existence score"] == 200
    (found,) = (f for f in score(broken(results, 0)).figures if f.name == "existence score")
    assert found.value.value == 200 and found.groups == 2
    scores = score(broken(results, *range(6)))
    assert not any(f.name == "existence score" for f in scores.figures), "of which nothing came there is no figure"


def test_silence_is_judged_and_earns_nothing(tmp_path: Path) -> None:
    items = BENCHMARKS.parse(MAKERS["pope"](tmp_path) | {"reading": "pope-original"}, where="").build().items()
    results = judged(items, {"sighted": {item.id: Output(" ", "stop") for item in items}}, ["sighted"])
    cell = score(results).cell("pope", "popular")
    # The authors' script would take silence for a yes.
    assert (cell.accuracy.value, cell.empty, cell.unparsed) == (0.0, 8, 8)
    refused = judged(items, {"sighted": {item.id: Output("yes", "refused") for item in items}}, ["sighted"])
    assert score(refused).cell("pope", "popular").accuracy.value == 0.0
    captions = BENCHMARKS.parse(MAKERS["coco-captions"](tmp_path), where="").build().items()
    scores = score(judged(captions, {"sighted": {item.id: Output("") for item in captions}}, ["sighted"]))
    assert {f.name: f.value.value for f in scores.figures}["BLEU-1"] == 0.0


def test_all_perception_subtasks_have_a_total(tmp_path: Path) -> None:
    from omma.evaluation.benchmarks.mme import PERCEPTION

    _, results, _ = asked("mme", tmp_path, [])
    own = [r for r in results if r.kind == "existence"]
    whole = [
        r.model_copy(update={"kind": name, "id": f"{name}/{r.id}", "cluster": f"{name}/{r.cluster}"}) for name in PERCEPTION for r in own
    ]
    (total,) = (f for f in score(whole).figures if f.name.startswith("perception"))
    assert (total.value.value, total.value.high, total.unit, total.groups) == (2000, 2000, "points", 30)
    assert total.value.low < 2000, "thirty pictures do not show that it is always right"


def test_intervals_hold_the_figure_and_narrow_with_pictures() -> None:
    def rows(count: int) -> list[tuple[str, tuple[float, ...]]]:
        rng = random.Random(3)
        return [(f"p{n // 2}", (float(rng.random() < 0.7), 1.0)) for n in range(count)]

    measure = Measure("m", lambda members, condition: [])
    few, many = measure.estimate(rows(20)), measure.estimate(rows(2000))
    for estimate in (few, many):
        assert 0 <= estimate.low < estimate.value < estimate.high <= 1
    assert many.high - many.low < (few.high - few.low) / 5
    assert measure.estimate(rows(20)) == few, "seeded"
    nothing = measure.estimate([("p", (0.0, 0.0))])
    assert np.isnan(nothing.value) and (nothing.low, nothing.high) == (0, 1)


def test_a_mean_of_shares_leaves_out_what_is_not_there() -> None:
    assert mean_of_shares(np.array([1.0, 2.0, 0.0, 0.0, 3.0, 4.0])) == pytest.approx((0.5 + 0.75) / 2)


def test_figures_do_not_depend_on_the_order_of_results(tmp_path: Path) -> None:
    _, results, _ = asked("hallusionbench", tmp_path, ["yes", "no"])
    shuffled = list(results)
    random.Random(1).shuffle(shuffled)
    first: Scores = score(results)
    assert first == score(shuffled) and first.figures


def test_without_results_there_are_no_figures() -> None:
    measures: list[Any] = [Measure("m", lambda members, condition: [])]
    assert figures_of(measures, [], world="w", split="s") == []
