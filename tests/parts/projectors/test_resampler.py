"""The resampler: against its formulas written out, its positions, its sizes, and what it refuses."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from omma.errors import BadInput
from omma.parts.projectors import Projector
from omma.parts.projectors.resampler import positions, sincos2d

Build = Callable[..., Projector]
CELLS = torch.full((2, 2), -1)


def wave(width: int, row: float, column: float) -> list[float]:
    """The position of one place, number by number."""
    values = []
    for place in (column, row):
        for function in (math.sin, math.cos):
            values += [function(place * 10000 ** (-2 * k / (width / 2))) for k in range(width // 4)]
    return values


def table(width: int, rows: int, columns: int) -> torch.Tensor:
    return torch.tensor([wave(width, row, column) for row in range(rows) for column in range(columns)])


def test_positions_put_the_column_first() -> None:
    torch.testing.assert_close(torch.from_numpy(sincos2d(16, (3, 5))).float(), table(16, 3, 5))
    # One place to the right changes the first half only, one place down the second half only.
    grid = sincos2d(16, (2, 2)).reshape(2, 2, 16)
    assert (grid[0, 0, 8:] == grid[0, 1, 8:]).all() and (grid[0, 0, :8] != grid[0, 1, :8]).any()
    assert (grid[0, 0, :8] == grid[1, 0, :8]).all() and (grid[0, 0, 8:] != grid[1, 0, 8:]).any()


def test_positions_are_stretched_bicubically() -> None:
    where: tuple[Any, ...] = (torch.device("cpu"), torch.float32)
    assert torch.equal(positions(16, (4, 4), (4, 4), *where), torch.from_numpy(sincos2d(16, (4, 4))).float())
    upright = positions(16, (4, 4), (8, 3), *where)
    image = table(16, 4, 4).T.view(1, 16, 4, 4)
    expected = nn.functional.interpolate(image, (8, 3), mode="bicubic").view(16, 24).T
    torch.testing.assert_close(upright, expected)


@pytest.mark.parametrize("key_positions", ["interpolated", "computed"])
@pytest.mark.parametrize("d_in", [12, 32])
def test_is_the_formulas(build: Build, key_positions: str, d_in: int) -> None:
    projector = build("resampler", d_in, 32, queries=9, heads=4, key_positions=key_positions)
    for parameter in projector.parameters():
        nn.init.normal_(parameter, std=0.3)
    features = torch.randn(2, 6 * 5, d_in)

    def norm(module: nn.LayerNorm, vector: torch.Tensor) -> torch.Tensor:
        centred = vector - vector.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt() * module.weight + module.bias

    mapped = features if d_in == 32 else features @ projector.features.weight.T
    values = norm(projector.norm_features, mapped)
    own = table(32, 6, 5)
    if key_positions == "interpolated":
        image = table(32, 3, 3).T.view(1, 32, 3, 3)
        own = nn.functional.interpolate(image, (6, 5), mode="bicubic").view(32, 30).T
    queries = norm(projector.norm_queries, projector.queries.weight) + table(32, 3, 3)
    keys = values + own
    weight, bias = projector.attention.in_proj_weight, projector.attention.in_proj_bias
    q, k, v = (
        (part @ weight[32 * i : 32 * i + 32].T + bias[32 * i : 32 * i + 32])
        for i, part in enumerate((queries.expand(2, -1, -1), keys, values))
    )
    heads = []
    for head in range(4):
        part = slice(8 * head, 8 * head + 8)
        scores = (q[..., part] @ k[..., part].transpose(1, 2) / math.sqrt(8)).softmax(-1)
        heads.append(scores @ v[..., part])
    found = torch.cat(heads, -1) @ projector.attention.out_proj.weight.T + projector.attention.out_proj.bias
    expected = norm(projector.norm, found) @ projector.output
    torch.testing.assert_close(projector.project(features, (6, 5), 0, CELLS), expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("queries", "d_in", "d_out", "published"),
    [
        # Qwen-VL; what is published counts the fixed table of 256 x 4096 positions, too
        (256, 1664, 4096, 76_054_528 + 16_785_408 - 256 * 4096),
        (64, 1024, 5120, 136_693_760),  # LLaVA-UHD
        (144, 1024, 5120, 137_103_360),
        (64, 1024, 4096, 88_383_488),
        (144, 1024, 4096, 88_711_168),
    ],
)
def test_published_sizes(count: Callable[..., int], queries: int, d_in: int, d_out: int, published: int) -> None:
    assert count("resampler", d_in, d_out, queries=queries) == published


def test_heads_of_128_channels_and_the_papers_start(build: Build) -> None:
    projector = build("resampler", 64, 512, queries=64)
    assert projector.attention.num_heads == 4
    assert projector.grid((7, 5)) == (8, 8)
    assert projector.output.std().item() == pytest.approx(512**-0.5, rel=0.02)
    assert projector.queries.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert build("resampler", 64, 64).attention.num_heads == 1


def test_refusals(build: Build) -> None:
    with pytest.raises(BadInput) as caught:
        build("resampler", 8, 32, queries=96)
    assert str(caught.value) == (
        "recipe field model.projector.queries: expected a square number, found 96; correct it."
    )
    with pytest.raises(BadInput) as caught:
        build("resampler", 8, 32, heads=5)
    assert str(caught.value) == (
        "model.projector.heads: expected a number that divides the model's width 32, found 5; "
        "choose another number of heads."
    )
    with pytest.raises(BadInput) as caught:
        build("resampler", 8, 30)
    assert str(caught.value) == (
        "model.projector.type: expected a language model whose width 4 divides, for sines and cosines of rows and columns, "
        "found one of width 30; use another projector."
    )
