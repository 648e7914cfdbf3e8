"""SAM with convolutions: sizes, what it reads twice, and what it refuses. Parity is in tests/model/interop."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from omma.errors import BadInput
from omma.parts.encoders import ENCODERS

SMALL = {
    "model_type": "sam_vision_model", "hidden_size": 32, "output_channels": 8, "num_hidden_layers": 3,
    "num_attention_heads": 4, "image_size": 64, "patch_size": 8, "window_size": 3, "global_attn_indexes": [1, 2],
    "mlp_dim": 48,
}  # fmt: skip


def sam(**fields: Any) -> Any:
    torch.manual_seed(0)
    return ENCODERS.parse({"type": "sam", **fields}, where="model.encoder").build().eval()


@pytest.mark.parametrize(("side", "grid"), [(None, (2, 2)), (3, (3, 3)), (5, (5, 5))])
@torch.no_grad()
def test_features_are_as_many_as_the_grid_says(side: int | None, grid: tuple[int, int]) -> None:
    encoder = sam(architecture=SMALL, side=side)
    assert encoder.grid((64, 64)) == grid
    assert encoder(torch.randn(2, 3, 64, 64)).shape == (2, grid[0] * grid[1], encoder.width) and encoder.width == 32


@torch.no_grad()
def test_detail_begins_as_no_change_and_reads_the_first_global_block() -> None:
    pixels = torch.randn(1, 3, 64, 64)
    encoder = sam(architecture=SMALL, detail=True)
    without = encoder(pixels)
    encoder.alpha.fill_(1.0)
    added = encoder(pixels) - without
    tapped = encoder.model(pixels, output_hidden_states=True).hidden_states[2]  # behind block 1, after the embeddings
    torch.testing.assert_close(added, encoder.convolutions(encoder.neck(tapped)).flatten(2).transpose(1, 2), atol=1e-5, rtol=0)
    assert added.abs().max() > 1e-4


@pytest.mark.parametrize(
    ("fields", "published"),
    [
        ({}, 95_569_152),  # Vary's vocabulary network
        ({"side": 24, "detail": True}, 89_670_912 + 787_456 + 5_898_240 + 1),  # DeepSeek-VL
    ],
    ids=["vary", "deepseek-vl"],
)
def test_published_sizes(fields: dict[str, Any], published: int) -> None:
    with torch.device("meta"):
        encoder = sam(**fields)
    assert sum(weight.numel() for weight in encoder.parameters()) == published
    assert encoder.grid((1024, 1024)) == ((24, 24) if fields else (16, 16))


def test_views_of_another_size_are_refused() -> None:
    with pytest.raises(BadInput, match=r"expected views of 64 x 64 pixels, .* found 32 x 64"):
        sam(architecture=SMALL).grid((32, 64))


def test_other_models_are_refused() -> None:
    with pytest.raises(BadInput, match="model_type: expected sam_vision_model, found vit"):
        sam(architecture={"model_type": "vit"})
