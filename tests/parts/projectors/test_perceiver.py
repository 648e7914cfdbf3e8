"""The perceiver: parity with the resampler of IDEFICS, and its published size."""

from __future__ import annotations

from collections.abc import Callable

import torch
from transformers import IdeficsConfig
from transformers.models.idefics.perceiver import IdeficsPerceiverResampler

from omma.parts.projectors import Projector

NAMES = {
    "layer_norm": "norm",
    **{
        f"blocks.{layer}.{theirs}": f"layers.{layer}.{ours}"
        for layer in range(3)
        for theirs, ours in {
            "0.context_layer_norm": "norm_features",
            "0.latents_layer_norm": "norm_latents",
            "0.q_proj": "attention.q_proj",
            "0.k_proj": "attention.k_proj",
            "0.v_proj": "attention.v_proj",
            "0.output_proj": "attention.o_proj",
            "1.ln": "mlp.0",
            "1.fc": "mlp.1",
            "1.c_proj": "mlp.3",
        }.items()
    },
}


def renamed(key: str) -> str:
    name, _, kind = key.rpartition(".")
    return f"{NAMES[name]}.{kind}" if name else f"{key}.weight"


def test_is_that_of_idefics(build: Callable[..., Projector]) -> None:
    config = IdeficsConfig(vision_config={"embed_dim": 32})
    config.perceiver_config.qk_layer_norms_perceiver = False
    peer = IdeficsPerceiverResampler(config, embed_dim=32, depth=3, n_heads=2, head_dim=8, n_latents=5)
    torch.manual_seed(1)
    for parameter in peer.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    projector = build("perceiver", 32, 48, latents=5, depth=3, heads=2, head_width=8, activation="relu")
    weights = {renamed(key): value for key, value in peer.state_dict().items()}
    missing, unexpected = projector.load_state_dict(weights, strict=False)
    assert (missing, unexpected) == (["linear.weight", "linear.bias"], [])
    features = torch.randn(2, 7, 32)
    torch.testing.assert_close(projector.resample(features), peer(features), atol=1e-4, rtol=1e-4)


def test_published_size(count: Callable[..., int]) -> None:
    linear = 1024 * 4096 + 4096
    assert count("perceiver", 1024, 4096) == 63_019_008 + linear


def test_latents_have_no_places(build: Callable[..., Projector]) -> None:
    assert build("perceiver", 32, 48).grid((3, 4)) == (1, 64)
