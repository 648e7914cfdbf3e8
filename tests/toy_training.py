"""A complete model and its training at toy size: both stages of LLaVA on drawn shapes, in fractions of a second."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from omma.data.sample import Sample
from omma.data.sources import SOURCES
from omma.model.composition import Composition, compose
from omma.objectives.base import Objective, Step
from omma.parts.base import validated
from omma.recipe import Optimizer, Rate, Recipe
from omma.training.groups import learning_groups
from omma.training.loop import PARTS
from omma.training.optimizer import MasterOptimizer
from omma.training.step import take_step

MODEL: dict[str, Any] = {
    "resolution": {"type": "pad-square", "size": 32},
    "encoder": {
        "type": "transformers",
        "architecture": {
            "model_type": "siglip_vision_model",
            "image_size": 32,
            "patch_size": 8,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "vision_use_head": False,
        },
        "cls": "none",
        "tap": -1,
        "normalization": "half",
    },
    "projector": {"type": "mlp"},
    "backbone": {
        "type": "transformers",
        "architecture": {
            "model_type": "llama",
            "vocab_size": 1104,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": 0,
            "tie_word_embeddings": True,
        },
        "tokenizer": "zoo:lm-small",
    },
    "template": "vicuna-v1",
    "system": "",
}

FLAT = {
    "image_size": 32,
    "patch_size": 8,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
"""The size of a toy vision transformer of any family."""

SHAPES = {"type": "playground", "world": "shapes"}

ALIGN: dict[str, Any] = {
    "objective": {"type": "language-modeling", "row_tokens": 128, "micro_tokens": 256},
    "data": [{"source": {**SHAPES, "task": "caption", "count": 12}}],
    "learn": [{"pattern": "projector.*", "rate": 1e-2}],
    "template": "plain",
    "batch": 4,
    "steps": 4,
    "checkpoint_every": 2,
    "precision": "fp32",
}

INSTRUCT: dict[str, Any] = {
    **ALIGN,
    "data": [{"source": {**SHAPES, "turns": 2, "count": 10}}],
    "learn": [{"pattern": "projector.*", "rate": 1e-3}, {"pattern": "language_model.*", "rate": 2e-3}],
    "template": None,
}


def toy_recipe(
    *, model: Mapping[str, Any] | None = None, stages: Mapping[str, Mapping[str, Any]] | None = None, **fields: Any
) -> Recipe:
    """Both stages, unless others are given. ``model`` replaces whole fields of `MODEL`."""
    data = {
        "name": "toy",
        "size": "debug",
        "workers": 0,
        "model": MODEL | dict(model or {}),
        "stages": {"align": ALIGN, "instruct": INSTRUCT} if stages is None else stages,
        **fields,
    }
    return validated(Recipe, copy.deepcopy(data), where="")


def toy_model(**model: Any) -> Composition:
    """The model of `toy_recipe`, the same at every call."""
    torch.manual_seed(0)
    return compose(toy_recipe(model=model).model)


def samples(count: int, **source: Any) -> list[Sample]:
    """The first samples of a source; questions about shapes unless told otherwise."""
    built = SOURCES.parse({**SHAPES, **source}, where="source").build()
    return [built.sample(i) for i in range(count)]


def step_of(objective: Objective, chosen: Sequence[Sample]) -> Step:
    """What one optimizer step eats of these samples."""
    collator = objective.collator()
    return collator.collate([collator.prepare(sample) for sample in chosen])


def gradients(
    model: Composition, objective: Objective, step: Step, *, learn: str = "*"
) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Losses of one step in float32, and the gradients of everything that learns, by path. Nothing is updated."""
    trained = nn.ModuleDict({"objective": objective})
    trained.update({name: getattr(model, name) for name in PARTS if getattr(model, name) is not None})
    groups = learning_groups(trained, [Rate(pattern=learn, rate=1.0)])
    optimizer = MasterOptimizer(trained, groups, Optimizer(), torch.float32)
    found: dict[str, Tensor] = {}

    def keep(factor: float, norm: Tensor) -> None:
        for name, master in optimizer.masters.items():
            if master.grad is not None:
                found[name] = master.grad.clone()
                master.grad = None

    optimizer.step = keep  # type: ignore[method-assign]
    with objective.running():
        losses, _ = take_step(objective, optimizer, step, 1.0, model.device)
    return losses, found


def assert_close(a: Mapping[str, Tensor], b: Mapping[str, Tensor], *, relative: float = 1e-5) -> None:
    """Equal gradients: the same paths, and each difference small beside the largest gradient of all."""
    assert a.keys() == b.keys()
    largest = max(float(gradient.abs().max()) for gradient in a.values())
    for name in a:
        assert float((a[name] - b[name]).abs().max()) <= relative * largest, name


def log_lines(directory: Path) -> list[dict[str, Any]]:
    """The log without what depends on the clock."""
    lines = [json.loads(line) for line in (directory / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "tokens_per_second"} for line in lines]


def weights(directory: Path) -> dict[str, bytes]:
    """The finished model's weight files."""
    return {file.name: file.read_bytes() for file in sorted((directory / "model").glob("*.safetensors"))}
