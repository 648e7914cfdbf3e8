"""Attention by matrix products against the fused kernel of torch, alone and inside models of `transformers`."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2Model,
    PreTrainedModel,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from omma.model.product_attention import attending_by_products, is_faster, product_attention, products

SMALL = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 3),
    shared=st.integers(1, 2),
    group=st.integers(1, 3),
    length=st.integers(1, 9),
    keys=st.integers(1, 9),
    kind=st.sampled_from(["none", "plane", "rows", "added"]),
    seed=st.integers(0, 1000),
)
def test_products_are_attention(rows: int, shared: int, group: int, length: int, keys: int, kind: str, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    query = torch.randn(rows, shared * group, length, 4, generator=generator, dtype=torch.float64)
    key, value = (torch.randn(rows, shared, keys, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    mask = None
    if kind == "added":
        mask = torch.randn(rows, 1, length, keys, generator=generator, dtype=torch.float64)
    elif kind != "none":
        shape = (length, keys) if kind == "plane" else (rows, 1, length, keys)
        mask = torch.rand(shape, generator=generator) < 0.6
        mask[..., 0] = True  # a query that may look nowhere has no answer
    ours = products(query, key, value, 0.7, mask=mask)
    theirs = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=0.7, enable_gqa=True)
    assert torch.allclose(ours, theirs, atol=1e-12)


def seen_by(model: PreTrainedModel, **inputs: torch.Tensor) -> None:
    """The same hidden states and gradients, with and without."""
    model.double().eval()
    inputs = {name: given.double() if given.is_floating_point() else given for name, given in inputs.items()}
    found = []
    for inside in (False, True):
        model.zero_grad()
        with attending_by_products(model) if inside else nullcontext():
            states = model(**inputs, return_dict=True).last_hidden_state
        (states * torch.linspace(-1, 1, states.numel()).view_as(states)).sum().backward()
        found.append((states.detach(), [p.grad.clone() for p in model.parameters() if p.grad is not None]))
    (plain, plain_gradients), (ours, our_gradients) = found
    assert torch.allclose(plain, ours, atol=1e-10)
    for a, b in zip(plain_gradients, our_gradients, strict=True):
        assert torch.allclose(a, b, atol=1e-10 * max(1.0, float(a.abs().max())))


def test_a_vision_model_sees_the_same() -> None:
    seen_by(
        SiglipVisionModel(SiglipVisionConfig(image_size=16, patch_size=4, **SMALL)), pixel_values=torch.randn(2, 3, 16, 16)
    )


def test_a_causal_text_model_sees_the_same_behind_padding() -> None:
    model = CLIPTextModel(CLIPTextConfig(vocab_size=20, max_position_embeddings=8, eos_token_id=19, **SMALL))
    mask = torch.tensor([[1] * 8, [1] * 5 + [0] * 3])
    seen_by(model, input_ids=torch.randint(0, 19, (2, 8)), attention_mask=mask)
    seen_by(model, input_ids=torch.randint(0, 19, (2, 8)))


def test_a_decoder_with_restricted_sight_sees_the_same() -> None:
    model = GPT2Model(
        GPT2Config(vocab_size=20, n_positions=8, n_embd=16, n_layer=2, n_head=2, add_cross_attention=True, resid_pdrop=0.0,
                   embd_pdrop=0.0, attn_pdrop=0.0)
    )  # fmt: skip
    visible = torch.rand(3, 1, 8, 6) < 0.5
    visible[..., 0] = True
    seen_by(
        model,
        inputs_embeds=torch.randn(3, 8, 16),
        encoder_hidden_states=torch.randn(3, 6, 16),
        encoder_attention_mask=visible,
    )


def test_the_way_of_attending_is_given_back() -> None:
    model = SiglipVisionModel(SiglipVisionConfig(image_size=16, patch_size=4, **SMALL))
    before = model.config._attn_implementation
    with pytest.raises(RuntimeError, match="stop"), attending_by_products(model):
        assert model.config._attn_implementation == "omma_products"
        raise RuntimeError("stop")
    assert model.config._attn_implementation == before


def test_scores_that_are_no_plain_products_are_refused() -> None:
    model = Gemma2ForCausalLM(Gemma2Config(vocab_size=20, head_dim=8, num_key_value_heads=2, **SMALL))
    with attending_by_products(model), pytest.raises(ValueError, match="product attention knows no softcap"):
        model(input_ids=torch.tensor([[1, 2]]))


def test_dropout_is_dropout() -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, 1, 4, 4) for _ in range(3))
    dropped, _ = product_attention(torch.nn.Module(), q, k, v, None, dropout=0.5, is_causal=False)
    whole, _ = product_attention(torch.nn.Module(), q, k, v, None, is_causal=False)
    assert dropped.shape == (1, 4, 1, 4) and not torch.allclose(dropped, whole)


def test_only_bf16_on_cpus_is_faster_so() -> None:
    assert is_faster(torch.zeros(1, dtype=torch.bfloat16)) and not is_faster(torch.zeros(1))
    assert not is_faster(torch.zeros(1, dtype=torch.bfloat16, device="meta"))
