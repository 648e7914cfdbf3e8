"""What holds for every projector: as many tokens as it says, in both precisions, each view by itself, nothing unused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from omma.model import OmmaForConditionalGeneration
from omma.model.image_processing import ANY_WIDTH
from omma.parts.projectors import PROJECTORS, Projector
from omma.recipe import Optimizer, Rate
from omma.training.groups import learning_groups
from omma.training.muon import Muon
from omma.training.optimizer import MasterOptimizer
from toy_training import toy_model

Build = Callable[..., Projector]
WIDTH, OUT, SIDE = 32, 64, 4
TINY_BERT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
SMALL: dict[str, dict[str, Any]] = {
    "linear": {},
    "mlp": {},
    "pixel-shuffle": {"marks_at": "merged"},
    "resampler": {"queries": 9, "heads": 4},
    "perceiver": {"latents": 5, "depth": 2, "heads": 2, "head_width": 8},
    "q-former": {"queries": 5, "architecture": {"model_type": "blip_2_qformer", **TINY_BERT}},
    "c-abstractor": {"tokens": 9, "input_side": SIDE, "width": 24, "depth": 2},
    "d-abstractor": {"queries": 9, "input_side": SIDE, "width": 24, "layers": 2, "heads": 4, "inner": 40},
    "visual-abstractor": {"queries": 5, "layers": 2, "heads": 4, "inner": 40, "cells": 4, "whole_cell": 3},
    "hybrid": {"widths": [20, 12]},
    "encoder-decoder": {"queries": 5, "width": 16, "heads": 2, "inner": 24, "layers": 2},
    "branch-linear": {"widths": [20, 12]},
    "patch-embedding": {"input_side": SIDE},
    "identity": {},
}
BY_ITS_OBJECTIVE = {"patch-embedding": {"mask"}}
"""What nothing but an objective puts to use."""
CELLS = torch.tensor([[0, 1], [-1, -1], [2, 2], [1, 0]])


def out_of(name: str) -> int:
    """What a projector makes of `WIDTH` channels."""
    return WIDTH if name == "identity" else OUT


def small(build: Build, name: str, marks: tuple[str, ...] = ("row_end", "end")) -> Projector:
    return build(name, WIDTH, out_of(name), marks, **SMALL[name])


def inputs(views: int = 4) -> torch.Tensor:
    return torch.randn(views, SIDE * SIDE, WIDTH, generator=torch.Generator().manual_seed(1)).requires_grad_()


def test_all_are_here() -> None:
    own = {name for name in PROJECTORS.names() if PROJECTORS.get(name, where="").__module__.startswith("omma.")}
    assert set(SMALL) == own


@pytest.mark.parametrize("name", SMALL)
def test_as_many_tokens_as_it_says(build: Build, name: str) -> None:
    projector = small(build, name)
    rows, columns = projector.grid((SIDE, SIDE))
    assert projector.project(inputs(), (SIDE, SIDE), 0, CELLS).shape == (4, rows * columns, out_of(name))
    marks = projector.mark_vectors()
    assert marks is not None and marks.shape == (2, out_of(name))
    assert small(build, name, marks=()).mark_vectors() is None


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_learns(build: Build, name: str) -> None:
    projector = small(build, name).train()
    tokens = projector.project(inputs(), (SIDE, SIDE), 0, CELLS)
    tokens.mul(torch.randn_like(tokens)).sum().backward()
    projector.mark_vectors().square().sum().backward()  # type: ignore[union-attr]
    # Queries and latents that stand alone before a softmax over them alone, and so on, would show here as well.
    used = {key: p for key, p in projector.named_parameters() if key not in BY_ITS_OBJECTIVE.get(name, ())}
    assert [key for key, parameter in used.items() if parameter.grad is None] == []
    assert [key for key, p in used.items() if not p.grad.any() and "k_proj.bias" not in key] == []  # type: ignore[union-attr]


@pytest.mark.parametrize("name", SMALL)
def test_a_view_does_not_depend_on_others(build: Build, name: str) -> None:
    projector = small(build, name)
    together = projector.project(inputs(), (SIDE, SIDE), 0, CELLS)
    for view in range(4):
        alone = projector.project(inputs()[view : view + 1], (SIDE, SIDE), 0, CELLS[view : view + 1])
        torch.testing.assert_close(alone[0], together[view], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_both_precisions(build: Build, name: str) -> None:
    projector = small(build, name)
    exact = projector.project(inputs(), (SIDE, SIDE), 0, CELLS)
    rounded = projector.bfloat16()
    tokens = rounded.project(inputs().bfloat16(), (SIDE, SIDE), 0, CELLS)
    assert tokens.dtype == torch.bfloat16
    assert rounded.mark_vectors().dtype == torch.bfloat16  # type: ignore[union-attr]
    assert (tokens.float() - exact).norm() / exact.norm() < 0.03
    tokens.float().square().sum().backward()


@pytest.mark.parametrize("name", SMALL)
def test_positions_outlive_inference(build: Build, name: str) -> None:
    projector = small(build, name)
    with torch.inference_mode():
        projector.project(inputs(), (SIDE, SIDE), 0, CELLS)
    projector.project(inputs(), (SIDE, SIDE), 0, CELLS).sum().backward()


@pytest.mark.parametrize("name", SMALL)
def test_sizes_are_known_without_weights(build: Build, name: str) -> None:
    whole = small(build, name)
    with torch.device("meta"):
        shadow = build(name, WIDTH, ANY_WIDTH, **SMALL[name])
    assert shadow.grid((SIDE, SIDE)) == whole.grid((SIDE, SIDE))


@pytest.mark.parametrize("name", SMALL)
def test_muon_turns_matrices_only(build: Build, name: str) -> None:
    """And kernels between maps; not tables of queries, positions or marks, whose rows have nothing to do with each other."""
    projector = small(build, name)
    names = dict(projector.named_parameters())
    groups = learning_groups(torch.nn.ModuleDict({"projector": projector}), [Rate(pattern="*", rate=1e-3)])
    optimizer = MasterOptimizer(
        torch.nn.ModuleDict({"projector": projector}), groups, Optimizer(type="muon"), torch.float32
    )
    turned = {
        id(p)
        for one in optimizer.optimizers
        if isinstance(one, Muon)
        for p in one.param_groups[0]["params"]
    }
    matrices = {
        f"{path}.weight"
        for path, module in projector.named_modules()
        if isinstance(module, torch.nn.Linear) or (isinstance(module, torch.nn.Conv2d) and module.groups == 1)
    } | {"output"}
    matrices |= {
        f"{path}.in_proj_weight" for path, module in projector.named_modules() if isinstance(module, torch.nn.MultiheadAttention)
    }
    assert {key for key, parameter in names.items() if id(parameter) in turned} == matrices & set(names)


@pytest.mark.parametrize("name", SMALL)
def test_a_saved_model_has_the_same_projector(name: str, tmp_path: Path) -> None:
    model = toy_model(projector={"type": name, **SMALL[name]}).vlm
    assert model is not None
    with torch.no_grad():
        for parameter in model.projector.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(tmp_path)
    again = OmmaForConditionalGeneration.from_pretrained(tmp_path)
    assert list(again.projector.state_dict()) == list(model.projector.state_dict())
    for key, tensor in again.projector.state_dict().items():
        assert torch.equal(tensor, model.projector.state_dict()[key]), key
    pixels = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(again.eval().image_vectors(pixels), model.eval().image_vectors(pixels))
