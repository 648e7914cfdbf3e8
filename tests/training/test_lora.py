"""LoRA: adapters learn beside frozen weights, and are part of plain weights afterwards."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from omma.errors import BadInput
from omma.model.loading import load_model
from omma.model.saving import read_tensors
from omma.objectives import OBJECTIVES
from omma.recipe import Lora
from omma.training.lora import add_adapters
from omma.training.run import build_model, train
from toy_training import INSTRUCT, samples, step_of, toy_model, toy_recipe

SETTINGS = {"rank": 2, "alpha": 8, "targets": ["q_proj", "v_proj", "down_proj"]}


def stage(**fields: Any) -> dict[str, Any]:
    learn = [{"pattern": "projector.*", "rate": 1e-3}, {"pattern": "language_model.*lora*", "rate": 1e-2}]
    return {**INSTRUCT, "lora": SETTINGS, "learn": learn, **fields}


def test_merged_is_adapted() -> None:
    model = toy_model()
    assert model.language_model is not None
    objective = OBJECTIVES.parse({"type": "language-modeling"}, where="objective").build(model=model)
    batch = {
        key: value if value.dtype.kind == "U" else torch.from_numpy(value)
        for key, value in step_of(objective, samples(3)).micro_batches[0].items()
    }
    names = list(model.language_model.state_dict())

    def loss() -> float:
        with torch.no_grad():
            return float(objective.losses(batch)["loss"])

    plain = loss()
    adapters = add_adapters(model.language_model, Lora(**SETTINGS))
    assert loss() == plain, "adapters begin as no change"
    for name, parameter in model.language_model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    adapted = loss()
    assert abs(adapted - plain) > 1e-3
    adapters.merge_and_unload()
    assert loss() == pytest.approx(adapted, rel=1e-5)
    assert list(model.language_model.state_dict()) == names


def test_only_adapters_learn_and_the_saved_model_is_plain(tmp_path: Path) -> None:
    said: list[str] = []
    recipe = toy_recipe(stages={"tune": stage()})
    train(recipe, tmp_path, announce=said.append)
    # Rank 2 on 2 layers: q 32 -> 32, v 32 -> 16, down 48 -> 32.
    count = 2 * 2 * ((32 + 32) + (32 + 16) + (48 + 32))
    assert re.search(rf"language_model\.\*lora\* +0\.01 +{count} parameters", said[0])
    assert re.search(r"encoder, language_model \(rest\) +frozen +", said[0])
    torch.manual_seed(recipe.seed)
    before = build_model(recipe)
    assert before.vlm is not None
    old, new = before.vlm.state_dict(), read_tensors(tmp_path / "stages" / "tune")
    changed = {name for name, tensor in new.items() if not torch.equal(tensor, old[name])}
    assert not any("lora" in name for name in new)
    places = ("self_attn.q_proj", "self_attn.v_proj", "mlp.down_proj")
    targets = {f"language_model.model.layers.{i}.{place}.weight" for i in range(2) for place in places}
    assert changed == targets | {name for name in new if name.startswith("projector.")}
    for name in targets:
        assert torch.linalg.matrix_rank(new[name] - old[name], tol=1e-5) == 2
    load_model(tmp_path / "model")


def test_an_unknown_target_is_named(tmp_path: Path) -> None:
    recipe = toy_recipe(stages={"tune": stage(lora={**SETTINGS, "targets": ["q_proj", "qkv"]})})
    with pytest.raises(BadInput, match=r"lora.targets: expected names of linear modules .* no 'qkv' in a LlamaForCausalLM"):
        train(recipe, tmp_path)


def test_a_target_that_cannot_be_adapted_is_refused() -> None:
    model = toy_model()
    assert model.language_model is not None
    with pytest.raises(BadInput, match=r"lora.targets"):
        add_adapters(model.language_model, Lora(rank=1, alpha=1, targets=["input_layernorm"]))
