"""Towers by name against the classes of `transformers` themselves: the same numbers at every tap, a feature for every patch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import (
    Blip2VisionModel,
    CLIPVisionModel,
    DeiTModel,
    Dinov2Model,
    Dinov2WithRegistersModel,
    DINOv3ViTModel,
    InternVLVisionModel,
    PreTrainedModel,
    SamVisionModel,
    SiglipVisionModel,
    ViTMAEModel,
    ViTModel,
)

from omma.errors import BadInput
from omma.parts.encoders import ENCODERS

FLAT = {"image_size": 32, "patch_size": 8, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2}
INNER = {**FLAT, "intermediate_size": 64}


@dataclass(frozen=True)
class Tower:
    """A tower of `transformers`, of 4 x 4 patches.

    Attributes:
        norm: path of what its final tap is behind; None if its last hidden state has been through it.
        leading: features of no patch, in front.
        any_size: whether views of other sizes are read, and with which argument.
    """

    kind: type[PreTrainedModel]
    settings: dict[str, Any]
    norm: str | None
    leading: int = 1
    any_size: dict[str, bool] | None = field(default_factory=dict)

    @property
    def architecture(self) -> dict[str, Any]:
        return {"model_type": self.kind.config_class.model_type, **self.settings}


STRETCHED = {"interpolate_pos_encoding": True}
SAM = {
    **FLAT, "mlp_dim": 64, "output_channels": 8, "window_size": 3, "global_attn_indexes": [1], "num_pos_feats": 4,
}  # fmt: skip
RMS = {"norm_type": "rms_norm", "use_qk_norm": True}
TOWERS = {
    "clip": Tower(CLIPVisionModel, INNER, "post_layernorm", any_size=STRETCHED),
    "siglip": Tower(SiglipVisionModel, {**INNER, "vision_use_head": False}, "post_layernorm", 0, STRETCHED),
    "vit": Tower(ViTModel, INNER, "layernorm", any_size=STRETCHED),
    "deit, with its distillation token": Tower(DeiTModel, INNER, "layernorm", 2, STRETCHED),
    "mae": Tower(ViTMAEModel, INNER, "layernorm", any_size=STRETCHED),
    "dinov2": Tower(Dinov2Model, FLAT, "layernorm"),
    "dinov2 with registers": Tower(Dinov2WithRegistersModel, {**FLAT, "num_register_tokens": 3}, "layernorm", 4),
    "dinov3": Tower(DINOv3ViTModel, {**INNER, "num_register_tokens": 3}, "norm", 4),
    "sam": Tower(SamVisionModel, SAM, "vision_encoder.neck", 0, None),
    "internvit": Tower(InternVLVisionModel, INNER, None),
    "internvit 6b": Tower(InternVLVisionModel, {**INNER, **RMS, "use_mean_pooling": False}, "layernorm"),
    "blip-2": Tower(Blip2VisionModel, INNER, "post_layernorm", any_size=STRETCHED),
}
of_every_tower = pytest.mark.parametrize("name", TOWERS)


def spread(module: torch.nn.Module) -> None:
    """Weights far enough from their beginning that every one of them shows."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(1 + 0.1 * noise if parameter.ndim == 1 else 0.2 * noise)


def both(tower: Tower, **fields: Any) -> tuple[Any, PreTrainedModel]:
    """omma's encoder, and the model of `transformers` with the same weights."""
    built = ENCODERS.parse({"type": "transformers", "architecture": tower.architecture, **fields}, where="model.encoder").build()
    # Nothing is left out of MAE's pictures.
    masked = {"mask_ratio": 0.0} if tower.kind is ViTMAEModel else {}
    peer = tower.kind(tower.kind.config_class(**tower.settings, **masked))
    spread(peer)
    built.model.load_state_dict(peer.state_dict())
    return built.eval(), peer.eval()


def states(tower: Tower, peer: PreTrainedModel, pixels: Tensor) -> list[Tensor]:
    """Hidden states and the final output of the model of `transformers`, [N, T, C] without what is of no patch.

    The final output is caught where it leaves the last norm, whatever the model makes of it.
    """
    caught: list[Tensor] = []
    if tower.norm is not None:
        peer.get_submodule(tower.norm).register_forward_hook(lambda _, inputs, output: caught.append(output))
    options: dict[str, Any] = dict(tower.any_size or {})
    if tower.kind is ViTMAEModel:
        patches = pixels.shape[2] // 8 * (pixels.shape[3] // 8)
        options["noise"] = torch.arange(patches).expand(len(pixels), -1)
    found = peer(pixels, output_hidden_states=True, **options)
    # CLIP's last norm reads what it pools, CLS; that of the others reads everything.
    whole = [one for one in caught if one.dim() > 2]
    final = whole[0] if whole else found.last_hidden_state
    if tower.kind is CLIPVisionModel:
        final = peer.get_submodule("post_layernorm")(found.last_hidden_state)
    if tower.kind is SamVisionModel:
        return [*(one.flatten(1, 2) for one in found.hidden_states), final.flatten(2).transpose(1, 2)]
    return [one[:, tower.leading :] for one in (*found.hidden_states, final)]


@of_every_tower
@torch.no_grad()
def test_every_tap_is_the_hidden_state_of_transformers(name: str) -> None:
    tower = TOWERS[name]
    pixels = torch.randn(2, 3, 32, 32)
    for tap in (1, -1, "final"):
        built, peer = both(tower, tap=tap, cls="drop" if tower.leading else "none")
        *hidden, final = states(tower, peer, pixels)
        assert len(hidden) == 4, "the embeddings and three blocks"
        expected = final if tap == "final" else hidden[int(tap)]
        found = built(pixels)
        assert built.grid((32, 32)) == (4, 4) and found.shape == (2, 16, built.width)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    for tap in (-1, -2):
        assert built.extent((32, 32), tap) == (4, 4, hidden[tap].shape[2])


@of_every_tower
@torch.no_grad()
def test_features_stand_row_by_row(name: str) -> None:
    tower = TOWERS[name]
    built, _ = both(tower, tap=0, cls="drop" if tower.leading else "none")
    pixels = torch.zeros(1, 3, 32, 32)
    other = pixels.clone()
    other[:, :, 8:16, 24:32] = 1.0
    changed = (built(other) != built(pixels)).any(-1)[0].nonzero().flatten()
    assert changed.tolist() == [1 * 4 + 3]


@pytest.mark.parametrize("name", [name for name, tower in TOWERS.items() if tower.any_size is not None])
@torch.no_grad()
def test_views_of_another_size(name: str) -> None:
    tower = TOWERS[name]
    built, peer = both(tower, tap=-2, cls="drop" if tower.leading else "none")
    pixels = torch.randn(2, 3, 24, 48)
    assert built.grid((48, 24)) == (3, 6)
    torch.testing.assert_close(built(pixels), states(tower, peer, pixels)[-3], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", [name for name, tower in TOWERS.items() if tower.leading])
@torch.no_grad()
def test_cls_is_kept_and_nothing_else_in_front(name: str) -> None:
    tower = TOWERS[name]
    kept, peer = both(tower, cls="keep")
    dropped, _ = both(tower, cls="drop")
    pixels = torch.randn(2, 3, 32, 32)
    found = kept(pixels)
    rows, columns = kept.grid((32, 32))
    assert found.shape == (2, rows * columns, 32) and rows * columns == 17
    assert torch.equal(found[:, 1:], dropped(pixels))
    options: dict[str, Any] = {"noise": torch.arange(16).expand(2, -1)} if tower.kind is ViTMAEModel else {}
    expected = peer(pixels, output_hidden_states=True, **options).hidden_states[-2][:, 0]
    torch.testing.assert_close(found[:, 0], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "rule", "message"),
    [
        ("clip", "none", "drop or keep for clip_vision_model, which makes 17 features of 4 x 4 patches, found none; use drop"),
        ("dinov3", "none", "drop or keep for dinov3_vit, which makes 20 features of 4 x 4 patches, found none; use drop"),
        ("siglip", "keep", "none or drop for siglip_vision_model, which makes 16 features of 4 x 4 patches, found keep; use none"),
        ("sam", "keep", "none or drop for sam_vision_model, which makes 16 features of 4 x 4 patches, found keep; use none"),
    ],
)
def test_a_rule_for_another_kind_of_tower_is_refused(name: str, rule: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        both(TOWERS[name], cls=rule)


def test_a_tower_for_one_size_refuses_others() -> None:
    built, _ = both(TOWERS["sam"], cls="none", tap="final")
    expected = "expected views of 32 x 32 pixels, which the positions of sam_vision_model are for, found one of 64 x 32"
    with pytest.raises(BadInput, match=expected):
        built.grid((64, 32))


def test_a_model_that_wants_more_than_pixels_is_refused() -> None:
    architecture = {"model_type": "siglip2_vision_model", "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    message = "found siglip2_vision_model, which wants pixel_attention_mask, spatial_shapes, too; use for instance siglip_vision"
    with pytest.raises(BadInput, match=message):
        ENCODERS.parse({"type": "transformers", "architecture": architecture}, where="model.encoder").build()
