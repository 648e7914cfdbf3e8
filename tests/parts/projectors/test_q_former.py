"""The Q-Former: parity with BLIP-2's second stage, its published size, and text through the same weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import Blip2Config, Blip2ForConditionalGeneration

from omma.errors import BadInput
from omma.parts.projectors import Projector

Build = Callable[..., Projector]
TINY: dict[str, Any] = {
    "model_type": "blip_2_qformer",
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 24,
}


def test_is_that_of_blip_2(build: Build) -> None:
    peer = Blip2ForConditionalGeneration(
        Blip2Config(
            vision_config={
                "hidden_size": 20,
                "intermediate_size": 24,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "image_size": 28,
                "patch_size": 14,
            },
            qformer_config={**TINY, "encoder_hidden_size": 20},
            text_config={
                "model_type": "opt",
                "hidden_size": 32,
                "ffn_dim": 24,
                "num_hidden_layers": 1,
                "num_attention_heads": 2,
                "word_embed_proj_dim": 32,
                "vocab_size": 50,
            },
            num_query_tokens=5,
            image_token_index=49,
        )
    ).eval()
    torch.manual_seed(1)
    for parameter in peer.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    projector = build("q-former", 20, 32, queries=5, architecture=TINY)
    projector.model.load_state_dict(peer.qformer.state_dict())
    projector.linear.load_state_dict(peer.language_projection.state_dict())
    projector.queries.data = peer.query_tokens.data
    pixels = torch.randn(2, 3, 28, 28)
    features = peer.vision_model(pixels).last_hidden_state
    torch.testing.assert_close(projector(features), peer.get_image_features(pixels).pooler_output)


def test_published_size(count: Callable[..., int]) -> None:
    assert count("q-former", 1408, 2560) == 24_576 + 105_137_664 + 1_968_640


def test_starts_as_published(build: Build) -> None:
    projector = build("q-former", 20, 32)
    assert projector.grid((16, 16)) == (1, 32)
    assert projector.queries.std().item() == pytest.approx(0.02, rel=0.02)
    layers = projector.model.encoder.layer
    assert [layer.has_cross_attention for layer in layers] == [True, False] * 6


def test_refusals(build: Build) -> None:
    with pytest.raises(BadInput) as caught:
        build("q-former", 20, 32, architecture={**TINY, "encoder_hidden_size": 24})
    assert str(caught.value) == (
        "model.projector.architecture.encoder_hidden_size: expected the encoder's width 20, found 24; leave it out."
    )
    with pytest.raises(BadInput) as caught:
        build("q-former", 20, 32, architecture={"model_type": "bert"})
    assert str(caught.value) == (
        "model.projector.architecture.model_type: expected blip_2_qformer, found bert; write it so."
    )
