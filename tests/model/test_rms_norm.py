"""Root mean square norms in fewer passes: the same outputs and gradients, only where they are the same."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers.models.gemma.modeling_gemma import GemmaRMSNorm
from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm

from omma.model.rms_norm import _RmsNorm, fewer_passes

SMALL = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
         "head_dim": 16, "vocab_size": 40}  # fmt: skip


def language_model(kind: str) -> PreTrainedModel:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **SMALL))
    for name, parameter in model.named_parameters():
        if "norm" in name:
            nn.init.uniform_(parameter, 0.5, 1.5)
    return model


def losses_and_gradients(model: PreTrainedModel) -> tuple[Tensor, dict[str, Tensor]]:
    tokens = torch.arange(24).view(2, 12) * 7 % 40
    model.zero_grad()
    loss = model(input_ids=tokens, labels=tokens).loss
    loss.backward()
    return loss.detach(), {name: p.grad.clone() for name, p in model.named_parameters()}


def replaced(model: nn.Module) -> list[str]:
    return [name for name, module in model.named_modules() if "forward" in vars(module)]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(1, 9), st.floats(1e-6, 1e-2), st.integers(0, 99))
def test_gradients_are_those_of_the_formula(shape: list[int], width: int, epsilon: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x, weight = (torch.randn(*size, generator=generator, dtype=torch.float64).requires_grad_() for size in ((*shape, width), (width,)))
    torch.testing.assert_close(_RmsNorm.apply(x, weight, epsilon), weight * x * (x.pow(2).mean(-1, keepdim=True) + epsilon).rsqrt())
    assert torch.autograd.gradcheck(lambda x, weight: _RmsNorm.apply(x, weight, epsilon), (x, weight))


@pytest.mark.parametrize("kind", ["qwen3", "llama", "mistral"])
def test_language_models_learn_the_same(kind: str) -> None:
    model = language_model(kind)
    usual, expected = losses_and_gradients(model)
    with fewer_passes(model):
        assert len(replaced(model)) == sum(type(module).__name__.endswith("RMSNorm") for module in model.modules()) > 4
        loss, gradients = losses_and_gradients(model)
    assert replaced(model) == []
    torch.testing.assert_close(loss, usual)
    torch.testing.assert_close(gradients, expected, rtol=1e-4, atol=1e-6)


def test_in_bfloat16_it_rounds_as_the_usual_norm() -> None:
    torch.manual_seed(0)
    norm = Qwen3RMSNorm(64).bfloat16()
    nn.init.uniform_(norm.weight, 0.5, 1.5)
    x = torch.randn(50, 64, dtype=torch.bfloat16)
    grown, back = torch.randn(50, 64, dtype=torch.bfloat16), []
    for block in (False, True):
        leaf = x.clone().requires_grad_()
        norm.weight.grad = None
        if block:
            with fewer_passes(norm):
                made = norm(leaf)
        else:
            made = norm(leaf)
        made.backward(grown)
        back.append((made.detach().float(), leaf.grad.float(), norm.weight.grad.float()))
    (usual, of_x, of_weight), (made, of_x_here, of_weight_here) = back
    assert (made != usual).float().mean() < 0.01
    torch.testing.assert_close(made, usual, rtol=2**-7, atol=0)
    exact = Qwen3RMSNorm(64)
    exact.weight.data.copy_(norm.weight)
    leaf = x.float().requires_grad_()
    exact(leaf).backward(grown.float())
    # There are two roundings more than in the usual way, which goes through float32.
    for here, there, true in ((of_x_here, of_x, leaf.grad), (of_weight_here, of_weight, exact.weight.grad)):
        assert (here - true).abs().mean() < 2 * (there - true).abs().mean() + 1e-4


def test_a_frozen_factor_gets_no_gradient() -> None:
    norm = Qwen3RMSNorm(8)
    norm.weight.requires_grad_(False)
    x = torch.randn(3, 8, requires_grad=True)
    with fewer_passes(norm):
        norm(x).sum().backward()
    assert norm.weight.grad is None and x.grad is not None


def test_norms_that_compute_something_else_are_left_alone() -> None:
    class GatedRMSNorm(Qwen3RMSNorm):
        def forward(self, hidden_states: Tensor, gate: Tensor) -> Tensor:
            return super().forward(hidden_states) * gate

    others = nn.ModuleList([GemmaRMSNorm(8), GatedRMSNorm(8), nn.LayerNorm(8), nn.Linear(8, 8)])
    with fewer_passes(others):
        assert replaced(others) == []
    with fewer_passes(nn.ModuleList([*others, Qwen3RMSNorm(8)])):
        assert replaced(others) == []


def test_what_was_there_comes_back_after_an_error() -> None:
    model = language_model("qwen3")
    with pytest.raises(RuntimeError, match="stop"), fewer_passes(model):
        raise RuntimeError("stop")
    assert replaced(model) == []
