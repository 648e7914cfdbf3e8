"""Vision models of `transformers`, flat and hierarchical: features row by row, as many as the grid says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel

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
CLIP_GRID = {**CLIP, "model_type": "clip_grid_vision", "hidden_act": "gelu"}
INTERN = {"model_type": "internvl_vision", "image_size": 32, "patch_size": 8, **FLAT}
RESNET = {
    "model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 16, 24], "depths": [1, 1, 1], "layer_type": "basic",
    "out_features": ["stage1", "stage2", "stage3"],
}  # fmt: skip
HYBRID = {
    "model_type": "dpt", "is_hybrid": True, "backbone_config": RESNET, "backbone_featmap_shape": [1, 24, 2, 2], "image_size": 32,
    "patch_size": 16, **FLAT,
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
        (SIGLIP, {"cls": "none", "tap": "final"}, (4, 4)),
        (CLIP_GRID, {"cls": "none", "tap": -1}, (4, 4)),
        (INTERN, {"cls": "drop", "tap": -1}, (4, 4)),
        (HYBRID, {"cls": "drop", "tap": -1}, (2, 2)),
        (HYBRID, {"cls": "drop", "tap": "final"}, (2, 2)),
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
def test_two_hidden_states_are_joined() -> None:
    """Unified-IO 2's: the second-last one and an early one, channel by channel."""
    built = encoder(CLIP, cls="drop", tap=-2, also=1, scale=2.0)
    pixels = torch.randn(2, 3, 32, 32)
    hidden = built.hidden_states(pixels)
    assert built.width == 2 * hidden[0].shape[2]
    assert torch.equal(built(pixels), torch.cat([hidden[2], hidden[1]], dim=2)[:, 1:] / 2)
    with pytest.raises(BadInput) as error:
        encoder(CLIP, cls="drop", tap=-2, also=4)
    assert str(error.value) == (
        "model.encoder.also: expected an index into 4 hidden states, of one with as many features as the tap, found 4; "
        "choose one of -4, -3, -2, -1, 0, 1, 2, 3."
    )
    with pytest.raises(BadInput, match="with as many features as the tap, found 0; choose one of"):
        encoder(FOCAL, cls="none", tap=-1, also=0)


@pytest.mark.parametrize(
    ("architecture", "norm"),
    [(CLIP, "post_layernorm"), (SIGLIP, "post_layernorm"), ({**CLIP, "model_type": "dinov2"}, "layernorm")],
)
@torch.no_grad()
def test_the_final_tap_is_behind_the_last_norm(architecture: dict[str, Any], norm: str) -> None:
    built = encoder(architecture, cls="none" if architecture is SIGLIP else "keep", tap="final")
    module = getattr(built.model, norm)
    module.weight.normal_()
    pixels = torch.randn(2, 3, 32, 32)
    last = built.model(pixels, output_hidden_states=True).hidden_states[-1]
    # Where the tower itself ties its last hidden state to its output, that has been through the norm already.
    normed = last if architecture is not CLIP and torch.equal(last, built.model(pixels).last_hidden_state) else module(last)
    assert torch.equal(built(pixels), normed) and torch.equal(built.hidden_states(pixels)[-1], normed)


@torch.no_grad()
def test_a_tower_without_cls_is_clip_s_with_positions_alone() -> None:
    grid, clip = encoder(CLIP_GRID, cls="none", tap=-1), encoder({**CLIP, "hidden_act": "gelu"}, tap=-1)
    clip.model.encoder.load_state_dict(grid.model.encoder.state_dict())
    pixels = torch.randn(2, 3, 32, 32)
    patches = grid.model.embeddings.patch_embedding(pixels).flatten(2).transpose(1, 2)
    states = clip.model.pre_layrnorm(patches + grid.model.embeddings.position_embedding.weight)
    torch.testing.assert_close(grid(pixels), clip.model.encoder(inputs_embeds=states).last_hidden_state)
    # For another size positions are stretched as CLIP's are.
    clip.model.embeddings.position_embedding.weight[1:] = grid.model.embeddings.position_embedding.weight
    clip.model.embeddings.patch_embedding.load_state_dict(grid.model.embeddings.patch_embedding.state_dict())
    larger = torch.randn(1, 3, 64, 48)
    torch.testing.assert_close(grid.model.embeddings(larger, True), clip.model.embeddings(larger, True)[:, 1:])
    assert grid(larger).shape == (1, 48, 32)
    with pytest.raises(ValueError, match="expected 4 x 4 patches, found 8 x 6"):
        grid.model.embeddings(larger)


@torch.no_grad()
def test_a_tower_without_cls_is_saved_and_loaded(tmp_path: Path) -> None:
    built = encoder(CLIP_GRID, cls="none", tap=-1)
    assert built.model.embeddings.position_embedding.weight.std() == pytest.approx(0.02, rel=0.2)
    built.model.save_pretrained(tmp_path)
    again = AutoModel.from_pretrained(tmp_path)
    assert {k: v.shape for k, v in again.state_dict().items()} == {k: v.shape for k, v in built.model.state_dict().items()}
    pixels = torch.randn(1, 3, 32, 32)
    assert torch.equal(again(pixels).last_hidden_state, built.model(pixels).last_hidden_state)


@pytest.mark.parametrize(
    ("architecture", "count"),
    [
        # OpenCLIP's ViT-bigG as Qwen-VL has it, and InternViT-6B without its last three blocks.
        (
            {
                "model_type": "clip_grid_vision", "image_size": 448, "patch_size": 14, "hidden_size": 1664,
                "intermediate_size": 8192, "num_hidden_layers": 48, "num_attention_heads": 16,
            },
            1_842_770_688 + (32**2 - 16**2) * 1664,
        ),
        (
            {
                "model_type": "internvl_vision", "image_size": 448, "patch_size": 14, "hidden_size": 3200,
                "intermediate_size": 12800, "num_hidden_layers": 45, "num_attention_heads": 25, "norm_type": "rms_norm",
                "use_qk_norm": True,
            },
            5_536_496_000,
        ),
    ],
)  # fmt: skip
def test_published_sizes(architecture: dict[str, Any], count: int) -> None:
    with torch.device("meta"):
        built = encoder(architecture, tap=-1)
    assert sum(p.numel() for p in built.parameters()) == count
    assert built.grid((448, 448)) == (32, 32)


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
def test_a_hybrid_of_convolutions_and_blocks_reads_views_of_other_sizes() -> None:
    built = encoder(HYBRID)
    torch.nn.init.normal_(built.model.embeddings.position_embeddings)
    assert built(torch.randn(1, 3, 48, 64)).shape == (1, 12, 32)
    assert built.grid((64, 48)) == (3, 4)
    pixels = torch.randn(1, 3, 32, 32)
    own = AutoModel.from_config(built.model.config).eval()
    own.load_state_dict(built.model.state_dict())
    assert torch.equal(built(pixels), own(pixels, output_hidden_states=True).hidden_states[-2][:, 1:])


@pytest.mark.parametrize(("architecture", "leading"), [(SIGLIP, 0), (HYBRID, 1)])
def test_positions_start_as_waves_that_tell_places_apart(architecture: dict[str, Any], leading: int) -> None:
    own, built = encoder(architecture), encoder(architecture, positions="sincos2d")
    (name,) = [name for name, _ in built.named_parameters() if "position_embedding" in name]
    table = built.get_parameter(name).detach().reshape(-1, 32)
    assert torch.equal(table[:leading], own.get_parameter(name).detach().reshape(-1, 32)[:leading])
    grid = table[leading:]
    torch.testing.assert_close(grid.square().sum(1), torch.full((len(grid),), 16.0))
    assert (torch.cdist(grid, grid) + 9 * torch.eye(len(grid))).min() > 0.5
    side = built.grid((32, 32))[0]
    columns, rows = grid.reshape(side, side, 32)[..., :16], grid.reshape(side, side, 32)[..., 16:]
    assert torch.equal(columns[:1].expand_as(columns), columns) and torch.equal(rows[:, :1].expand_as(rows), rows)


def test_positions_of_a_width_that_waves_do_not_fill() -> None:
    with pytest.raises(BadInput, match=r"a square grid of positions .* found .*position_embedding\.weight of shape \(9, 30\)"):
        encoder({**SIGLIP, "image_size": 24, "hidden_size": 30}, positions="sincos2d")


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
