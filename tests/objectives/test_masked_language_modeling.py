"""Masked answers: ends always, the rest by chance; what is predicted is what generation asks for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from omma.data.sample import Sample
from omma.model.composition import Composition, compose
from omma.model.segments import IGNORE
from omma.objectives import OBJECTIVES
from omma.recipe import load_recipe
from toy_training import assert_close, gradients, samples, step_of

MASK, EOS = 1104, 2


@pytest.fixture
def model() -> Composition:
    torch.manual_seed(0)
    return compose(load_recipe("beit3", "debug").model)


def built(model: Composition, **config: float) -> torch.nn.Module:
    return OBJECTIVES.parse({"type": "masked-language-modeling", **config}, where="objective").build(model=model).eval()


def test_words_of_answers_by_chance_and_their_ends_always(model: Composition) -> None:
    collator = built(model, mask=0.5).collator()
    masked, words = 0, 0
    for number, sample in enumerate(samples(60, turns=2)):
        whole = collator.renderer.render(sample)
        found = collator.prepare(sample, number).rendered
        learned, hidden = whole.labels != IGNORE, found.labels != IGNORE
        ends = learned & (whole.input_ids == EOS)
        assert ends.sum() == 2 and hidden[ends].all() and not (hidden & ~learned).any()
        assert (found.input_ids[hidden] == MASK).all()
        assert np.array_equal(found.input_ids[~hidden], whole.input_ids[~hidden])
        masked += int((hidden & ~ends).sum())
        words += int((learned & ~ends).sum())
    assert words > 100 and 0.4 < masked / words < 0.6


def test_with_one_mask_the_loss_is_that_of_generation(model: Composition) -> None:
    """What is predicted where the end is masked, are the logits that greedy decoding reads there."""
    objective = built(model, mask=1e-9)
    (sample,) = samples(1, turns=1)
    collator = objective.collator()
    step = collator.collate([collator.prepare(sample)])
    batch = {name: torch.as_tensor(value) if value.dtype.kind != "U" else value for name, value in step.micro_batches[0].items()}
    with torch.no_grad():
        loss = float(objective.losses(batch)["loss"])
        ids = torch.from_numpy(collator.renderer.render(sample).input_ids)[None]
        vlm = model.vlm.eval()
        pixels = batch["pixels"].view(1, 32, 32, 3).permute(0, 3, 1, 2) / 255
        logits = vlm(input_ids=ids[:, :-1], pixel_values=(pixels - 0.5) / 0.5, logits_to_keep=1).logits[0]
    assert ids[0, -1] == EOS and objective.weights(step.micro_batches[0]) == {"loss": 1.0}
    assert loss == pytest.approx(float(F.cross_entropy(logits, ids[0, -1:])), rel=1e-5)


def test_micro_batches_do_not_matter(model: Composition) -> None:
    found = []
    chosen: list[Sample] = [*samples(3, turns=1), *samples(2, task="words", turns=1)]
    for tokens in (16, 4096):
        objective = built(model, micro_tokens=tokens, row_tokens=tokens)
        found.append(gradients(model, objective, step_of(objective, chosen)))
    (small, one), (large, other) = found
    assert small == pytest.approx(large, rel=1e-5)
    assert_close(one, other)
