"""Experts on language models of OPT's kind, whose blocks have other names: two layers instead of a gated network, ``out_proj``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import OPTConfig, OPTForCausalLM

from omma.errors import BadInput
from omma.model.loading import load_model
from omma.parts.experts import EXPERTS
from omma.parts.experts.routing import ImageTokens, routed
from omma.training.run import train
from toy_training import INSTRUCT, MODEL, toy_recipe

TARGETS = [["q_proj", "k_proj", "v_proj"], ["out_proj"], ["fc1"], ["fc2"]]
OPT: dict[str, Any] = {
    "model_type": "opt", "vocab_size": 1104, "hidden_size": 32, "word_embed_proj_dim": 32, "ffn_dim": 48, "num_hidden_layers": 2,
    "num_attention_heads": 2, "max_position_embeddings": 2048, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip


def language_model() -> OPTForCausalLM:
    torch.manual_seed(0)
    return OPTForCausalLM(OPTConfig(**{name: value for name, value in OPT.items() if name != "model_type"})).eval()


def attached(model: OPTForCausalLM, **fields: Any) -> Any:
    return EXPERTS.parse(fields, where="model.expert").build(model=model).eval()


def found(model: OPTForCausalLM, inputs: Tensor, images: Tensor) -> Tensor:
    mask = torch.ones(images.shape, dtype=torch.long)
    with torch.no_grad(), routed(ImageTokens.of(images)):
        return model(inputs_embeds=inputs, attention_mask=mask).logits


def test_partial_lora_on_layers_that_are_named() -> None:
    model = language_model()
    inputs = torch.randn(2, 12, 32, generator=torch.Generator().manual_seed(1))
    images = torch.zeros(2, 12, dtype=torch.bool)
    images[:, 6:] = True
    before = found(model, inputs, images)
    expert = attached(model, type="partial-lora", rank=4, alpha=8, targets=TARGETS)
    assert sum(p.numel() for p in expert.parameters()) == 2 * 4 * ((32 + 3 * 32) + (32 + 32) + (32 + 48) + (48 + 32))
    assert torch.equal(found(model, inputs, images), before), "it begins as no change"
    with torch.no_grad():
        for parameter in expert.parameters():
            parameter.normal_(std=0.3)
    after = found(model, inputs, images)
    assert torch.equal(after[:, :6], before[:, :6]), "words before the picture are as they were"
    assert (after[:, 6:] - before[:, 6:]).abs().max() > 0.1
    merged = language_model()
    with torch.no_grad():
        for block, changes in zip(merged.model.decoder.layers, expert.blocks, strict=True):
            for change in changes.values():
                for name, up in change.up.items():
                    layer = getattr(block, name, None) or getattr(block.self_attn, name)
                    layer.weight += 8 / 4 * up @ change.down
    everything = torch.ones_like(images)
    torch.testing.assert_close(
        found(model, inputs, everything), found(merged, inputs, torch.zeros_like(images)), rtol=1e-4, atol=1e-4
    )


def test_it_learns_and_is_saved(tmp_path: Path) -> None:
    learn = [{"pattern": "expert.*", "rate": 1e-2}]
    recipe = toy_recipe(
        model={
            "backbone": {**MODEL["backbone"], "architecture": OPT},
            "expert": {"type": "partial-lora", "rank": 2, "targets": TARGETS},
        },
        stages={"tune": {**INSTRUCT, "learn": learn, "gradient_checkpointing": True}},
    )
    expert = train(recipe, tmp_path).expert
    assert expert is not None
    # What the last block makes of image tokens is read by nothing but its own attention.
    assert all(bool(up.any()) for change in expert.blocks[0].values() for up in change.up.values())
    again = load_model(tmp_path / "model")[0].expert
    torch.testing.assert_close(again.state_dict(), expert.state_dict(), rtol=1e-2, atol=1e-2)


EQUAL = "expected a model of equal blocks with "
THERE = "found k_proj, v_proj, q_proj, out_proj, self_attn_layer_norm, fc1, fc2, final_layer_norm without "
LEGAL = "targets: [[q_proj, k_proj, v_proj], [out_proj], [fc1], [fc2]]."


@pytest.mark.parametrize(
    ("type_", "message"),
    [
        (
            "partial-lora",
            f"model.expert.targets: {EQUAL}one q_proj, one k_proj, one v_proj, one o_proj, one gate_proj, one up_proj, one down_proj"
            f" each, {THERE}o_proj, gate_proj, up_proj, down_proj in OPTForCausalLM; write {LEGAL}",
        ),
        (
            "modality-experts",
            f"model.expert: {EQUAL}one input_layernorm, one mlp, one post_attention_layernorm, one self_attn each, {THERE}"
            "input_layernorm, mlp, post_attention_layernorm in OPTForCausalLM; use for instance Llama, Mistral, Qwen2 or Qwen3, or"
            f" the expert partial-lora with {LEGAL}",
        ),
    ],
)
def test_what_does_not_fit_is_told_with_what_would(type_: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        attached(language_model(), type=type_)
    assert str(caught.value) == message
