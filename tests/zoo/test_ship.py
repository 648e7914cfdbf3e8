"""What is put into the package: the encoder alone where it is asked for, and a card that tells the run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel

from omma.training.run import train
from omma.zoo.ship import card, save_encoder
from toy_training import toy_recipe


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("run")
    train(toy_recipe(), directory)
    return directory


def test_an_encoder_alone_is_a_model_of_transformers(run: Path, tmp_path: Path) -> None:
    save_encoder(run, tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path, dtype=torch.float32).state_dict()
    trained = load_file(run / "model" / "encoder.safetensors")
    assert loaded
    for name, tensor in loaded.items():
        assert torch.equal(tensor, trained[f"encoder.model.{name}"].bfloat16().float()), name


def test_a_card_tells_the_run(run: Path) -> None:
    text = card(run, "toy", "It answers nothing (`make toy`).\n", size=12_345_678)
    assert text.startswith("# toy\n")
    assert "12.3 MB" in text and "It answers nothing (`make toy`)." in text
    recipe = toy_recipe()
    for name, stage in recipe.stages.items():
        assert f"| {name} | {stage.steps} | {stage.batch} | loss " in text
    assert recipe.to_yaml().strip() in text
