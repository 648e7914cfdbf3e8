"""The MLP: LLaVA's and Prismatic's published sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from omma.parts.projectors import Projector


@pytest.mark.parametrize(
    ("widths", "fields", "number"),
    [
        ((1024, 4096), {}, 20_979_712),
        ((1024, 5120), {}, 31_467_520),
        # DINOv2-L and SigLIP-SO400M side by side, to four times their width, to Vicuna-7B's, and once more.
        ((2176, 4096), {"depth": 3, "first_width": 8704}, 2177 * 8704 + 8705 * 4096 + 4097 * 4096),
    ],
)
def test_published_sizes(count: Callable[..., int], widths: tuple[int, int], fields: dict[str, Any], number: int) -> None:
    assert count("mlp", *widths, **fields) == number


@torch.no_grad()
def test_layers_follow_each_other(build: Callable[..., Projector]) -> None:
    projector = build("mlp", 6, 8, depth=3, first_width=10)
    first, second, third = (layer for layer in projector.layers if isinstance(layer, torch.nn.Linear))  # type: ignore[union-attr]
    features = torch.randn(2, 5, 6)
    gelu = torch.nn.functional.gelu
    assert torch.equal(projector(features), third(gelu(second(gelu(first(features))))))
