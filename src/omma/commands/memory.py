"""How much memory training and answering take, estimated from shapes alone; the formulas are part of what is shown.

Numbers kept per token and layer for the backward pass: about 8 of the hidden width (norms, queries, keys, values,
attention output, residuals) and 4 of the MLP's (gate, up, activation, product); fused attention keeps no score matrix.
With an MLP four times as wide that is 48 bytes x hidden in bf16, of the order of the 34 (and dropout masks less) that
Korthikanti et al. 2022 count for a GPT (arXiv 2205.05198, section 4.1). Towers of stages, each of a size of its own, are run
without numbers instead, and what their modules put out is counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn
from transformers import AutoModel

from omma.parts.encoders.sam import Sam
from omma.parts.encoders.transformers_vision import TransformersEncoder
from omma.recipe import StageRecipe
from omma.show.cost import cache_bytes
from omma.training.optimizer import is_matrix
from omma.training.precision import storage_dtype

FORMULAS = (
    "weights = parameters x 2 bytes in bf16 (4 in fp32)",
    "learning = learning parameters x (4 master copy in bf16 + 4 gradient + 8 AdamW moments, or 4 Muon momentum;",
    "  of Adafactor a number for every row and column)",
    "activations = tokens of a micro-batch x (layers x (8 x hidden + 4 x MLP width) x 2 or 4 bytes + vocabulary x 8),",
    "  of the language model, and of the encoder if it learns; with checkpointing layers x hidden, and one layer whole;",
    "  of an encoder of stages all that its modules put out",
    "cache = 2 x layers x key-value width x 2 or 4 bytes x tokens of the conversation",
)
"""In words, for whoever reads the estimate. Program and libraries themselves take about 0.6 GiB more."""


SIDE = 224
"""Pixels of the square for which towers of stages are counted; all their maps grow alike."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes by what takes them."""

    what: str
    terms: Mapping[str, float]

    @property
    def total(self) -> float:
        return sum(self.terms.values())


def training_memory(name: str, stage: StageRecipe, parts: Mapping[str, nn.Module], tokens_per_picture: int) -> Estimate:
    """Memory of a stage of training.

    Args:
        parts: modules by ``encoder``, ``projector``, ``language_model``, on any device.
        tokens_per_picture: features of one view, for encoders that learn.
    """
    number = storage_dtype(stage.precision).itemsize
    parameters = {f"{part}.{path}": p for part, module in parts.items() for path, p in module.named_parameters()}
    learning = [p for path, p in parameters.items() if _rate(path, stage) > 0]
    state = sum(p.numel() * _state_bytes(p, stage) for p in learning)
    micro_tokens = getattr(stage.objective, "micro_tokens", 0)
    activations = 0.0
    if "language_model" in parts and micro_tokens:
        settings: Any = parts["language_model"].config
        activations += micro_tokens * (_kept(settings, stage, number) + settings.vocab_size * 8)
    if "encoder" in parts and tokens_per_picture:
        views = getattr(stage.objective, "micro_samples", 0) or -(-micro_tokens // tokens_per_picture)
        for tower in _learning_towers(parts["encoder"], stage):
            if isinstance(tower, TransformersEncoder) and tower.hierarchical:
                activations += views * tokens_per_picture * _put_out(tower) * number
                continue
            places = tower.places if isinstance(tower, Sam) else tokens_per_picture
            activations += views * places * _kept(tower.model.config, stage, number)
    weights = sum(p.numel() for p in parameters.values()) * number
    return Estimate(f"training, stage {name}", {"weights": weights, "learning": state, "activations": activations})


def inference_memory(parts: Mapping[str, nn.Module], tokens: int, number: int) -> Estimate:
    """Memory of answering within one conversation of so many tokens, ``number`` bytes a number."""
    weights = sum(p.numel() for module in parts.values() for p in module.parameters()) * number
    terms: dict[str, float] = {"weights": weights}
    if "language_model" in parts:
        terms["cache"] = cache_bytes(parts["language_model"].config, number) * tokens
    return Estimate(f"answering, {'bf16' if number == 2 else 'fp32'}, {tokens:,} tokens", terms)


def _learning_towers(encoder: nn.Module, stage: StageRecipe) -> list[TransformersEncoder | Sam]:
    """Those through which gradients flow. What stands behind SAM's blocks may learn without them."""
    return [
        tower
        for path, tower in encoder.named_modules(prefix="encoder")
        if isinstance(tower, TransformersEncoder | Sam)
        for inside, module in ((f"{path}.model.", tower.model) if isinstance(tower, Sam) else (f"{path}.", tower),)
        if any(_rate(inside + name, stage) > 0 for name, _ in module.named_parameters())
    ]


def _rate(path: str, stage: StageRecipe) -> float:
    return next((rate.rate for rate in stage.learn if fnmatchcase(path, rate.pattern)), 0.0)


def _state_bytes(parameter: nn.Parameter, stage: StageRecipe) -> float:
    """Of one of its numbers: master copy, gradient, and what the optimizer keeps."""
    kept: float = 8
    if stage.optimizer.type == "muon" and is_matrix(parameter):
        kept = 4
    elif stage.optimizer.type == "adafactor":
        kept = 4 / parameter.shape[-1] + 4 / parameter.shape[-2] if parameter.ndim > 1 else 4
    return (4 if storage_dtype(stage.precision) == torch.bfloat16 else 0) + 4 + kept


def _put_out(tower: TransformersEncoder) -> float:
    """Numbers that the modules of a tower of stages put out per feature that is read."""
    counted = 0

    def count(module: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal counted
        counted += output.numel() if isinstance(output, torch.Tensor) else 0

    with torch.device("meta"):
        model = AutoModel.from_config(tower.model.config)
        for module in model.modules():
            if not any(module.children()):
                module.register_forward_hook(count)
        model(torch.empty(1, 3, SIDE, SIDE))
    rows, columns = tower.patches((SIDE, SIDE))
    return counted / (rows * columns)


def _kept(settings: Any, stage: StageRecipe, number: int) -> float:
    """Bytes kept per token for the backward pass through all layers."""
    # What is usually intermediate_size: OPT, SAM and DINOv2 call it otherwise.
    names = ("intermediate_size", "ffn_dim", "mlp_dim")
    inner = next((getattr(settings, name) for name in names if getattr(settings, name, None)), None)
    inner = inner or settings.mlp_ratio * settings.hidden_size
    layer = (8 * settings.hidden_size + 4 * inner) * number
    if stage.gradient_checkpointing:
        return settings.num_hidden_layers * settings.hidden_size * number + layer
    return settings.num_hidden_layers * layer
