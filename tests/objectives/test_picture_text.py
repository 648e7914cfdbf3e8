"""Objectives on pictures with a text beside them: contrastive, captioning, and both at once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from omma.data.sample import Sample, assistant, user
from omma.errors import BadInput
from omma.model.composition import Composition
from omma.objectives import OBJECTIVES
from omma.objectives.base import Objective
from omma.objectives.picture_text import per_sample
from toy_training import assert_close, gradients, samples, step_of, toy_model

CAPTIONING = {"type": "captioning", "layers": 1, "max_tokens": 32, "tap": -1}
CONTRASTIVE = {"type": "contrastive", "text_layers": 1, "max_tokens": 16}


def encoder_alone() -> Composition:
    return toy_model(projector=None, backbone=None)


def objective_of(model: Composition, **config: Any) -> Objective:
    torch.manual_seed(1)
    return OBJECTIVES.parse(config, where="objective").build(model=model)


def captioned(count: int = 6) -> list[Sample]:
    return samples(count, task="describe")


def test_captioning_does_not_depend_on_its_micro_batches() -> None:
    model = encoder_alone()
    chosen = [*captioned(), *samples(2, world="panels", task="describe")]
    results = []
    # Six samples of one picture and two of three: those with as many go together.
    for micro, batches in ((64, 2), (3, 3), (1, 8)):
        objective = objective_of(model, **CAPTIONING, micro_samples=micro)
        step = step_of(objective, chosen)
        assert len(step.micro_batches) == batches
        results.append(gradients(model, objective, step))
    for losses, found in results[1:]:
        assert losses == pytest.approx(results[0][0], rel=1e-5)
        assert_close(results[0][1], found)


@pytest.mark.parametrize("loss", ["sigmoid", "softmax"])
def test_contrastive_by_hand(loss: str) -> None:
    model = encoder_alone()
    objective: Any = objective_of(model, **CONTRASTIVE, loss=loss)
    step = step_of(objective, captioned(4))
    batch = {key: torch.from_numpy(value) for key, value in step.micro_batches[0].items()}
    with torch.no_grad():
        found = float(objective.losses(batch)["contrastive"])
        hidden = objective.hidden_states(batch["views"])[-1]
        a = torch.nn.functional.normalize(objective.pool(hidden), dim=-1).double()
        ids = batch["contrastive.ids"]
        b = torch.nn.functional.normalize(objective.text(input_ids=ids).pooler_output, dim=-1).double()
        scores = (a @ b.T * objective.log_scale.exp().double()).numpy()
    if loss == "sigmoid":
        signs = 2 * np.eye(4) - 1
        expected = np.log1p(np.exp(-signs * (scores - 10))).sum()
    else:
        rows, columns = (np.log(np.exp(s).sum(1)) - np.diag(s) for s in (scores, scores.T))
        expected = (rows.sum() + columns.sum()) / 2
    assert found == pytest.approx(expected, rel=1e-4)


def test_clips_temperature_is_bounded_and_siglips_is_not() -> None:
    for loss, bounded in (("softmax", True), ("sigmoid", False)):
        objective: Any = objective_of(encoder_alone(), **CONTRASTIVE, loss=loss)
        batch = {key: torch.from_numpy(value) for key, value in step_of(objective, captioned(4)).micro_batches[0].items()}
        found = []
        for scale in (100.0, 1000.0):
            objective.log_scale.data.fill_(math.log(scale))
            with torch.no_grad():
                found.append(float(objective.losses(batch)["contrastive"]))
        assert (found[0] == pytest.approx(found[1], rel=1e-4)) == bounded


def test_equal_texts_match_each_other() -> None:
    model = encoder_alone()
    objective: Any = objective_of(model, **CONTRASTIVE)
    chosen = [Sample(str(i), (user(one.images[0]), assistant("the same"))) for i, one in enumerate(captioned(3))]
    batch = {key: torch.from_numpy(value) for key, value in step_of(objective, chosen).micro_batches[0].items()}
    objective.bias.data.fill_(50.0)  # every pair is called a match, which is right
    with torch.no_grad():
        assert float(objective.losses(batch)["contrastive"]) < 1e-3


def test_panels_take_no_part_in_matching() -> None:
    model = encoder_alone()
    objective = objective_of(model, **CONTRASTIVE)
    one, several = captioned(4), samples(3, world="panels", task="describe")
    losses, found = gradients(model, objective, step_of(objective, one))
    mixed_losses, mixed_found = gradients(model, objective, step_of(objective, [one[0], *several, *one[1:]]))
    assert mixed_losses == pytest.approx(losses, rel=1e-5)
    assert_close(found, mixed_found)
    assert gradients(model, objective, step_of(objective, several))[0] == {}, "nothing to divide by, nothing to show"


def test_joint_is_the_weighted_sum() -> None:
    model = encoder_alone()
    joint: Any = objective_of(model, type="joint", terms=[CAPTIONING, CONTRASTIVE], shares=[1.0, 0.5])
    chosen = captioned()
    losses, found = gradients(model, joint, step_of(joint, chosen))
    parts = {name: gradients(model, member, step_of(member, chosen)) for name, member in joint.members.items()}
    assert losses == pytest.approx({name: part[0][name] for name, part in parts.items()}, rel=1e-5)
    encoder = {name: tensor for name, tensor in found.items() if name.startswith("encoder.")}
    zero = torch.tensor(0.0)
    expected = {
        name: parts["captioning"][1].get(name, zero) + 0.5 * parts["contrastive"][1].get(name, zero) for name in encoder
    }
    assert_close(encoder, expected)


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"terms": [CAPTIONING, CAPTIONING]}, "terms of different types"),
        ({"terms": [CAPTIONING], "shares": [1, 2]}, "as many shares as terms, 1, these are 2"),
        ({"terms": [{"type": "language-modeling"}]}, "found language-modeling"),
        ({"terms": [{"type": "captoning"}]}, "did you mean captioning"),
        ({"terms": [{**CAPTIONING, "layers": 0}]}, r"objective.terms.layers"),
    ],
)
def test_impossible_joints(config: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint):
        OBJECTIVES.parse({"type": "joint", **config}, where="objective")


@pytest.mark.parametrize("pictures", [0, 9])
def test_too_few_or_many_pictures_are_a_bad_sample(pictures: int) -> None:
    collator = objective_of(encoder_alone(), **CAPTIONING).collator()
    image = captioned(1)[0].images[0]
    with pytest.raises(BadInput, match=f"expected 1 to 8 pictures, found {pictures}"):
        collator.prepare(Sample("s", (user("look", *[image] * pictures), assistant("words"))))


def test_views_of_a_sample_stand_side_by_side() -> None:
    features = torch.arange(4 * 2 * 3, dtype=torch.float32).view(4, 2, 3)
    out, mask, number = per_sample(features, torch.tensor([1, 3]))
    assert out.shape == (2, 6, 3)
    assert torch.equal(out[0, :2], features[0]) and torch.equal(out[1], features[1:].flatten(0, 1))
    assert mask.tolist() == [[True, True, *[False] * 4], [True] * 6]
    assert number.tolist() == [[0, 0, 1, 1, 2, 2]] * 2
