"""The hybrid aligner: parity with DeepSeek-VL's, its published size, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from transformers import DeepseekVLHybridConfig
from transformers.models.deepseek_vl_hybrid.modeling_deepseek_vl_hybrid import DeepseekVLHybridAligner

from omma.errors import BadInput
from omma.parts.projectors import Projector

Build = Callable[..., Projector]


def test_is_that_of_deepseek_vl(build: Build) -> None:
    config = DeepseekVLHybridConfig(
        text_config={"model_type": "llama", "hidden_size": 24, "num_attention_heads": 2},
        vision_config={"model_type": "siglip_vision_model", "hidden_size": 20, "num_attention_heads": 4},
        high_res_vision_config={"model_type": "sam_vision_model", "output_channels": 3},
    )
    peer = DeepseekVLHybridAligner(config)
    projector = build("hybrid", 12 + 20, 24, widths=[12, 20])
    high, low = projector.branches.linears
    for theirs, ours in ((peer.high_res_vision_proj, high), (peer.vision_proj, low), (peer.proj, projector.linear)):
        ours.load_state_dict(theirs.state_dict())
    of_high, of_low = torch.randn(2, 5, 12), torch.randn(2, 5, 20)
    found = projector(torch.cat([of_high, of_low], dim=2))
    torch.testing.assert_close(found, peer(of_low, of_high))


def test_published_size(count: Callable[..., int]) -> None:
    assert count("hybrid", 2048, 4096, widths=[1024, 1024]) == 20_979_712


def test_widths_that_are_not_the_encoders_are_refused(build: Build) -> None:
    with pytest.raises(BadInput) as caught:
        build("hybrid", 32, 24, widths=[12, 24])
    assert str(caught.value) == (
        "model.projector.widths: expected the widths of the encoder's branches, 32 channels together, found 12 + 24 = 36; "
        "give the width of each branch."
    )
