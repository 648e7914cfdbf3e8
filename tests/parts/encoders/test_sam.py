"""SAM's tower with convolutions: DeepSeek-VL's features in transformers, published sizes, weights from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformers import DeepseekVLHybridConfig, SamVisionModel
from transformers.models.deepseek_vl_hybrid.modeling_deepseek_vl_hybrid import DeepseekVLHybridModel

from omma.errors import BadInput
from omma.parts.encoders import ENCODERS

TINY = {
    "model_type": "sam_vision_model", "image_size": 64, "patch_size": 8, "hidden_size": 32, "num_hidden_layers": 4,
    "num_attention_heads": 2, "mlp_dim": 48, "output_channels": 8, "window_size": 3, "global_attn_indexes": [1, 3],
    "num_pos_feats": 4,
}  # fmt: skip


def encoder(load_weights: bool = False, **fields: Any) -> Any:
    torch.manual_seed(0)
    config = ENCODERS.parse({"type": "sam", "architecture": TINY, **fields}, where="model.encoder")
    return config.build(load_weights=load_weights).eval()


def spread(module: torch.nn.Module) -> None:
    """Weights far enough from zero that every one of them shows."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(1 + 0.1 * noise if parameter.ndim == 1 else 0.2 * noise)


@torch.no_grad()
def test_features_are_those_of_deepseek_vl() -> None:
    flat = {"hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = DeepseekVLHybridConfig(
        text_config={"model_type": "llama", "vocab_size": 20, **flat},
        vision_config={"model_type": "siglip_vision_model", "image_size": 32, "patch_size": 8, **flat},
        high_res_vision_config=TINY,
    )
    peer = DeepseekVLHybridModel(config).eval()
    spread(peer)
    built = encoder(resized=16, early=True)
    built.model.load_state_dict(peer.high_res_vision_model.state_dict())
    built.early_neck.load_state_dict(peer.high_res_vision_neck.state_dict())
    built.convolutions[0].load_state_dict(peer.high_res_vision_proj.conv1.state_dict())
    built.convolutions[1].load_state_dict(peer.high_res_vision_proj.conv2.state_dict())
    built.early_scale.copy_(peer.high_res_vision_alpha)
    pixels = torch.randn(2, 3, 64, 64)
    expected = peer.get_high_res_image_features(pixels).last_hidden_state
    found = built(pixels)
    assert built.grid((64, 64)) == (4, 4) and found.shape == (2, 16, built.width)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_the_early_tap_begins_as_nothing() -> None:
    pixels = torch.randn(1, 3, 64, 64)
    early = encoder(early=True)
    plain = encoder()
    plain.load_state_dict({k: v for k, v in early.state_dict().items() if not k.startswith("early")})
    assert torch.equal(plain(pixels), early(pixels))
    assert plain.grid((64, 64)) == (2, 2) and plain(pixels).shape == (1, 4, 32)
    early.early_scale.fill_(1)
    assert not torch.allclose(plain(pixels), early(pixels))


def test_published_sizes() -> None:
    with torch.device("meta"):
        vary, deepseek = (
            ENCODERS.parse({"type": "sam", **fields}, where="model.encoder").build()
            for fields in ({}, {"resized": 96, "early": True, "normalization": "clip"})
        )
    assert sum(p.numel() for p in vary.parameters()) == 95_569_152
    assert vary.grid((1024, 1024)) == (16, 16)
    # SAM, a second neck, the convolutions, and the number.
    assert sum(p.numel() for p in deepseek.parameters()) == 89_670_912 + 787_456 + 5_898_240 + 1
    assert deepseek.grid((1024, 1024)) == (24, 24)


def test_views_of_another_size_are_refused() -> None:
    with pytest.raises(BadInput, match=r"views of 64 x 64 pixels, which SAM's positions are for, found one of 32 x 64"):
        encoder().grid((32, 64))


def test_an_early_tap_without_global_attention_is_refused() -> None:
    with pytest.raises(BadInput, match=r"model\.encoder\.early: expected a block of global attention"):
        encoder(architecture={**TINY, "global_attn_indexes": []}, early=True)
    with pytest.raises(BadInput, match="sam_vision_model as model_type"):
        encoder(architecture={"model_type": "siglip_vision_model"})


def test_weights_are_sams_or_those_of_a_model_that_learned_them(tmp_path: Path) -> None:
    trunk = SamVisionModel(encoder().settings)
    spread(trunk)
    trunk.save_pretrained(tmp_path / "sam")
    loaded = encoder(load_weights=True, weights=str(tmp_path / "sam"))
    assert all(torch.equal(loaded.model.state_dict()[name], tensor) for name, tensor in trunk.state_dict().items())

    learned = encoder()
    spread(learned)
    (tmp_path / "vary").mkdir()
    (tmp_path / "vary" / "config.json").write_text("{}")
    tensors = {f"encoder.{name}": tensor.contiguous() for name, tensor in learned.state_dict().items()}
    save_file(tensors, tmp_path / "vary" / "encoder.safetensors")
    loaded = encoder(load_weights=True, weights=str(tmp_path / "vary"))
    assert all(torch.equal(loaded.state_dict()[name], tensor) for name, tensor in learned.state_dict().items())
    with pytest.raises(BadInput, match=r"whose encoder has the same architecture, found .* differs in early_neck"):
        encoder(load_weights=True, weights=str(tmp_path / "vary"), early=True)
