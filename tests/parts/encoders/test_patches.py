"""No encoder: patches as Fuyu's processor makes them, in a model that holds no encoder weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers.image_utils import SizeDict
from transformers.models.fuyu.image_processing_pil_fuyu import FuyuImageProcessorPil

from omma.model.answering import ModelAnswerer
from omma.model.image_processing import OmmaImageProcessor
from omma.parts.encoders import ENCODERS
from omma.training.run import train
from toy_training import INSTRUCT, samples, toy_recipe

FUYU: dict[str, Any] = {
    "resolution": {"type": "native", "patch": 8, "most": [48, 48]},
    "encoder": {"type": "patches", "patch": 8},
    "projector": {"type": "linear"},
}


def encoder(**fields: Any) -> Any:
    return ENCODERS.parse({"type": "patches", **fields}, where="model.encoder").build()


def test_patches_are_fuyus() -> None:
    pixels = torch.rand(2, 3, 10, 15)
    expected = FuyuImageProcessorPil().patchify_image(pixels.numpy(), SizeDict(height=5, width=5))
    assert torch.equal(encoder(patch=5)(pixels), torch.from_numpy(expected))


def test_sizes() -> None:
    built = encoder(patch=30)
    assert built.width == 2700 and built.grid((1920, 1080)) == (36, 64)
    assert built.normalizations == (((0.5,) * 3, (0.5,) * 3),)
    assert sum(p.numel() for p in built.parameters()) == 0
    assert built(torch.zeros(1, 3, 61, 95)).shape == (1, 6, 2700), "pixels beyond the last whole patch are left out"


def test_a_model_without_an_encoder_trains_and_answers(tmp_path: Path) -> None:
    train(toy_recipe(model=FUYU, stages={"only": {**INSTRUCT, "steps": 2}}), tmp_path)
    assert not (tmp_path / "features").exists(), "there is nothing worth keeping"
    assert not (tmp_path / "model" / "encoder.safetensors").exists()
    answerer = ModelAnswerer.from_directory(tmp_path / "model", max_new_tokens=3)
    assert isinstance(answerer.answer(samples(1))[0].text, str)


@pytest.mark.parametrize("size", [(40, 24), (100, 30)])
def test_features_are_as_many_as_the_plan_says(size: tuple[int, int]) -> None:
    processor = OmmaImageProcessor(**FUYU)
    made = processor(Image.new("RGB", size, "red"), return_tensors="pt")
    features = encoder(patch=8)(made["pixel_values"])
    rows, columns = encoder(patch=8).grid((made["pixel_values"].shape[3], made["pixel_values"].shape[2]))
    assert features.shape[1] == rows * columns
    assert processor.runs_of(size) == (columns, "\n") * rows
