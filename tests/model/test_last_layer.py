"""What nothing reads is not computed, and nothing that is read changes: hidden states, losses, gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from omma.model.composition import Composition
from omma.model.last_layer import LastLayer
from omma.model.modeling import decoder_hidden
from omma.objectives import OBJECTIVES
from omma.objectives.language_modeling import LanguageModeling
from toy_training import assert_close, gradients, samples, step_of, toy_model

TINY = {"vocab_size": 97, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 2,
        "num_key_value_heads": 2}  # fmt: skip
SPARED: dict[str, dict[str, Any]] = {
    "llama": {}, "qwen2": {}, "qwen3": {"head_dim": 16}, "gemma2": {"head_dim": 16},
    "gpt_neox": {}, "mixtral": {"num_local_experts": 4},
}  # fmt: skip


def language_model(family: str, **more: Any) -> PreTrainedModel:
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **TINY, **more)).eval()


def seen(model: PreTrainedModel) -> list[int]:
    """Tokens that came to the last network, call by call, from now on."""
    network, counts = LastLayer(model).network, []
    assert network is not None
    inner = next(module for module in network.modules() if isinstance(module, torch.nn.Linear) or module is network)
    inner.register_forward_hook(lambda module, inputs, found: counts.append(inputs[0].flatten(0, -2).shape[0]))
    return counts


@pytest.mark.parametrize("checkpointed", [False, True])
@pytest.mark.parametrize("family", SPARED)
def test_what_is_read_and_all_gradients_stay(family: str, checkpointed: bool) -> None:
    model = language_model(family, **SPARED[family])
    if checkpointed:
        model.gradient_checkpointing_enable({"use_reentrant": False})
        model.train()
    ids, read = torch.randint(0, 97, (2, 11)), torch.rand(2, 11) < 0.3
    last = LastLayer(model)

    def found() -> tuple[Tensor, dict[str, Tensor]]:
        model.zero_grad()
        hidden = decoder_hidden(model, input_ids=ids)[read]
        hidden.pow(2).sum().backward()
        return hidden.detach(), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}

    whole, expected = found()
    with last.sparing():
        last.read(read)
        spared, gradients_found = found()
    torch.testing.assert_close(spared, whole, rtol=1e-5, atol=1e-6)
    assert gradients_found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(gradients_found[name], gradient, rtol=1e-4, atol=1e-6)
    again, _ = found()
    assert torch.equal(again, whole), "outside, everything is as it was"


def test_only_what_is_read_is_computed() -> None:
    model = language_model("llama")
    counts, last = seen(model), LastLayer(model)
    read = torch.zeros(2, 11, dtype=torch.bool)
    read[0, 4] = read[1, 9] = read[1, 10] = True
    with torch.no_grad(), last.sparing():
        for tokens in (read, ~read, torch.zeros_like(read)):
            last.read(tokens)
            decoder_hidden(model, input_ids=torch.randint(0, 97, (2, 11)))
    assert counts == [3, 19, 0]


def test_other_layouts_are_left_alone() -> None:
    gpt2 = AutoModelForCausalLM.from_config(AutoConfig.for_model("gpt2", vocab_size=97, n_embd=32, n_layer=2, n_head=2))
    last = LastLayer(gpt2.eval())
    assert last.network is None
    ids = torch.randint(0, 97, (1, 7))
    with torch.no_grad(), last.sparing():
        last.read(torch.zeros(1, 7, dtype=torch.bool))
        assert torch.equal(decoder_hidden(gpt2, input_ids=ids), gpt2.get_decoder()(ids).last_hidden_state)


def objective_of(model: Composition, **config: Any) -> LanguageModeling:
    found = OBJECTIVES.parse({"type": "language-modeling", **config}, where="objective").build(model=model)
    assert isinstance(found, LanguageModeling)
    return found


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_losses_and_gradients_of_training(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    model = toy_model()
    assert model.language_model is not None
    objective, counts = objective_of(model, prompt_share=share), seen(model.language_model)
    step = step_of(objective, samples(4, turns=2))
    losses, found = gradients(model, objective, step)
    (batch,) = step.micro_batches
    assert counts == [sum(objective.weights(batch).values())]
    monkeypatch.setattr(LastLayer, "read", lambda self, tokens: None)
    whole_losses, whole = gradients(model, objective, step)
    assert counts[1] == batch["input_ids"].size
    assert losses == pytest.approx(whole_losses, rel=1e-5)
    assert_close(found, whole)


@pytest.mark.parametrize("expert", ["partial-lora", "modality-experts"])
def test_experts_get_whole_rows(expert: str) -> None:
    """They know which of the tokens of a row are pictures."""
    model = toy_model(expert={"type": expert})
    assert model.language_model is not None
    objective, counts = objective_of(model), []
    network = objective.last_layer.network
    assert network is not None
    network.register_forward_hook(lambda module, inputs, found: counts.append(inputs[0].flatten(0, -2).shape[0]))
    step = step_of(objective, samples(2, turns=1))
    gradients(model, objective, step)
    assert counts == [step.micro_batches[0]["input_ids"].size]
