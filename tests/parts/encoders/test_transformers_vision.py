"""Vision models of `transformers`, flat and hierarchical: features row by row, as many as the grid says."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from omma.errors import BadInput
from omma.parts.encoders import ENCODERS

FLAT = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 2}
CLIP = {"model_type": "clip_vision_model", "image_size": 32, "patch_size": 8, **FLAT}
SIGLIP = {"model_type": "siglip_vision_model", "image_size": 32, "patch_size": 8, "vision_use_head": False, **FLAT}
PVT = {
    "model_type": "pvt_v2", "image_size": 32, "num_encoder_blocks": 3, "depths": [1, 1, 2], "sr_ratios": [4, 2, 1],
    "hidden_sizes": [8, 16, 32], "patch_sizes": [7, 3, 3], "strides": [4, 2, 2], "num_attention_heads": [1, 2, 4],
    "mlp_ratios": [4, 4, 4], "drop_path_rate": 0.0,
}  # fmt: skip
FOCAL = {
    "model_type": "focalnet", "image_size": 32, "patch_size": 4, "embed_dim": 8, "hidden_sizes": [8, 16, 32],
    "depths": [1, 1, 2], "focal_levels": [2, 2, 2], "focal_windows": [3, 3, 3], "use_conv_embed": True, "drop_path_rate": 0.0,
}  # fmt: skip
CONVNEXT = {"model_type": "convnext", "num_stages": 3, "hidden_sizes": [8, 16, 32], "depths": [1, 1, 2]}


def encoder(architecture: dict[str, Any], **fields: Any) -> Any:
    torch.manual_seed(0)
    built = ENCODERS.parse({"type": "transformers", "architecture": architecture, **fields}, where="model.encoder").build()
    return built.eval()


@pytest.mark.parametrize(
    ("architecture", "fields", "grid"),
    [
        (CLIP, {"cls": "drop"}, (4, 4)),
        (CLIP, {"cls": "keep"}, (1, 17)),
        (SIGLIP, {"cls": "none"}, (4, 4)),
        (CLIP | {"model_type": "blip_2_vision_model"}, {"cls": "keep", "tap": "output"}, (1, 17)),
        (PVT, {"cls": "none", "tap": -1}, (2, 2)),
        (PVT, {"cls": "none", "tap": 1}, (4, 4)),
        (CONVNEXT, {"cls": "none", "tap": -1}, (2, 2)),
        (FOCAL, {"cls": "none", "tap": -1}, (2, 2)),
        (FOCAL, {"cls": "none", "tap": 1}, (4, 4)),
    ],
)
@torch.no_grad()
def test_features_are_as_many_as_the_grid_says(
    architecture: dict[str, Any], fields: dict[str, Any], grid: tuple[int, int]
) -> None:
    built = encoder(architecture, **fields)
    features = built(torch.randn(2, 3, 32, 32))
    assert built.grid((32, 32)) == grid
    assert features.shape == (2, grid[0] * grid[1], built.width)


@pytest.mark.parametrize("architecture", [PVT, CONVNEXT])
@torch.no_grad()
def test_maps_become_rows(architecture: dict[str, Any]) -> None:
    built = encoder(architecture, cls="none", tap=-1)
    pixels = torch.randn(1, 3, 48, 80)
    assert built.grid((80, 48)) == (3, 5)
    expected = built.model(pixels, output_hidden_states=True).hidden_states[-1]
    features = built(pixels)
    for row in range(3):
        for column in range(5):
            assert torch.equal(features[0, row * 5 + column], expected[0, :, row, column])
    assert torch.equal(built.hidden_states(pixels)[-1], features)


@torch.no_grad()
def test_rows_of_wide_pictures_are_counted_right() -> None:
    built = encoder(FOCAL, cls="none", tap=-1)
    assert built.grid((80, 48)) == (3, 5)
    assert built(torch.randn(1, 3, 48, 80)).shape == (1, 15, 32)


@torch.no_grad()
def test_a_tap_is_what_the_model_says() -> None:
    built = encoder(CLIP, cls="drop", tap=-2)
    pixels = torch.randn(2, 3, 32, 32)
    hidden = built.hidden_states(pixels)
    assert len(hidden) == 5, "the embeddings, three blocks, and the output after the norm"
    assert torch.equal(built(pixels), hidden[2][:, 1:])


@torch.no_grad()
def test_features_are_divided_by_their_scale() -> None:
    torch.manual_seed(0)
    built = encoder(CLIP)
    torch.manual_seed(0)
    divided = encoder(CLIP, scale=16)
    pixels = torch.randn(2, 3, 32, 32)
    assert torch.equal(divided(pixels) * 16, built(pixels))


def test_a_tap_that_is_not_there() -> None:
    with pytest.raises(BadInput, match=r"an index into 4 hidden states \(the embeddings and 3 blocks\), found 4"):
        encoder(CLIP, tap=4)
    with pytest.raises(BadInput, match="an index into 3 hidden states, found -4"):
        encoder(PVT, tap=-4)


@pytest.mark.parametrize("model_type", ["vit", "clip_vision_model", "siglip_vision_model", "dinov2"])
@torch.no_grad()
def test_views_of_other_sizes_have_their_positions_interpolated(model_type: str) -> None:
    built = encoder({"model_type": model_type, "image_size": 32, "patch_size": 8, **FLAT}, cls="drop")
    assert built(torch.randn(1, 3, 24, 40)).shape == (1, 15, 32)
    assert built.grid((40, 24)) == (3, 5)
    pixels = torch.randn(1, 3, 32, 32)
    assert torch.equal(built(pixels)[0, -1], built.model(pixels, output_hidden_states=True).hidden_states[-2][0, -1])


@torch.no_grad()
def test_registers_are_dropped_with_the_cls_feature() -> None:
    built = encoder({"model_type": "dinov2_with_registers", "image_size": 32, "patch_size": 8, **FLAT}, cls="drop")
    pixels = torch.randn(1, 3, 32, 32)
    assert torch.equal(built(pixels), built.hidden_states(pixels)[-3][:, 5:])


@torch.no_grad()
def test_the_final_output_is_behind_the_norm() -> None:
    """CLIP's own norm is applied to what it pools only."""
    built = encoder(CLIP, cls="keep")
    torch.nn.init.normal_(built.model.post_layernorm.weight)
    pixels = torch.randn(2, 3, 32, 32)
    last = built.hidden_states(pixels)[-1]
    assert torch.allclose(last[:, 0], built.model(pixels).pooler_output, atol=1e-6)
    siglip = encoder(SIGLIP, cls="none")
    assert torch.equal(siglip.hidden_states(pixels)[-1], siglip.model(pixels).last_hidden_state)


@torch.no_grad()
def test_the_output_is_what_the_model_returns() -> None:
    pixels = torch.randn(2, 3, 32, 32)
    built = encoder(SIGLIP, cls="none", tap="output")
    torch.testing.assert_close(built(pixels), built.model(pixels).last_hidden_state)
    before = encoder(SIGLIP, cls="none", tap=-1)(pixels)
    torch.testing.assert_close(built(pixels), built.model.post_layernorm(before))
    assert (built(pixels) - before).abs().max() > 1e-3


@torch.no_grad()
def test_sizes_given_as_height_and_width() -> None:
    architecture = {"model_type": "internvl_vision", "image_size": [32, 32], "patch_size": [8, 8], **FLAT}
    built = encoder(architecture, tap="output")
    assert built.grid((40, 24)) == (3, 5)
    assert built(torch.randn(1, 3, 24, 40)).shape == (1, 15, 32)
