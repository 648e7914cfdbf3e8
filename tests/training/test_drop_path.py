"""Stochastic depth: so many views lose what a block adds, the rest is made up for it, and nothing else changes."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from omma.errors import BadInput
from omma.parts.encoders import ENCODERS
from omma.training.drop_path import dropping_paths
from toy_training import FLAT, toy_model

DEEP = {**FLAT, "num_hidden_layers": 3}
TOWERS = ("internvl_vision", "clip_vision_model", "siglip_vision_model", "vit", "deit", "vit_mae", "blip_2_vision_model")
VIEWS = 2000


def encoder(model_type: str) -> Any:
    torch.manual_seed(0)
    config = {"type": "transformers", "architecture": {"model_type": model_type, **DEEP}, "tap": -1, "cls": "drop"}
    built = ENCODERS.parse(config, where="model.encoder").build().train()
    for parameter in built.model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return built


def test_views_lose_branches_as_often_as_was_asked() -> None:
    built = encoder("internvl_vision")
    pixels = torch.randn(1, 3, 32, 32)
    seen: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
    blocks = list(built.model.encoder.layer)
    with torch.no_grad(), dropping_paths(built, 0.5):
        for number, block in enumerate(blocks):
            given = torch.randn(1, 17, 32).expand(VIEWS, -1, -1)
            seen[number] = (block.mlp(given), block.attention(given)[0])
    with torch.no_grad():
        built.eval()
        expected = built(pixels)
    for number, share in enumerate((0.0, 0.25, 0.5)):
        for branch in seen[number]:
            dropped = (branch == 0).all(-1).all(-1)
            assert float(dropped.float().mean()) == pytest.approx(share, abs=0.05)
            kept = branch[~dropped]
            assert torch.equal(kept, kept[:1].expand_as(kept))
    mlp, attention = ((branch == 0).all(-1).all(-1) for branch in seen[2])
    assert 0.4 < float((mlp == attention).float().mean()) < 0.6, "each for views of its own"
    with torch.no_grad(), dropping_paths(built.train(), 0.5):
        assert torch.equal(built.eval()(pixels), expected), "nothing where nothing learns"
    with torch.no_grad():
        assert torch.equal(built.train()(pixels), expected), "and nothing afterwards"


@torch.no_grad()
def test_what_is_left_makes_up_for_it() -> None:
    built = encoder("clip_vision_model")
    last = built.model.encoder.layers[-1].mlp
    given = torch.randn(1, 17, 32)
    whole = last(given)
    with dropping_paths(built, 0.75):
        found = last(given.expand(VIEWS, -1, -1).contiguous())
    torch.testing.assert_close(found.mean(0, keepdim=True), whole, atol=0.15 * float(whole.abs().max()), rtol=0)
    kept = found[~(found == 0).all(-1).all(-1)]
    torch.testing.assert_close(kept[:1], 4 * whole, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("model_type", TOWERS)
@torch.no_grad()
def test_every_flat_tower_has_branches_to_leave_out(model_type: str) -> None:
    built = encoder(model_type) if model_type != "siglip_vision_model" else toy_model().encoder.train()  # type: ignore[union-attr]
    pixels = torch.randn(4, 3, 32, 32)
    plain = built(pixels)
    with dropping_paths(built, 0.9):
        assert not torch.allclose(built(pixels), plain)
    with dropping_paths(built, 0.0):
        assert torch.equal(built(pixels), plain)


def test_where_there_is_nothing_to_leave_out() -> None:
    built = encoder("clip_vision_model").requires_grad_(False)
    with pytest.raises(BadInput, match="drop_path: expected an encoder that learns, found none"), dropping_paths(built, 0.1):
        pass
    with pytest.raises(BadInput, match="drop_path: expected an encoder that learns, found none"), dropping_paths(None, 0.1):
        pass
    stages = {
        "model_type": "pvt_v2", "image_size": 32, "num_encoder_blocks": 2, "depths": [1, 2], "sr_ratios": [2, 1], "hidden_sizes": [8, 16],
        "patch_sizes": [7, 3], "strides": [4, 2], "num_attention_heads": [1, 2], "mlp_ratios": [4, 4],
    }  # fmt: skip
    tower = ENCODERS.parse({"type": "transformers", "architecture": stages, "cls": "none", "tap": -1}, where="e").build()
    with pytest.raises(BadInput, match=r"drop_path: expected a model of equal blocks .* in PvtV2Model"), dropping_paths(tower, 0.1):
        pass
