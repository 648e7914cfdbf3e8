"""Every recipe in sizes too large or too slow to train here, on the meta device: exactly as many parameters as the published
system, pictures that fit, and something that learns in every stage."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from omma.commands.show import PICTURES, skeleton
from omma.model.composition import load_tokenizer
from omma.model.segments import Renderer
from omma.model.templates import template_named
from omma.model.views import Arranger
from omma.recipe import load_recipe, recipe_names, recipe_sizes
from omma.training.groups import learning_groups
from omma.training.lora import add_adapters

LLAVA_15 = 7_062_902_784
QWEN_VL = 9_656_935_168
TABLE = 256 * 4096
"""Qwen-VL counts the fixed positions of its queries, which are computed here and not stored."""

PUBLISHED = {
    "llava": 7_045_793_792,
    "llava-13b": 13_324_292_096,
    "llava-1.5": LLAVA_15,
    "llava-1.5-13b": 13_350_839_296,
    "nlvr": LLAVA_15,
    "llava-next": 7_062_906_880,
    "llava-uhd": 13_456_065_536,
    "vary-tiny": 221_595_648,
    "vary": 8_124_271_872,
    # Without the LoRA of its training: 7.13 billion with it.
    "ureader": 6_738_415_616 + 303_179_776 + 81_504_256,
    "qwen-vl": QWEN_VL - TABLE,
    "monkey": QWEN_VL - TABLE + 51_118_656,
    "xcomposer2": 8_666_840_064,
    "xcomposer2-4khd": 8_678_766_592,
    "internvl-1.5": 25_514_186_112,
    "deepseek-vl-7b": 7_331_390_721,
    "deepseek-vl-1.3b": 1_962_640_384,
    "fuyu": 9_408_238_592,
    "blip2": 3_744_679_936,
    "honeybee-c": 7_078_665_728,
    "honeybee-d": 7_097_211_744,
    # 276M with the head that guesses codes in pretraining.
    "beit3": 220_987_392 + 49_223_690,
    # Not published: DINOv2-L with four registers, SigLIP-SO400M without its head, three layers, Vicuna-7B.
    "prismatic-dual": 304_368_640 + 4 * 1024
    + 412_987_248
    + (2176 + 1) * 8704 + (8704 + 1) * 4096 + (4096 + 1) * 4096
    + 6_738_415_616,
}  # fmt: skip


def test_every_recipe_with_a_published_size_is_here() -> None:
    assert set(PUBLISHED) == {name for name in recipe_names() if "paper" in recipe_sizes(name)}


@pytest.mark.parametrize("name", PUBLISHED)
def test_as_many_parameters_as_published(name: str) -> None:
    parts = skeleton(load_recipe(name, "paper").model)
    parameters = [p for part in parts.values() for p in part.parameters()]
    assert {p.device.type for p in parameters} <= {"meta"}, "nothing is allocated"
    assert sum(p.numel() for p in parameters) == PUBLISHED[name]


SIZES = [(name, size) for name in recipe_names() for size in recipe_sizes(name) if size != "debug"]
COMPLETE = [(name, size) for name, size in SIZES if name not in ("lm-small", "encoder-small")]


@pytest.mark.parametrize(("name", "size"), COMPLETE)
def test_pictures_fit_into_every_stage(name: str, size: str) -> None:
    recipe = load_recipe(name, size)
    assert recipe.model.complete and recipe.model.resolution is not None
    parts: dict[str, Any] = skeleton(recipe.model)
    resolution = recipe.model.resolution.build()
    parts["encoder"].check(resolution)
    arranger = Arranger(resolution, parts["encoder"], parts["projector"])
    objectives = [stage.objective for stage in recipe.stages.values()]
    longest = min(objective.max_length for objective in objectives if hasattr(objective, "max_length"))
    reads = getattr(parts["language_model"].config, "max_position_embeddings", longest)
    for picture in PICTURES:
        _, arrangement = arranger.of(picture)
        texts = sum(isinstance(run, str) for run in arrangement.runs)
        assert 0 < len(arrangement) + texts < min(longest, reads) - 128, "and words beside it"


@pytest.mark.parametrize(("name", "size"), SIZES)
def test_every_pattern_of_what_learns_matches(name: str, size: str) -> None:
    recipe = load_recipe(name, size)
    for stage in recipe.stages.values():
        parts = skeleton(recipe.model)
        if stage.lora is not None:
            with torch.device("meta"):
                add_adapters(parts["language_model"], stage.lora)  # type: ignore[arg-type]
        # What an objective brings is there in training only.
        rates = [rate for rate in stage.learn if not rate.pattern.startswith("objective.")]
        assert not rates or learning_groups(nn.ModuleDict(parts), rates)


@pytest.mark.parametrize("name", [name for name, size in COMPLETE if size == "small"])
def test_templates_of_size_small_are_the_small_tokenizer_s(name: str) -> None:
    recipe = load_recipe(name, "small")
    tokenizer = load_tokenizer("zoo:lm-small", where="tokenizer")
    for template in {recipe.model.template, *(stage.template for stage in recipe.stages.values())} - {None}:
        assert Renderer(tokenizer, template_named(template)).image_token_id == 3  # type: ignore[arg-type]
