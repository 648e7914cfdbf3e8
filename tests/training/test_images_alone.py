"""Encoders trained from images alone, in whole runs: resumed bit for bit, handed over, and saved as what they learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModel

from omma.recipe import Recipe
from omma.training.checkpoint import checkpoints
from omma.training.handover import handover, load_objective, save_objective
from omma.training.loop import Progress
from omma.training.run import train
from toy_training import ALIGN, SHAPES, log_lines, toy_model, toy_recipe, weights

OBJECTIVES: dict[str, dict[str, Any]] = {
    "masked-image": {"type": "masked-image", "layers": 1, "width": 16, "heads": 2, "micro_samples": 3},
    "self-distillation": {
        "type": "self-distillation", "prototypes": 16, "hidden": 16, "bottleneck": 8, "small_crops": 2, "micro_samples": 3,
        "momentum": 0.5, "frozen": 0.2,
    },
}  # fmt: skip
STAGE: dict[str, Any] = {
    **ALIGN,
    "data": [{"source": {**SHAPES, "count": 6}}],
    "learn": [{"pattern": "*", "rate": 1e-2}],
    "template": None,
    "steps": 6,
    "checkpoint_every": 2,
}


def recipe(objective: str, *stages: str, settings: dict[str, Any] | None = None, **changes: Any) -> Recipe:
    stage = {**STAGE, "objective": OBJECTIVES[objective] | (settings or {}), **changes}
    return toy_recipe(model={"projector": None, "backbone": None}, stages=dict.fromkeys(stages or ("only",), stage))


class Killed(BaseException):
    """Ends a process as a kill would: nothing more is saved."""


def ending_after(*steps: int, how: type[BaseException]) -> Any:
    left = list(steps)

    def report(progress: Progress) -> None:
        if left and progress.step == left[0]:
            left.pop(0)
            raise how

    return report


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_run_goes_on_bit_for_bit(tmp_path: Path, objective: str, precision: str) -> None:
    chosen = recipe(objective, precision=precision)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(chosen, whole)
    for step, how in ((1, KeyboardInterrupt), (3, Killed), (4, Killed), (5, KeyboardInterrupt)):
        with pytest.raises(how):
            train(chosen, cut, report=ending_after(step, how=how))
    train(chosen, cut)
    assert log_lines(cut) == log_lines(whole)
    assert weights(cut) == weights(whole)
    assert read(cut, "only").keys() == read(whole, "only").keys()
    for name, tensor in read(whole, "only").items():
        assert torch.equal(tensor, read(cut, "only")[name]), name


def read(directory: Path, stage: str) -> dict[str, Tensor]:
    return load_file(directory / "stages" / stage / "objective.safetensors")


def test_a_checkpoint_holds_teacher_and_center(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(recipe("self-distillation"), tmp_path, report=ending_after(3, how=KeyboardInterrupt))
    held = load_file(checkpoints(tmp_path)[-1] / "buffers.safetensors")
    learned = load_file(checkpoints(tmp_path)[-1] / "optimizer.safetensors")
    assert float(held["objective.center"].abs().max()) > 0
    students = {name.removeprefix("master/") for name in learned if name.startswith("master/")}
    for name in students:
        path = name.removeprefix("objective.")
        average = held[f"objective.teacher.module.{path}"]
        assert average.dtype == torch.float32
        assert not torch.equal(average, learned[f"master/{name}"]) or "k_proj.bias" in name
    assert len(held) == 1 + len(students)


@pytest.mark.parametrize("keep", ["teacher", "student"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_whose_encoder_remains(tmp_path: Path, keep: str, precision: str) -> None:
    train(recipe("self-distillation", settings={"keep": keep}, precision=precision), tmp_path)
    held = read(tmp_path, "only")
    encoder = load_file(tmp_path / "stages" / "only" / "model.safetensors")
    same = {name: torch.equal(tensor, held[f"teacher.module.encoder.model.{name}"]) for name, tensor in encoder.items()}
    assert all(same.values()) if keep == "teacher" else not any(same.values())
    model = AutoModel.from_pretrained(tmp_path / "model").eval()
    assert model(torch.zeros(1, 3, 32, 32)).last_hidden_state.isfinite().all()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_frozen_parts_of_the_encoder_stay_as_they_are(tmp_path: Path, precision: str) -> None:
    learn = [{"pattern": "encoder.model.embeddings.*", "rate": 0.0}, {"pattern": "*", "rate": 1e-2}]
    name = "embeddings.patch_embedding.weight"
    torch.manual_seed(0)
    before = (
        toy_recipe(model={"projector": None, "backbone": None}, stages={})
        .model.encoder.build()
        .model.state_dict()[name]
    )
    train(recipe("self-distillation", learn=learn, precision=precision), tmp_path)
    assert torch.equal(load_file(tmp_path / "stages" / "only" / "model.safetensors")[name], before)


def test_teacher_and_center_go_on_to_the_next_stage(tmp_path: Path) -> None:
    made: list[Any] = []
    for seed in (1, 2):
        model = toy_model(projector=None, backbone=None)
        torch.manual_seed(seed)
        objective = recipe("self-distillation").stages["only"].objective.build(model=model)
        objective.center.normal_()
        made.append(objective)
    first, second = made
    assert not torch.equal(second.center, first.center)
    save_objective(first, tmp_path)
    before = handover(first.config, second.config, tmp_path)
    assert before is not None
    load_objective(second, before)
    assert torch.equal(second.center, first.center)
    heads = [objective.teacher.module["head"].prototypes.weight for objective in made]
    assert torch.equal(*heads) and torch.equal(second.head.prototypes.weight, first.head.prototypes.weight)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_looking_at_held_out_pictures_changes_nothing(tmp_path: Path, objective: str) -> None:
    validation = {"data": [{**SHAPES, "split": "fresh"}], "samples": 2, "every": 2}
    train(recipe(objective), tmp_path / "blind")
    train(recipe(objective, validation=validation), tmp_path / "watched")
    assert log_lines(tmp_path / "blind") == log_lines(tmp_path / "watched")
    assert weights(tmp_path / "blind") == weights(tmp_path / "watched")
    assert len((tmp_path / "watched" / "validation.jsonl").read_text().splitlines()) == 3


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_epochs_are_not_alike(tmp_path: Path, objective: str) -> None:
    """Six pictures, all of them in every step, but cut in another way."""
    train(recipe(objective, learn=[{"pattern": "*", "rate": 1e-12}], batch=6, steps=2), tmp_path)
    first, second = (line[objective] for line in log_lines(tmp_path))
    assert abs(first - second) > 1e-5


def test_it_learns(tmp_path: Path) -> None:
    plain = {"crop": None, "flip": 0.0, "normalize_patches": False}
    train(recipe("masked-image", settings=plain, steps=40, checkpoint_every=40), tmp_path)
    losses = [line["masked-image"] for line in log_lines(tmp_path)]
    assert losses[-1] < 0.5 * losses[0]
