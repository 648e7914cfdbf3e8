"""What an objective learned goes on to the next stage if that one has the same objective, and only then."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from omma.errors import BadInput
from omma.training.loop import Progress
from omma.training.run import train
from toy_training import ALIGN, INSTRUCT, SHAPES, log_lines, toy_recipe

CAPTIONING = {"type": "captioning", "layers": 1, "max_tokens": 32, "tap": -1}
SIGHT: dict[str, Any] = {
    **ALIGN,
    "objective": CAPTIONING,
    "data": [{"source": {**SHAPES, "task": "describe"}}],
    "learn": [{"pattern": "*", "rate": 1e-2}],
    "steps": 2,
}
ENCODER_ALONE = {**SIGHT, "learn": [{"pattern": "encoder.*", "rate": 1e-2}]}


def recipe(**second: Any) -> Any:
    stages = {"first": SIGHT, "second": {**ENCODER_ALONE, **second}}
    return toy_recipe(model={"projector": None, "backbone": None}, stages=stages)


def learned(directory: Path, stage: str) -> dict[str, Tensor]:
    return load_file(directory / "stages" / stage / "objective.safetensors")


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_an_equal_objective_goes_on(tmp_path: Path) -> None:
    """In the second stage the captioner does not learn, so it ends as the first stage left it."""
    train(recipe(), tmp_path)
    assert equal(learned(tmp_path, "first"), learned(tmp_path, "second"))


def test_an_objective_goes_on_beside_others(tmp_path: Path) -> None:
    """Alone, then in company and from another batch, then alone again: the captioner learns in the first stage only."""
    contrastive = {"type": "contrastive", "text_layers": 1, "max_tokens": 8}
    joint = {"type": "joint", "terms": [contrastive, {**CAPTIONING, "micro_samples": 4}], "micro_samples": 8}
    stages = {"first": SIGHT, "second": {**ENCODER_ALONE, "objective": joint}, "third": ENCODER_ALONE}
    train(toy_recipe(model={"projector": None, "backbone": None}, stages=stages), tmp_path)
    alone, both = learned(tmp_path, "first"), learned(tmp_path, "second")
    prefix = "members.captioning."
    assert equal(alone, {name.removeprefix(prefix): t for name, t in both.items() if name.startswith(prefix)})
    assert any(name.startswith("members.contrastive.") for name in both)
    assert equal(alone, learned(tmp_path, "third"))


def test_another_objective_begins_anew(tmp_path: Path) -> None:
    train(recipe(objective={**CAPTIONING, "max_tokens": 31}), tmp_path)
    assert not equal(learned(tmp_path, "first"), learned(tmp_path, "second"))


def test_a_run_that_stopped_between_the_stages_goes_on_alike(tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.stage == "second":
            raise KeyboardInterrupt

    train(recipe(), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(recipe(), tmp_path / "stopped", report=stop)
    train(recipe(), tmp_path / "stopped")
    assert log_lines(tmp_path / "whole") == log_lines(tmp_path / "stopped")
    assert equal(learned(tmp_path / "whole", "second"), learned(tmp_path / "stopped", "second"))


@pytest.mark.parametrize(("damage", "found"), [(os.remove, "no such file"), (lambda f: os.truncate(f, 100), "cannot be read")])
def test_a_lost_file_is_named(tmp_path: Path, damage: Any, found: str) -> None:
    train(toy_recipe(model={"projector": None, "backbone": None}, stages={"first": SIGHT}), tmp_path)
    file = tmp_path / "stages" / "first" / "objective.safetensors"
    damage(file)
    (tmp_path / "recipe.yaml").unlink()
    with pytest.raises(BadInput, match=rf"objective.safetensors: expected what the stage's objective learned.*{found}"):
        train(recipe(), tmp_path)


def test_what_has_learned_nothing_leaves_nothing(tmp_path: Path) -> None:
    train(toy_recipe(stages={"align": {**ALIGN, "steps": 1}, "instruct": {**INSTRUCT, "steps": 1}}), tmp_path)
    assert not list(tmp_path.rglob("objective.safetensors"))
