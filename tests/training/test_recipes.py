"""Every recipe at size debug: built, trained, resumed, and asked."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from transformers import AutoModel, AutoModelForCausalLM

from omma.data.sample import Sample, user
from omma.model.answering import ModelAnswerer
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
    if recipe.model.complete:
        prompt = Sample("asked", (user(samples(1)[0].images[0], "What is it?"),))
        assert isinstance(ModelAnswerer.from_directory(tmp_path / "model", max_new_tokens=3).answer([prompt])[0], str)
    elif model.language_model is not None:
        language_model = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
        assert language_model.generate(torch.tensor([[1, 50, 60]]), max_new_tokens=3, do_sample=False).shape[1] > 3
    else:
        encoder = AutoModel.from_pretrained(tmp_path / "model").eval()
        size = recipe.model.resolution.build().plan(30, 40).views[0].size
        assert encoder(torch.zeros(1, 3, *size)).last_hidden_state.isfinite().all()
