"""Modality experts: on pictures alone they are the language model with other weights; what is split is what was asked for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PersimmonConfig, PersimmonForCausalLM

from omma.errors import BadInput
from omma.model.composition import Composition
from omma.parts.experts import EXPERTS, modality_experts
from omma.parts.experts.routing import ImageTokens, routed
from toy_training import MODEL, toy_model

FFN = {"mlp.gate_proj", "mlp.up_proj", "mlp.down_proj", "post_attention_layernorm"}
ALL = FFN | {"input_layernorm", *(f"{name}_proj" for name in "qkvo"), "q_norm", "k_norm"}


@pytest.mark.parametrize(("split", "pieces"), [("ffn", FFN), ("all", ALL)])
@torch.no_grad()
def test_all_pictures_is_a_model_of_the_twins(make: Callable[..., Composition], split: str, pieces: set[str]) -> None:
    model = make(split, "qwen3")
    names = {name.removesuffix(".weight") for name, _ in model.expert.blocks[0].named_parameters()}
    assert names == pieces
    inputs = torch.randn(2, 12, 32, generator=torch.Generator().manual_seed(0))
    with routed(ImageTokens.of(torch.ones(2, 12, dtype=torch.bool))):
        found = model.language_model(inputs_embeds=inputs).logits
    twins = make(None, "qwen3").language_model
    targets = dict(twins.named_parameters())
    for path, parameter in model.expert.named_parameters():
        piece = path.split(".", 2)[-1] if path.startswith("blocks.") else path
        prefix = f"model.layers.{path.split('.')[1]}." if path.startswith("blocks.") else "model."
        target = targets.get(prefix + piece)
        (targets[f"{prefix}self_attn.{piece}"] if target is None else target).copy_(parameter)
    torch.testing.assert_close(found, twins(inputs_embeds=inputs).logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("split", "count"),
    [
        ("ffn", 32 * (3 * 4096 * 11008 + 4096)),
        ("all", 6_738_415_616 - 2 * 32000 * 4096),  # everything but the two vocabularies
    ],
)
def test_parameters_by_formula(split: str, count: int) -> None:
    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig())  # 7B
        expert = EXPERTS.parse({"type": "modality-experts", "split": split}, where="model.expert").build(model=model)
    assert sum(p.numel() for p in model.parameters()) == 6_738_415_616
    assert sum(p.numel() for p in expert.parameters()) == count


def test_norms_elsewhere_are_refused() -> None:
    """Gemma 2 has norms of these names in other places, and two more."""
    architecture = {**MODEL["backbone"]["architecture"], "model_type": "gemma2", "head_dim": 16}
    with pytest.raises(
        BadInput, match=r"found input_layernorm, .*, pre_feedforward_layernorm, self_attn in Gemma2ForCausalLM"
    ):
        toy_model(backbone={**MODEL["backbone"], "architecture": architecture}, expert={"type": "modality-experts"})


@pytest.mark.parametrize("split", ["ffn", "all"])
@torch.no_grad()
def test_a_family_with_other_names_and_fused_projections(split: str) -> None:
    config = PersimmonConfig(
        vocab_size=50, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2, pad_token_id=0
    )
    torch.manual_seed(0)
    model = PersimmonForCausalLM(config).eval()
    inputs = torch.randn(2, 12, 32, generator=torch.Generator().manual_seed(0))
    before = model(inputs_embeds=inputs).logits
    expert = EXPERTS.parse({"type": "modality-experts", "split": split}, where="model.expert").build(model=model)
    expert.begin()
    images = torch.zeros(2, 12, dtype=torch.bool)
    images[:, 6:] = True
    with routed(ImageTokens.of(images)):
        torch.testing.assert_close(model(inputs_embeds=inputs).logits, before)
        for parameter in expert.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
        after = model(inputs_embeds=inputs).logits
    assert torch.equal(after[:, :6], before[:, :6]), "words before the picture are as they were"
    assert (after[:, 6:] - before[:, 6:]).abs().max() > 0.1


def test_a_last_norm_of_another_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modality_experts, "LAST_NORMS", ("ln_f",))
    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig(num_hidden_layers=1))
    with pytest.raises(BadInput, match=r"model.expert.split: expected a decoder that ends with ln_f.* found none in LlamaModel"):
        EXPERTS.parse({"type": "modality-experts", "split": "all"}, where="model.expert").build(model=model)
