"""The C-Abstractor: its blocks and windows written out, its published size, and what it refuses."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.functional import silu

from omma.errors import BadInput
from omma.parts.projectors import Projector
from omma.parts.projectors.c_abstractor import Bottleneck

Build = Callable[..., Projector]
CELLS = torch.full((2, 2), -1)


def test_published_sizes(count: Callable[..., int]) -> None:
    assert count("c-abstractor", 1024, 4096) == 37_070_336
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in Bottleneck(1024, 1024).parameters()) == 2_638_080


def test_windows_are_unequal_and_overlap(build: Build) -> None:
    """16 to 12: each token means over the features that its share of the side touches."""
    projector = build("c-abstractor", 8, 8, width=8)
    pool = next(module for module in projector.net if isinstance(module, nn.AdaptiveAvgPool2d))
    map = torch.randn(1, 2, 16, 16)
    spans = [(math.floor(i * 16 / 12), math.ceil((i + 1) * 16 / 12)) for i in range(12)]
    assert spans[:4] == [(0, 2), (1, 3), (2, 4), (4, 6)]
    found = pool(map)
    for row, (top, bottom) in enumerate(spans):
        for column, (left, right) in enumerate(spans):
            torch.testing.assert_close(found[..., row, column], map[..., top:bottom, left:right].mean((2, 3)))
    assert projector.grid((16, 16)) == (12, 12)


@pytest.mark.parametrize("width_in", [8, 6])
def test_a_block_is_the_formulas(width_in: int) -> None:
    torch.manual_seed(0)
    block = Bottleneck(width_in, 8)
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=0.5)
    map = torch.randn(2, width_in, 5, 4)

    def norm(module: nn.LayerNorm, map: torch.Tensor) -> torch.Tensor:
        mean, variance = map.mean(1, keepdim=True), map.var(1, keepdim=True, correction=0)
        scale, shift = module.weight.view(1, -1, 1, 1), module.bias.view(1, -1, 1, 1)
        return (map - mean) / (variance + 1e-6).sqrt() * scale + shift

    def mix(weight: torch.Tensor, map: torch.Tensor) -> torch.Tensor:
        return torch.einsum("oi,nirc->norc", weight[:, :, 0, 0], map)

    first, norm1, _, depthwise, norm2, _, excite, last, norm3 = block.block
    hidden = silu(norm(norm1, mix(first.weight, map)))
    padded = nn.functional.pad(hidden, (1, 1, 1, 1))
    spread = sum(
        padded[:, :, y : y + 5, x : x + 4] * depthwise.weight[:, 0, y, x].view(1, -1, 1, 1)
        for y in range(3)
        for x in range(3)
    )
    hidden = silu(norm(norm2, spread))
    squeeze, _, expand, _ = excite.gate
    assert squeeze.out_channels == round(width_in / 4)
    means = hidden.mean((2, 3))
    inner = silu(means @ squeeze.weight[:, :, 0, 0].T + squeeze.bias)
    gate = (inner @ expand.weight[:, :, 0, 0].T + expand.bias).sigmoid()
    hidden = norm(norm3, mix(last.weight, hidden * gate[:, :, None, None]))
    shortcut = map if width_in == 8 else norm(block.shortcut[1], mix(block.shortcut[0].weight, map))
    torch.testing.assert_close(block(map), silu(hidden + shortcut), atol=1e-4, rtol=1e-4)


def test_tokens_lie_row_by_row(build: Build) -> None:
    projector = build("c-abstractor", 8, 8, width=8, tokens=16, input_side=4)
    features = torch.randn(1, 16, 8)
    before = projector.project(features, (4, 4), 0, CELLS)
    changed = features.clone()
    changed[0, 7] += 5  # row 1, column 3
    moved = (projector.project(changed, (4, 4), 0, CELLS) - before).norm(dim=2)[0]
    assert moved.argmax() == 7


def test_refusals(build: Build) -> None:
    with pytest.raises(BadInput) as caught:
        build("c-abstractor", 8, 8, tokens=145)
    assert str(caught.value) == "recipe field model.projector.tokens: expected a square number, found 145; correct it."
    with pytest.raises(BadInput) as caught:
        build("c-abstractor", 8, 8, width=8).grid((24, 24))
    assert str(caught.value) == (
        "model.projector.input_side: expected views of 16 x 16 features, found one of 24 x 24; "
        "give it the side of the encoder's grid, and choose a resolution strategy with square views."
    )
