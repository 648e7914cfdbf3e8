"""Objectives for an encoder by itself, inside a complete model: on its only encoder, and on one of two as if it were alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from omma.data.images import MemoryImage
from omma.errors import BadInput
from omma.model.composition import Composition
from omma.model.pixels import views_uint8
from omma.objectives import OBJECTIVES
from omma.objectives.one_encoder import one_encoder
from toy_training import FLAT, assert_close, gradients, samples, step_of, toy_model, toy_recipe

CLIP = {
    "type": "transformers", "tap": -2, "cls": "drop", "normalization": "clip",
    "architecture": {"model_type": "clip_vision_model", **FLAT},
}  # fmt: skip
SIGLIP = {
    "type": "transformers", "tap": -1, "cls": "none", "normalization": "half",
    "architecture": {"model_type": "siglip_vision_model", "vision_use_head": False, **FLAT, "image_size": 64, "patch_size": 16},
}  # fmt: skip
PAIR = {
    "encoder": {"type": "side-by-side", "encoders": [CLIP, SIGLIP]},
    "resolution": {"type": "two-branches", "sizes": [32, 64]},
}
CHOICES: dict[str, dict[str, Any]] = {
    "masked-image": {"layers": 1, "width": 24, "heads": 2},
    "self-distillation": {"prototypes": 12, "hidden": 20, "bottleneck": 8, "small_crops": 2},
    "contrastive": {"text_layers": 1, "max_tokens": 16},
    "classification": {},
}


def objective_of(model: Composition, name: str, **config: Any) -> Any:
    torch.manual_seed(1)
    return OBJECTIVES.parse({"type": name, **CHOICES[name], **config}, where="objective").build(model=model)


@pytest.mark.parametrize("name", CHOICES)
def test_the_only_encoder_of_a_complete_model_learns_and_nothing_else_of_it(name: str) -> None:
    model = toy_model()
    assert model.vlm is not None
    objective = objective_of(model, name)
    step = step_of(objective, samples(4, task="describe"))
    losses, found = gradients(model, objective, step)
    assert {path.split(".")[0] for path in found} == {"encoder", "objective"}
    alone = toy_model(projector=None, backbone=None)
    alone.encoder.load_state_dict(model.encoder.state_dict())
    objective = objective_of(alone, name)
    assert gradients(alone, objective, step_of(objective, samples(4, task="describe")))[0] == pytest.approx(losses, rel=1e-6)


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("name", CHOICES)
def test_one_of_two_learns_as_if_it_were_alone(name: str, number: int) -> None:
    pair = toy_model(**PAIR)
    objective = objective_of(pair, name, encoder=number)
    losses, found = gradients(pair, objective, step_of(objective, samples(4, task="describe")))
    path = f"encoder.encoders.{number}."
    assert {n for n in found if n.startswith("encoder.")} == {n for n in found if n.startswith(path)} != set()
    resolution = {"type": "stretch-square", "size": PAIR["resolution"]["sizes"][number]}  # type: ignore[index]
    alone = toy_model(resolution=resolution, encoder=[CLIP, SIGLIP][number], projector=None, backbone=None)
    alone.encoder.load_state_dict(pair.encoder.encoders[number].state_dict())
    objective = objective_of(alone, name)
    expected, wanted = gradients(alone, objective, step_of(objective, samples(4, task="describe")))
    assert losses == pytest.approx(expected, rel=1e-6)
    assert_close({n.replace(path, "encoder."): gradient for n, gradient in found.items()}, wanted)


def test_padding_is_that_of_the_whole() -> None:
    """A small square that is made of the large one has the large one's padding."""
    pair = toy_model(**{**PAIR, "resolution": {"type": "two-branches", "sizes": [64, 32], "fit": "pad"},
                        "encoder": {"type": "side-by-side", "encoders": [SIGLIP, CLIP]}})  # fmt: skip
    image = MemoryImage(Image.new("RGB", (60, 30), "teal"), key="p")
    assert pair.resolution is not None and pair.encoder is not None
    whole = views_uint8(image, pair.resolution.plan(*image.size), pair.encoder.normalizations)
    for number in (0, 1):
        one = one_encoder(pair, number)
        assert one.resolution is not None and one.encoder is not None and one.resolution.is_plain
        (view,) = views_uint8(image, one.resolution.plan(*image.size), one.encoder.normalizations)
        assert np.array_equal(view, whole[number])


@pytest.mark.parametrize("name", CHOICES)
def test_encoders_that_are_not_there(name: str) -> None:
    with pytest.raises(BadInput, match=r"model.encoder: expected an encoder .*, found side-by-side; say which of them learns"):
        objective_of(toy_model(**PAIR), name)
    with pytest.raises(BadInput, match=r"objective.encoder: expected one of 2 encoders side by side, counted from 0, found 2"):
        objective_of(toy_model(**PAIR), name, encoder=2)
    with pytest.raises(BadInput, match=r"objective.encoder: expected encoders side by side, found one; leave the field out"):
        objective_of(toy_model(), name, encoder=0)
    with pytest.raises(BadInput, match="greater than or equal to 0"):
        toy_recipe(stages={"a": {"objective": {"type": name, "encoder": -1}, "data": [{"source": {"type": "playground", "world": "shapes"}}],
                                 "learn": [{"pattern": "*", "rate": 1}], "batch": 1, "steps": 1}})  # fmt: skip
