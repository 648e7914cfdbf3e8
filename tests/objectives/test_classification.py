"""Classification: the words of a caption share the probability evenly, whatever stands beside them in a batch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from omma.data.sample import Sample, assistant, user
from omma.model.composition import Composition
from omma.objectives import OBJECTIVES
from omma.parts.weights import locate
from toy_training import FLAT, assert_close, gradients, samples, step_of, toy_model

CLIP = {"type": "transformers", "architecture": {"model_type": "clip_vision_model", **FLAT}, "normalization": "clip"}


def objective_of(model: Composition, **config: Any) -> Any:
    torch.manual_seed(1)
    return OBJECTIVES.parse({"type": "classification", **config}, where="objective").build(model=model)


@pytest.mark.parametrize("encoder", [{}, {"encoder": CLIP}], ids=["mean", "cls"])
@torch.no_grad()
def test_by_hand(encoder: dict[str, Any]) -> None:
    model = toy_model(projector=None, backbone=None, **encoder)
    objective = objective_of(model)
    chosen = samples(3, task="describe")
    (batch,) = step_of(objective, chosen).micro_batches
    found = objective.losses({name: torch.from_numpy(array) for name, array in batch.items()})["classification"]
    tokenizer = AutoTokenizer.from_pretrained(locate("zoo:lm-small", where="here"))
    last = objective.hidden_states(torch.from_numpy(batch["views"]))[-1]
    expected = 0.0
    for sample, features in zip(chosen, last, strict=True):
        summary = features[0] if encoder else features.mean(0)
        chances = objective.classifier(summary).softmax(-1)
        words = set(tokenizer.encode(" " + str(sample.meta["caption"]), add_special_tokens=False))
        assert len(words) > 2
        expected -= sum(float(chances[word].log()) for word in words) / len(words)
    assert float(found) == pytest.approx(expected, rel=1e-5)
    assert objective.weights(batch) == {"classification": 3.0}


def test_neither_micro_batches_nor_panels_change_it() -> None:
    model = toy_model(projector=None, backbone=None)
    chosen, several = samples(5, task="describe"), samples(2, world="panels", task="describe")
    whole = objective_of(model)
    expected, wanted = gradients(model, whole, step_of(whole, chosen))
    for micro in (64, 2, 1):
        objective = objective_of(model, micro_samples=micro)
        losses, found = gradients(model, objective, step_of(objective, [chosen[0], *several, *chosen[1:]]))
        assert losses == pytest.approx(expected, rel=1e-5)
        assert_close(wanted, found)
    assert gradients(model, whole, step_of(whole, several))[0] == {}


@torch.no_grad()
def test_order_and_repetition_of_words_do_not_count_and_the_right_ones_pay() -> None:
    model = toy_model(projector=None, backbone=None)
    objective = objective_of(model)
    image = samples(1)[0].images[0]

    def loss(text: str) -> float:
        (batch,) = step_of(objective, [Sample("s", (user(image), assistant(text)))]).micro_batches
        return float(objective.losses({name: torch.from_numpy(array) for name, array in batch.items()})["classification"])

    assert loss("a red ring") == loss("ring a red a ring")
    before = loss("red"), loss("blue")
    (red,) = objective.term().tokens(Sample("s", (user(image), assistant("red"))))
    objective.classifier.bias[red] += 3
    assert loss("red") < before[0] and loss("blue") > before[1]
