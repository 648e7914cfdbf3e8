"""`omma show`: parameters, tokens and memory, from shapes alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from omma.commands.memory import inference_memory, training_memory
from omma.commands.show import skeleton
from omma.model.composition import compose
from omma.recipe import Rate, StageRecipe, load_recipe
from omma.training.groups import learning_groups
from omma.training.optimizer import MasterOptimizer

PROJECTOR = [Rate(pattern="projector.*", rate=1)]


def test_the_paper_size_counts_the_published_parameters(command) -> None:
    shown = command("show", "llava-1.5", "--size", "paper")
    assert shown.exit_code == 0, shown.output
    assert "7,062,902,784" in shown.stdout
    assert "6,738,415,616" in shown.stdout
    assert re.search(r"640 x 480 +1 +576\b", shown.stdout)
    assert "stage instruct" in shown.stdout.lower()


def test_a_part_alone_is_shown_without_what_it_lacks(command) -> None:
    shown = command("show", "lm-small", "--size", "debug")
    assert shown.exit_code == 0, shown.output
    assert "language_model" in shown.stdout
    firsts = {line.split()[0] for line in shown.stdout.splitlines() if line.strip()}
    assert firsts.isdisjoint({"picture", "encoder", "projector", "resolution"})


def test_overrides_change_what_is_shown(command) -> None:
    deep = command("show", "llava-1.5", "--size", "debug", "model.projector.depth=4").stdout
    assert "depth 4" in deep


def test_parts_that_do_not_fit_are_not_shown(command, one_sentence) -> None:
    told = one_sentence(command("show", "llava-1.5", "--size", "debug", "model.resolution={type: slices, size: 32, patch: 6}"))
    assert "model.resolution.patch: expected a multiple of 8" in told and told.endswith("use patch 8.")


def test_nothing_is_allocated() -> None:
    parts = skeleton(load_recipe("llava-1.5", "paper").model)
    assert {p.device for part in parts.values() for p in part.parameters()} == {torch.device("meta")}


def test_weights_and_state_are_what_training_really_holds() -> None:
    recipe = load_recipe("llava-1.5", "debug", ["stages.instruct.precision=bf16"])
    parts = skeleton(recipe.model)
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
    align = training_memory("align", recipe.stages["align"], parts, 16).terms
    assert align["weights"] == 4 * sum(counts.values())
    assert align["learning"] == 12 * counts["projector"], "gradient and two moments, the copy being the weights"
    instruct = training_memory("instruct", recipe.stages["instruct"], parts, 16).terms
    assert instruct["weights"] == 2 * sum(counts.values())
    assert instruct["learning"] == 16 * (counts["projector"] + counts["language_model"])


@pytest.mark.parametrize("kind", ["adamw", "muon", "adafactor"])
def test_what_an_optimizer_keeps_is_what_it_really_keeps(kind: str) -> None:
    recipe = load_recipe("llava-1.5", "debug", [f"stages.align.optimizer.type={kind}"])
    stage, model = recipe.stages["align"], compose(recipe.model)
    module = nn.ModuleDict({"projector": model.projector})
    optimizer = MasterOptimizer(module, learning_groups(module, stage.learn), stage.optimizer, torch.float32)
    for parameter in module.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step(1.0, optimizer.gradient_norm())
    states = [state for one in optimizer.optimizers for state in one.state.values()]
    kept = sum(4 * tensor.numel() for state in states for name, tensor in state.items() if name != "step")
    gradients = 4 * sum(p.numel() for p in module.parameters())
    assert training_memory("align", stage, skeleton(recipe.model), 16).terms["learning"] == pytest.approx(kept + gradients)


def test_checkpointing_saves_activations_and_learning_encoders_cost_some() -> None:
    def activations(*overrides: str) -> float:
        recipe = load_recipe("llava-1.5", "paper", overrides)
        stage = recipe.stages["instruct"]
        return training_memory("instruct", stage, skeleton(recipe.model), 576).terms["activations"]

    plain = activations("stages.instruct.gradient_checkpointing=false")
    assert activations("stages.instruct.gradient_checkpointing=true") < plain / 3
    everything = "stages.instruct.learn=[{pattern: '*', rate: 1.0e-5}]"
    assert activations("stages.instruct.gradient_checkpointing=false", everything) > plain


@pytest.mark.parametrize("number", [2, 4])
def test_the_cache_is_that_of_the_published_model(number: int) -> None:
    parts = skeleton(load_recipe("llava-1.5", "paper").model)
    # 32 layers, 4096 wide, keys and values, 2048 tokens: a gibibyte in bf16.
    assert inference_memory(parts, 2048, number).terms["cache"] == 2**30 * number / 2


def test_a_sam_that_learns_keeps_all_places_that_it_reads() -> None:
    recipe = load_recipe("vary-tiny", "paper")
    parts, stage = skeleton(recipe.model), recipe.stages["read"]
    without = stage.model_copy(update={"learn": [Rate(pattern="encoder.convolutions.*", rate=1), *PROJECTOR]})

    def activations(stage: StageRecipe) -> float:
        return training_memory("read", stage, parts, 256).terms["activations"]

    # 16 views of 64 x 64 places, 12 blocks, 8 of the width and 4 of the MLP's, 2 bytes.
    assert activations(stage) - activations(without) == 16 * 4096 * 12 * (8 * 768 + 4 * 3072) * 2


@pytest.mark.parametrize("name", ["vary-tiny", "prismatic-dual", "fuyu", "monkey"])
def test_all_kinds_of_towers_and_language_models_are_shown(command, name: str) -> None:
    for size in ("small", "paper"):
        shown = command("show", name, "--size", size)
        assert shown.exit_code == 0, shown.output
        assert "activations" in shown.stdout


STAGES = """
name: stages
about: An encoder of stages.
model:
  resolution: {type: pad-square, size: 32}
  encoder: {type: transformers, cls: none, tap: -1, architecture: {model_type: resnet, embedding_size: 8,
            hidden_sizes: [8, 16, 32], depths: [1, 1, 1], layer_type: basic}}
stages:
  reading:
    objective: {type: transcription, tap: -2}
    data: [{source: {type: playground, world: reading, task: describe}}]
    learn: [{pattern: "encoder.*", rate: 3.0e-3}, {pattern: "objective.*", rate: 3.0e-3}]
    batch: 8
    steps: 3
sizes:
  debug: {}
"""


@pytest.fixture
def stages(tmp_path: Path) -> str:
    path = tmp_path / "stages.yaml"
    path.write_text(STAGES)
    return str(path)


def test_a_tower_of_stages_keeps_what_its_modules_put_out(stages: str) -> None:
    recipe = load_recipe(stages, "debug")
    kept = training_memory("reading", recipe.stages["reading"], skeleton(recipe.model), 1).terms["activations"]
    assert kept > 0
    # Blocks twice as wide put out twice as much, whatever the picture's size.
    wider = load_recipe(
        stages, "debug", ["model.encoder.architecture.embedding_size=16", "model.encoder.architecture.hidden_sizes=[16, 32, 64]"]
    )
    parts = skeleton(wider.model)
    assert training_memory("reading", wider.stages["reading"], parts, 1).terms["activations"] == pytest.approx(2 * kept, rel=0.01)
    assert training_memory("reading", wider.stages["reading"], parts, 4).terms["activations"] == pytest.approx(8 * kept, rel=0.01)


def test_a_tower_of_stages_is_told_in_a_few_words(command, stages: str) -> None:
    shown = " ".join(command("show", stages, "--size", "debug").stdout.split())
    assert "resnet, stages of width 8, 16, 32, read at hidden state -1" in shown


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ("encoder-small", "dpt, 1 layers of width 32, read"),
        ("prismatic-dual", "layers of width 32, read"),
        ("vq-tokenizer", "convolutional, 2 x 2 pixels a vector; vq, 16 codes of 4 numbers"),
        ("magvit2-tokenizer", "causal, 2 x 2 pixels a vector; lfq, 64 codes of 6 numbers"),
    ],
)
def test_towers_are_told_in_a_few_words(command, recipe: str, words: str) -> None:
    shown = " ".join(command("show", recipe, "--size", "debug").stdout.split())
    assert words in shown and "{'" not in shown.split("memory, estimated")[0]
