"""Toy models with experts that have learned something, and prompts for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from omma.model.composition import Composition
from toy_training import MODEL, toy_model

Make = Callable[..., Composition]

FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {"sliding_window": 50},
    "qwen2": {"use_sliding_window": True, "sliding_window": 50, "max_window_layers": 1},
    "qwen3": {"head_dim": 16},
}
EXPERTS: dict[str, dict[str, Any]] = {
    "partial-lora": {"type": "partial-lora", "rank": 4, "alpha": 8, "dropout": 0.0},
    "ffn": {"type": "modality-experts", "split": "ffn"},
    "all": {"type": "modality-experts", "split": "all"},
}


@torch.no_grad()
def spread(module: nn.Module, seed: int = 1) -> None:
    """Weights far enough from their beginning that every one of them shows."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.copy_(1 + 0.1 * noise if parameter.ndim == 1 else 0.2 * noise)


@pytest.fixture(scope="session")
def make() -> Make:
    """A function that makes a model with spread weights, the same with every expert; ``learned`` spreads the expert's, too."""

    def build(expert: str | None = None, family: str = "llama", learned: bool = True, **model: Any) -> Composition:
        architecture = {**MODEL["backbone"]["architecture"], "model_type": family, **FAMILIES[family]}
        fields = {"backbone": {**MODEL["backbone"], "architecture": architecture}, **model}
        made = toy_model(**fields, expert=EXPERTS[expert] if expert else None).eval()
        for seed, part in enumerate((made.encoder, made.projector, made.language_model)):
            spread(part, seed)
        if made.expert is not None:
            made.expert.begin()
            if learned:
                spread(made.expert, 7)
        return made

    return build


@pytest.fixture(scope="session")
def prompts() -> Callable[..., dict[str, Tensor]]:
    """A function that makes model inputs, left-padded, from strings of ``w`` (a word) and ``p`` (a picture of 16 tokens)."""

    def inputs(model: Composition, *rows: str) -> dict[str, Tensor]:
        image = model.vlm.config.image_token_id
        ids = [
            [
                token
                for i, one in enumerate(row)
                for token in ([image] * 16 if one == "p" else [100 + 37 * i + len(row)])
            ]
            for row in rows
        ]
        longest = max(map(len, ids))
        batch = {
            "input_ids": torch.tensor([[0] * (longest - len(row)) + row for row in ids]),
            "attention_mask": torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in ids]),
        }
        pictures = [len(row) * 10 + i for row in rows for i, one in enumerate(row) if one == "p"]
        if pictures:  # the same picture for the same row, whatever its company
            batch["pixel_values"] = torch.stack(
                [torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(seed)) for seed in pictures]
            )
        return batch

    return inputs
