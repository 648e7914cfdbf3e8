"""Precision: bf16 only where the hardware multiplies it, unless the recipe insists; the same files on every machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from omma.training.precision import compute_dtype, multiplies_bf16, storage_dtype
from omma.training.run import train
from toy_training import ALIGN, toy_recipe

CPU = torch.device("cpu")


def machine(monkeypatch: pytest.MonkeyPatch, **able: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)


@pytest.mark.parametrize(
    ("able", "native"),
    [
        ({"avx2": True}, False),
        ({"avx2": True, "avx512_f": True, "avx512_bf16": False}, False),
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True}, True),
        ({"neon": True, "bf16": True}, True),
        ({"neon": True}, False),
    ],
)
def test_what_a_processor_multiplies(able: dict[str, bool], native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, **able)
    assert multiplies_bf16(CPU) is native
    assert compute_dtype("auto", CPU) == (torch.bfloat16 if native else torch.float32)
    assert compute_dtype("bf16", CPU) == torch.bfloat16
    assert compute_dtype("fp32", CPU) == torch.float32


def test_a_graphics_card_is_asked_for_the_real_thing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: asked.append(including_emulation) or True)
    assert compute_dtype("auto", torch.device("cuda")) == torch.bfloat16
    assert asked == [False]
    assert compute_dtype("auto", torch.device("mps")) == torch.float32


@pytest.mark.parametrize("native", [False, True])
def test_runs_say_what_they_computed_in_and_store_alike(native: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, avx512_bf16=native)
    train(toy_recipe(stages={"align": {**ALIGN, "precision": "auto", "steps": 2}}), tmp_path)
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["stages"]["align"]["precision"] == ("bfloat16" if native else "float32")
    kinds = set()
    for path in (tmp_path / "model").rglob("*.safetensors"):
        with safe_open(path, framework="pt") as file:
            kinds |= {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
    assert kinds == {"BF16"}
    assert storage_dtype("auto") == storage_dtype("bf16") == torch.bfloat16


def test_a_run_goes_on_on_a_machine_of_another_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was learned stays; only what comes after is rounded otherwise."""
    recipe = toy_recipe(stages={"align": {**ALIGN, "precision": "auto", "steps": 4, "checkpoint_every": 1}})
    machine(monkeypatch, avx512_bf16=True)

    def enough(progress: object) -> None:
        if getattr(progress, "step", 0) >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path, report=enough)
    machine(monkeypatch, avx512_bf16=False)
    train(recipe, tmp_path)
    steps = [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert sorted(set(steps)) == [0, 1, 2, 3]
    assert json.loads((tmp_path / "run.json").read_text())["stages"]["align"]["precision"] == "float32"
