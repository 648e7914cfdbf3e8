"""Every recipe at size debug: built, trained, resumed, and asked."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForCausalLM

from omma.data.sample import Sample, user
from omma.model.answering import ModelAnswerer
from omma.model.drawers import load_drawer
from omma.model.drawing import PictureDrawer
from omma.model.text_drawer import TextDrawer
from omma.parts.painters.base import Sampling
from omma.parts.tokenizers import Autoencoder
from omma.parts.tokenizers.text_diffusion import TextDiffusion
from omma.recipe import Recipe, load_recipe, recipe_names, recipe_sizes
from omma.training.loop import Progress
from omma.training.run import train
from toy_training import log_lines, samples

STEPS = 3


def three_steps(name: str) -> Recipe:
    stages = load_recipe(name, "debug").stages
    fields = {"steps": STEPS, "epochs": "null", "checkpoint_every": 1}
    return load_recipe(name, "debug", [f"stages.{s}.{field}={value}" for s in stages for field, value in fields.items()])


@pytest.mark.parametrize("name", [name for name in recipe_names() if "debug" in recipe_sizes(name)])
def test_every_recipe_trains_resumes_and_answers(tmp_path: Path, name: str) -> None:
    recipe = three_steps(name)

    def stop_once(progress: Progress) -> None:
        if progress.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path, report=stop_once)
    model = train(recipe, tmp_path)
    lines = log_lines(tmp_path)
    assert [(line["stage"], line["step"]) for line in lines] == [(s, i) for s in recipe.stages for i in range(STEPS)]
    assert all(math.isfinite(value) for line in lines for key, value in line.items() if key != "stage")
    if recipe.model.painter is not None or isinstance(model.image_tokenizer, TextDiffusion):
        drawer = load_drawer(tmp_path / "model")
        assert isinstance(drawer, PictureDrawer | TextDrawer)
        (picture,) = drawer.draw([(user("draw a star"),)], seeds=[1], sampling=Sampling(guidance=1.0))
        assert picture.size == drawer.painter.size
    if recipe.model.complete:
        prompt = Sample("asked", (user(samples(1)[0].images[0], "What is it?"),))
        assert isinstance(ModelAnswerer.from_directory(tmp_path / "model", max_new_tokens=3).answer([prompt])[0].text, str)
    elif model.language_model is not None:
        language_model = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
        assert language_model.generate(torch.tensor([[1, 50, 60]]), max_new_tokens=3, do_sample=False).shape[1] > 3
    elif recipe.model.image_tokenizer is not None and model.image_tokenizer.reads:
        tokenizer = model.image_tokenizer
        assert isinstance(tokenizer, Autoencoder)
        pixels = torch.rand(2, 3, 16, 16)
        again = recipe.model.image_tokenizer.model_copy(update={"weights": str(tmp_path / "model")}).build(load_weights=True)
        # Painted by what was saved in bf16 or float32, from the codes, or vectors, of the one that was trained.
        coded = tokenizer.vocabulary > 0
        vectors = again.lookup(tokenizer.codes(pixels), tokenizer.grid((16, 16))) if coded else tokenizer.encode(pixels).vectors
        painted = again.eval().decode(vectors)
        assert painted.shape == pixels.shape and painted.isfinite().all()
    elif recipe.model.encoder is not None:
        encoder = AutoModel.from_pretrained(tmp_path / "model").eval()
        size = recipe.model.resolution.build().plan(30, 40).views[0].size
        assert encoder(torch.zeros(1, 3, *size)).last_hidden_state.isfinite().all()


def one_step(name: str, *changes: str) -> Recipe:
    fields = [f"stages.{stage}.steps=1" for stage in load_recipe(name, "debug").stages]
    return load_recipe(name, "debug", [*fields, *changes])


def test_vary_begins_with_the_vocabulary_of_vary_tiny(tmp_path: Path) -> None:
    train(one_step("vary-tiny"), tmp_path / "tiny")
    vocabulary = tmp_path / "tiny" / "model"
    train(one_step("vary", f"model.encoder.encoders.1.weights={vocabulary}"), tmp_path / "base")
    found = load_file(tmp_path / "base" / "model" / "encoder.safetensors")
    learned = load_file(vocabulary / "encoder.safetensors")
    assert any("convolutions" in name for name in learned)
    for name, tensor in learned.items():
        assert torch.equal(found[name.replace("encoder.", "encoder.encoders.1.", 1)], tensor), name


def test_monkey_goes_on_from_qwen_vl(tmp_path: Path) -> None:
    train(one_step("qwen-vl"), tmp_path / "qwen")
    windows = "stages.instruct.learn=[{pattern: 'encoder.expert.*', rate: 1.0e-3}]"
    train(one_step("monkey", f"model.from_checkpoint={tmp_path / 'qwen'}", windows), tmp_path / "monkey")
    for part in ("encoder", "projector", "language_model"):
        found = load_file(tmp_path / "monkey" / "model" / f"{part}.safetensors")
        before = load_file(tmp_path / "qwen" / "model" / f"{part}.safetensors")
        assert all(torch.equal(found[name], tensor) for name, tensor in before.items())
        assert all(name.startswith("encoder.expert.") for name in found.keys() - before.keys())
