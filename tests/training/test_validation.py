"""Validation: held-out losses are right, and nothing that is trained knows of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from omma.errors import BadInput
from omma.objectives.base import OBJECTIVES
from omma.training.loop import Progress
from omma.training.run import train
from toy_training import ALIGN, INSTRUCT, SHAPES, gradients, log_lines, samples, step_of, toy_recipe, weights

HELD_OUT = [{**SHAPES, "split": "fresh", "turns": 2}, {"type": "playground", "world": "digits", "split": "fresh"}]


def validated_stage(**validation: Any) -> dict[str, Any]:
    return {**INSTRUCT, "validation": {"data": HELD_OUT, "samples": 3, "every": 3, **validation}}


def validations(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / "validation.jsonl").read_text().splitlines()]


def test_held_out_losses_are_those_of_the_samples(tmp_path: Path) -> None:
    model = train(toy_recipe(stages={"instruct": validated_stage()}), tmp_path)
    last = validations(tmp_path)[-1]["losses"]
    assert set(last) == {"playground/shapes", "playground/digits"}
    objective = OBJECTIVES.parse(INSTRUCT["objective"], where="objective").build(model=model)
    expected, _ = gradients(model, objective, step_of(objective, samples(3, split="fresh", turns=2)))
    assert last["playground/shapes"]["loss"] == pytest.approx(expected["loss"], rel=1e-5)


def test_validation_comes_every_so_often_and_at_the_end(tmp_path: Path) -> None:
    train(toy_recipe(stages={"instruct": validated_stage()}), tmp_path)
    assert [(line["stage"], line["step"]) for line in validations(tmp_path)] == [("instruct", 2), ("instruct", 3)]


def test_training_does_not_notice(tmp_path: Path) -> None:
    # Dropout draws from the random state and knows training from evaluation: both must be as if nobody had measured.
    lora = {"lora": {"rank": 2, "alpha": 4, "dropout": 0.3}, "learn": [{"pattern": "language_model.*", "rate": 1e-2}]}
    plain = toy_recipe(stages={"instruct": {**INSTRUCT, **lora}})
    measured = toy_recipe(stages={"instruct": {**validated_stage(every=1), **lora}})
    torch.manual_seed(3)
    train(plain, tmp_path / "plain")
    train(measured, tmp_path / "measured")
    assert log_lines(tmp_path / "plain") == log_lines(tmp_path / "measured")
    assert weights(tmp_path / "plain") == weights(tmp_path / "measured") != {}


def test_a_resumed_run_measures_again_what_it_does_again(tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.step == 3:
            raise OSError("killed")

    recipe = toy_recipe(stages={"instruct": validated_stage(every=1)})
    train(recipe, tmp_path / "whole")
    with pytest.raises(OSError, match="killed"):
        train(recipe, tmp_path / "resumed", report=stop)
    assert [line["step"] for line in validations(tmp_path / "resumed")] == [0, 1, 2]
    train(recipe, tmp_path / "resumed")
    assert validations(tmp_path / "resumed") == validations(tmp_path / "whole")


def test_no_validation_unless_asked_for(tmp_path: Path) -> None:
    train(toy_recipe(stages={"align": ALIGN}), tmp_path)
    assert not (tmp_path / "validation.jsonl").exists()


def test_a_recipe_says_what_a_validation_lacks() -> None:
    with pytest.raises(BadInput, match=r"stages\.instruct\.validation\.every"):
        toy_recipe(stages={"instruct": validated_stage(every=0)})
