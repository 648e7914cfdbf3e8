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


def test_text_can_run_through_the_same_weights(build: Build) -> None:
    """As the first stage would: text sees queries, and queries do not see text, so they come out as without it."""
    projector = build("q-former", 20, 32, queries=5, architecture={**TINY, "use_qformer_text_input": True})
    for parameter in projector.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    features, text = torch.randn(2, 9, 20), torch.randn(2, 4, 16)
    mask = torch.ones(2, 1, 9, 9, dtype=torch.bool)
    mask[:, :, :5, 5:] = False
    mask[:, :, 5:, 5:] = torch.ones(4, 4).tril().bool()
    queries = projector.queries.expand(2, -1, -1)

    def run(text: torch.Tensor) -> torch.Tensor:
        return projector.model(
            query_embeds=torch.cat([queries, text], 1),
            query_length=5,
            attention_mask=mask,
            encoder_hidden_states=features,
        ).last_hidden_state

    hidden = run(text)
    torch.testing.assert_close(projector.linear(hidden[:, :5]), projector(features), atol=1e-4, rtol=1e-4)
    changed = text.clone()
    changed[:, 2] = torch.randn(2, 16)
    again = run(changed)
    assert torch.equal(again[:, :7], hidden[:, :7])
    assert not torch.isclose(again[:, 7:], hidden[:, 7:]).all(-1).any()


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
