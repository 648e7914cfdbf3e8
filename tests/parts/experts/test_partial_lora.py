"""Partial LoRA: a plain model on words, an ordinary merged LoRA on pictures, as many parameters as published."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from omma.errors import BadInput
from omma.model.composition import Composition
from omma.parts.experts import EXPERTS
from omma.parts.experts.routing import ImageTokens, routed


def config(**fields: object):
    return EXPERTS.parse({"type": "partial-lora", **fields}, where="model.expert")


@pytest.mark.parametrize("family", ["llama", "qwen2"])
@torch.no_grad()
def test_all_pictures_is_merged_lora(make: Callable[..., Composition], family: str) -> None:
    model = make("partial-lora", family)
    inputs = torch.randn(2, 12, 32, generator=torch.Generator().manual_seed(0))
    with routed(ImageTokens.of(torch.ones(2, 12, dtype=torch.bool))):
        found = model.language_model(inputs_embeds=inputs).logits
    merged = make(None, family).language_model
    for block, changes in zip(merged.model.layers, model.expert.blocks, strict=True):
        for change in changes.values():
            for name, up in change.up.items():
                linear = getattr(block.self_attn, name, None) or getattr(block.mlp, name)
                linear.weight += 8 / 4 * up @ change.down
    torch.testing.assert_close(found, merged(inputs_embeds=inputs).logits, rtol=1e-4, atol=1e-4)


def test_as_many_parameters_as_published() -> None:
    """InternLM2-7B in Llama's form: rank 256 on five linear layers of 32 blocks (queries, keys and values are one of them)."""
    with torch.device("meta"):
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=92544, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_key_value_heads=8
            )
        )
        expert = config().build(model=model)
    assert sum(p.numel() for p in model.parameters()) == 7_737_708_544
    assert sum(p.numel() for p in expert.parameters()) == 603_979_776
    assert 32 * 256 * ((4096 + 6144) + (4096 + 4096) + 3 * (4096 + 14336)) == 603_979_776


def test_it_forgets_some_while_it_learns(make: Callable[..., Composition]) -> None:
    model = make(None)
    expert = config(rank=4, dropout=0.5, targets=[["o_proj"]]).build(model=model.language_model)
    for block in expert.blocks:
        torch.nn.init.ones_(block["o_proj"].up["o_proj"])
    inputs = torch.randn(1, 12, 32)

    def found() -> torch.Tensor:
        with torch.no_grad(), routed(ImageTokens.of(torch.ones(1, 12, dtype=torch.bool))):
            return model.language_model(inputs_embeds=inputs).logits

    assert not torch.equal(found(), found())
    expert.eval()
    assert torch.equal(found(), found())


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (
            [["o_proj", "down_proj"]],
            "found o_proj, down_proj, which read 32, 48 channels; write each in a group of its own",
        ),
        ([["mlp"]], "expected names of linear layers, found mlp, a LlamaMLP"),
        ([["wqkv"]], r"found q_proj, .*, post_attention_layernorm without wqkv in LlamaForCausalLM; write targets: \[\[q_proj, k"),
        ([["q_proj"], ["q_proj"]], "groups of names, each name once"),
        ([[]], "groups of names, each name once"),
    ],
)
def test_bad_targets(make: Callable[..., Composition], targets: list[list[str]], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        config(targets=targets).build(model=make(None).language_model)
