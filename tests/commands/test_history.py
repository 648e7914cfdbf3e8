"""The loss curves of a run, read from its log."""

from __future__ import annotations

import json
from pathlib import Path

from omma.commands.history import stage_curves


def log(directory: Path, *lines: dict[str, float | str]) -> None:
    rest = {"rate": 0.5, "gradient_norm": 7.0, "tokens_per_second": 100.0}
    (directory / "log.jsonl").write_text("".join(json.dumps({**line, **rest}) + "\n" for line in lines))


def test_a_stage_with_one_term_has_one_curve_under_its_name(tmp_path: Path) -> None:
    log(tmp_path, *({"stage": "align", "step": step, "loss": 3.0 - step} for step in range(2)))
    (curve,) = stage_curves(tmp_path)
    assert curve.stage == "align"
    assert [(p.step, p.loss, p.lr, p.tokens_per_second) for p in curve.points] == [
        (1, 3.0, 0.5, 100.0),
        (2, 2.0, 0.5, 100.0),
    ]


def test_terms_with_coefficients_are_not_added_up(tmp_path: Path) -> None:
    log(
        tmp_path,
        {"stage": "recall", "step": 0, "loss": 2.0},
        {"stage": "pretrain", "step": 0, "loss": 1.0, "prompt": 5.0},
        {"stage": "pretrain", "step": 1, "prompt": 4.0},  # a step with nothing to answer
    )
    curves = {curve.stage: [(point.step, point.loss) for point in curve.points] for curve in stage_curves(tmp_path)}
    assert curves == {
        "recall": [(1, 2.0)],
        "pretrain: loss": [(1, 1.0)],
        "pretrain: prompt": [(1, 5.0), (2, 4.0)],
    }


def test_without_a_log_there_are_no_curves(tmp_path: Path) -> None:
    assert stage_curves(tmp_path) == ()
