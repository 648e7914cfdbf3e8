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
    "vq-tokenizer": 71_883_403,
    "kl-autoencoder": 83_653_863,
    # Stable Diffusion 1.5: the network, the autoencoder, and CLIP's text model.
    "stable-diffusion": 859_520_964 + 83_653_863 + 123_060_480,
    "var-tokenizer": 108_948_355,
    "magvit2-tokenizer": 49_751_442 + 65_376_387,
    # VAR-d16 and LlamaGen-B with their tokenizers.
    "var": 310_283_520 + 108_948_355,
    "llamagen": 110_888_448 + 71_883_403,
    # Published as 227M, with a tokenizer of 54M whose network is not this one: BERT's 24 layers, norm, table and places, and the head.
    "maskgit": 24 * 7_087_872 + (1001 + 257 + 1 + 2) * 768 + 768 * 1024 + 1024 + 768 * 768 + 3 * 768 + 768 + 72_141_699,
    # LLaMA-7B with LaVIT's vocabulary and its projector; EVA-CLIP-G, which reads and tokenizes; selector, merger, both ways between
    # features and codes; Stable Diffusion 1.5 with its autoencoder, and the layer in front of it.
    "lavit": 6_872_649_728 + 5_771_264
    + 2 * 1_011_202_432
    + 3_227_490 + 398_267_392 + 2_028_960 + 402_999_680
    + 859_520_964 + 83_653_863 + (1408 + 1) * 768,
    # Large, without the table of sounds and the 128 rows of codes that nobody uses, with a vector for each modality of each side;
    # CLIP-B/16's tower, two of whose hidden states are read; the layer behind it; LDM's vq-f8.
    "unified-io2": 776_866_816 - (8_320 + 128) * 1024 + 4 * 1024 + 85_799_424 + 2 * 768 * 1024 + 67_717_295,
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
COMPLETE = [(name, size) for name, size in SIZES if load_recipe(name, size).model.complete]


@pytest.mark.parametrize(("name", "size"), COMPLETE)
def test_pictures_fit_into_every_stage(name: str, size: str) -> None:
    recipe = load_recipe(name, size)
    assert recipe.model.complete and recipe.model.resolution is not None
    parts: dict[str, Any] = skeleton(recipe.model)
    for stage in recipe.stages.values():
        if not hasattr(stage.objective, "max_length"):
            continue
        reads = getattr(parts["language_model"].config, "max_position_embeddings", stage.objective.max_length)
        for way in {entry.resolution or recipe.model.resolution for entry in stage.data}:
            resolution = way.build()
            parts["encoder"].check(resolution)
            arranger = Arranger(resolution, parts["encoder"], parts["projector"])
            for picture in PICTURES:
                _, arrangement = arranger.of(picture)
                texts = sum(isinstance(run, str) for run in arrangement.runs)
                assert 0 < len(arrangement) + texts < min(stage.objective.max_length, reads) - 128, "and words beside it"


def test_stages_and_sources_that_see_other_sizes() -> None:
    """Qwen-VL's first stage at 224 pixels; 4KHD's documents at HD-55, where a picture is up to 8,737 tokens."""
    tokens: dict[tuple[str, str, int], list[int]] = {}
    for name in ("qwen-vl", "xcomposer2-4khd"):
        recipe = load_recipe(name, "paper")
        parts: dict[str, Any] = skeleton(recipe.model)
        for stage in recipe.stages:
            for number, entry in enumerate(recipe.stages[stage].data):
                resolution = (entry.resolution or recipe.model.resolution).build()  # type: ignore[union-attr]
                arranger = Arranger(resolution, parts["encoder"], parts["projector"])
                pictures = [(640, 480), (1920, 1080)]
                tokens[name, stage, number] = [len(arranger.of(picture)[1]) for picture in pictures]
                if name == "qwen-vl":
                    side = 16 if stage == "pretrain" else 32
                    assert [parts["encoder"].grid(view.size) for view in arranger.of((640, 480))[0].views] == [(side, side)]
    assert {counts[0] for (name, *_), counts in tokens.items() if name == "qwen-vl"} == {256}
    assert tokens["xcomposer2-4khd", "align", 0] == [3085, 3661]
    assert tokens["xcomposer2-4khd", "instruct", 0] == [3085, 3661]
    for number in (1, 2):
        assert tokens["xcomposer2-4khd", "instruct", number] == [7141, 8005]


def test_the_share_of_language_falls_to_seventy_percent() -> None:
    """DeepSeek-VL's modality warm-up, from words alone."""
    for name in ("deepseek-vl-1.3b", "deepseek-vl-7b"):
        language, pictures = load_recipe(name, "paper").stages["pretrain"].data
        assert (language.begins, pictures.begins) == (10, 0)
        assert language.weight / (language.weight + pictures.weight) == 0.7
        assert language.over == pictures.over, "the sum of both stays, so that shares move in a line"


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
    tokenizer = load_tokenizer("zoo:lm-small", where="tokenizer", tokens=recipe.model.backbone.tokens)
    for template in {recipe.model.template, *(stage.template for stage in recipe.stages.values())} - {None}:
        assert Renderer(tokenizer, template_named(template)).image_token_id == 3  # type: ignore[arg-type]
