"""Reading only some patches: leaving out none changes nothing, and what is left out is not seen."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from omma.errors import BadInput
from omma.parts.encoders import ENCODERS
from omma.parts.encoders.visible_patches import check_visible_patches, read_visible
from toy_training import FLAT

ABLE = {
    "vit": 1,
    "clip_vision_model": 1,
    "siglip_vision_model": 0,
    "dinov2": 1,
    "dinov2_with_registers": 5,
    "deit": 2,
}
"""Leading tokens by model type."""


def encoder(model_type: str, **fields: Any) -> Any:
    torch.manual_seed(0)
    config = {
        "type": "transformers",
        "architecture": {"model_type": model_type, **FLAT, **fields},
        "tap": -1,
        "cls": "drop",
    }
    return ENCODERS.parse(config, where="model.encoder").build().eval()


@pytest.mark.parametrize("size", [(32, 32), (24, 40)])
@pytest.mark.parametrize("model_type", ABLE)
@torch.no_grad()
def test_all_patches_in_any_order_are_the_picture(model_type: str, size: tuple[int, int]) -> None:
    built = encoder(model_type)
    check_visible_patches(built, (32, 32))
    pixels = torch.randn(2, 3, *size)
    whole = built.hidden_states(pixels)[-1]
    order = torch.stack([torch.randperm(size[0] * size[1] // 64) for _ in pixels])
    found = read_visible(built, pixels, order)
    leading = ABLE[model_type]
    assert torch.allclose(found[:, :leading], whole[:, :leading], atol=1e-5)
    places = order[..., None].expand(-1, -1, 32)
    assert torch.allclose(found[:, leading:], whole[:, leading:].gather(1, places), atol=1e-5)
    assert torch.equal(built.hidden_states(pixels)[-1], whole), "nothing stays behind"


@pytest.mark.parametrize("model_type", ABLE)
@torch.no_grad()
def test_what_is_left_out_is_not_seen(model_type: str) -> None:
    built = encoder(model_type)
    pixels = torch.randn(1, 3, 32, 32)
    visible = torch.tensor([[5, 0]])
    before = read_visible(built, pixels, visible)
    assert before.shape == (1, ABLE[model_type] + 2, 32)
    other = torch.randn_like(pixels)
    other[..., 8:16, 8:16] = pixels[..., 8:16, 8:16]  # patch 5: second row, second column
    other[..., :8, :8] = pixels[..., :8, :8]
    assert torch.equal(read_visible(built, other, visible), before)
    assert not torch.equal(read_visible(built, other, torch.tensor([[5, 1]])), before)


@pytest.mark.parametrize(
    ("model_type", "fields"),
    [
        ("beit", {}),  # positions relative to each other
        ("dinov3_vit", {}),  # positions turn queries and keys
        ("vit_mae", {}),  # leaves patches out by itself
        (
            "focalnet",
            {
                "embed_dim": 8,
                "hidden_sizes": [8, 16],
                "depths": [1, 1],
                "focal_levels": [2, 2],
                "focal_windows": [3, 3],
            },
        ),
    ],
)
def test_models_that_cannot(model_type: str, fields: dict[str, Any]) -> None:
    with pytest.raises(BadInput) as told:
        check_visible_patches(encoder(model_type, **fields), (32, 32))
    assert str(told.value) == (
        "model.encoder: expected a flat vision transformer that adds positions to its patches before its first block, so that "
        f"patches can be left out, found {model_type}; use one such as vit, clip_vision_model, siglip_vision_model or dinov2."
    )
