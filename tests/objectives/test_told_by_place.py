"""Pictures told place by place: what stands in place of a picture, that nothing is seen, and that packing isolates as elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from omma.data.sample import Sample, assistant, user
from omma.errors import BadInput
from omma.model.composition import Composition
from omma.objectives import OBJECTIVES
from omma.objectives.patch_marks import DEPTH
from toy_training import gradients, samples, step_of, toy_model


def blind_model() -> Composition:
    return toy_model(resolution=None, encoder=None, projector=None)


def objective_of(model: Composition, **config: Any) -> Any:
    torch.manual_seed(1)
    settings = {"type": "told-by-place", "rows": 4, "parts": (1, 1), "names": 1} | config
    return OBJECTIVES.parse(settings, where="objective").build(model=model)


def text_only(text: str) -> Sample:
    return Sample("text", (user("Say something."), assistant(text)))


def test_the_words_stand_in_place_of_the_picture() -> None:
    model = blind_model()
    objective = objective_of(model)
    (sample,) = samples(1, world="documents")
    prepared = objective.collator().prepare(sample)
    step = step_of(objective, [sample])
    (batch,) = step.micro_batches
    assert step.images == 0, "no picture is read"
    assert (batch["input_ids"] == objective.image_token_id).sum() == 16
    assert not {"pixels", "features", "view_shapes"} & batch.keys(), "no picture is decoded"
    np.testing.assert_array_equal(batch["held"], prepared.held["mark"])
    np.testing.assert_array_equal(batch["share"], prepared.held["share"])
    assert (prepared.held["mark"] != objective._nothing).any()
    embedded = objective.embed({name: torch.from_numpy(array) for name, array in batch.items()})[0]
    ids = torch.from_numpy(batch["input_ids"])[0]
    torch.testing.assert_close(embedded[ids != objective.image_token_id], objective._table[ids[ids != objective.image_token_id]])
    codes = objective.code(*(torch.from_numpy(batch[name])[None] for name in ("held", "share")), objective._table)[0]
    torch.testing.assert_close(embedded[ids == objective.image_token_id], codes + objective._table.mean(0))


def test_packed_as_one_by_one() -> None:
    model = blind_model()
    told = [*samples(3, world="documents"), text_only("hello there"), *samples(2)]
    packed = objective_of(model, row_tokens=2048)
    alone = objective_of(model, row_tokens=16, micro_tokens=16)
    (together, with_packing), (apart, without) = (gradients(model, one, step_of(one, told)) for one in (packed, alone))
    assert together["loss"] == pytest.approx(apart["loss"], rel=1e-5)
    assert with_packing.keys() == without.keys()
    for name, gradient in with_packing.items():
        torch.testing.assert_close(gradient, without[name], rtol=1e-4, atol=1e-6)


def test_text_alone_has_no_places() -> None:
    objective = objective_of(blind_model(), prompt_share=0.3)
    (batch,) = step_of(objective, [text_only("hello")]).micro_batches
    assert batch["held"].shape == batch["share"].shape == (0, 2, DEPTH)
    losses = objective.losses({name: torch.from_numpy(array) for name, array in batch.items()})
    assert all(float(loss.detach()) > 0 for loss in losses.values())


def test_places_are_no_words_of_the_prompt() -> None:
    objective = objective_of(blind_model(), prompt_share=0.3)
    (batch,) = step_of(objective, samples(1, world="documents")).micro_batches
    tensors = {name: torch.from_numpy(array) for name, array in batch.items()}
    assert not (objective._prompt(tensors) & (tensors["input_ids"][:, 1:] == objective.image_token_id)).any()


def test_several_pictures_are_refused() -> None:
    objective = objective_of(blind_model())
    (sample,) = samples(1, world="panels")
    with pytest.raises(BadInput, match=rf"sample {sample.id}: expected one picture at most, .* found 3; leave it out"):
        objective.collator().prepare(sample)


def test_a_model_that_sees_is_refused() -> None:
    with pytest.raises(BadInput, match=r"model: expected a language model and nothing beside it, .* found an encoder, too"):
        objective_of(toy_model())
