"""Fuyu checkpoints in and out: the same patches, tokens and logits on both sides."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from transformers import (
    AutoProcessor,
    FuyuConfig,
    FuyuForCausalLM,
    FuyuProcessor,
    PersimmonConfig,
    PreTrainedTokenizerFast,
)
from transformers.models.fuyu.image_processing_pil_fuyu import FuyuImageProcessorPil

from model.interop.agreement import AGREED, difference, every_key_maps, same_answers, there_and_back
from model.interop.damages import DAMAGES, check_refused
from omma.errors import BadInput
from omma.model import OmmaConfig, OmmaForConditionalGeneration, OmmaProcessor
from omma.model.interop import export_transformers, import_transformers
from omma.parts.encoders.patches import patches_of

pytestmark = pytest.mark.usefixtures("fuyu_patches")

Make = Callable[..., tuple[OmmaForConditionalGeneration, OmmaProcessor]]
MakeFuyu = Callable[..., tuple[FuyuForCausalLM, Path]]
PATCH = 6
QUESTIONS = ["what is this?", "how many circles are there\nhere?", "red"]
OURS = [f"|SPEAKER|{question}<0x04>" for question in QUESTIONS]
"""The other processor puts the picture before the words and the token that begins the answer behind them by itself."""
RESOLUTION = {"type": "native", "most": [48, 36], "patch": PATCH, "newline": "|NEWLINE|"}


def _our_patches(inputs: Any) -> Tensor:
    views = zip(inputs["pixel_values"], inputs["view_shapes"].tolist(), strict=True)
    return torch.cat([patches_of(view[None, :, :height, :width], PATCH)[0] for view, (height, width, *_) in views])


def _text(tokenizer: PreTrainedTokenizerFast) -> PersimmonConfig:
    return PersimmonConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=512,
        rope_theta=25000.0,
    )


@pytest.fixture
def fuyu(
    tmp_path: Path, speaking: PreTrainedTokenizerFast, spread_weights: Callable[[torch.nn.Module], None]
) -> MakeFuyu:
    """A function that saves a Fuyu model with random weights and its processor."""

    def make(**changes: Any) -> tuple[FuyuForCausalLM, Path]:
        config = FuyuConfig(
            text_config=_text(speaking).to_dict(),
            patch_size=PATCH,
            image_token_id=speaking.convert_tokens_to_ids("|SPEAKER|"),
            **changes,
        )
        model = FuyuForCausalLM(config).eval()
        spread_weights(model)
        directory = tmp_path / "fuyu"
        model.save_pretrained(directory)
        images = FuyuImageProcessorPil(
            size={"height": 36, "width": 48}, patch_size={"height": PATCH, "width": PATCH}
        )
        FuyuProcessor(images, speaking).save_pretrained(directory)
        return model, directory

    return make


def test_an_imported_model_is_the_same(fuyu: MakeFuyu, tmp_path: Path, pictures: list[Image.Image]) -> None:
    model, directory = fuyu()
    import_transformers(directory, tmp_path / "omma")
    _same(model, AutoProcessor.from_pretrained(directory), tmp_path / "omma", pictures)
    assert AutoProcessor.from_pretrained(tmp_path / "omma").template == "fuyu"


def _same(theirs: FuyuForCausalLM, processor: FuyuProcessor, model_dir: Path, pictures: list[Image.Image]) -> None:
    assert isinstance(processor, FuyuProcessor)
    large = pictures[1:]  # two of them have to be made smaller
    assert (
        difference(
            theirs,
            processor,
            model_dir,
            large,
            QUESTIONS,
            our_prompts=OURS,
            our_views=_our_patches,
            return_legacy_image_output=False,
        )
        <= AGREED
    )
    options: dict[str, Any] = {"our_prompt": OURS[0], "return_legacy_image_output": False}
    assert same_answers(theirs, processor, model_dir, pictures[:1], QUESTIONS[0], **options)


def _omma(
    toy_model: Make, tokenizer: PreTrainedTokenizerFast, directory: Path, **changes: Any
) -> tuple[OmmaForConditionalGeneration, OmmaProcessor]:
    given = {
        "tokenizer": tokenizer,
        "resolution": RESOLUTION,
        "encoder": {"type": "patches", "patch": PATCH},
        "projector": {"type": "linear"},
        "backbone": {"type": "transformers", "architecture": _text(tokenizer).to_diff_dict()},
        "image_token": "|SPEAKER|",
        "template": "fuyu",
    }
    model, processor = toy_model(**(given | changes))
    model.save_pretrained(directory / "omma")
    processor.save_pretrained(directory / "omma")
    return model, processor


def test_an_exported_model_is_the_same(
    toy_model: Make, speaking: PreTrainedTokenizerFast, tmp_path: Path, pictures: list[Image.Image]
) -> None:
    _omma(toy_model, speaking, tmp_path)
    assert export_transformers(tmp_path / "omma", tmp_path / "out") == "FuyuForCausalLM"
    theirs = FuyuForCausalLM.from_pretrained(tmp_path / "out").eval()
    _same(theirs, AutoProcessor.from_pretrained(tmp_path / "out"), tmp_path / "omma", pictures)


def test_there_and_back_are_the_same_weights(
    toy_model: Make, speaking: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    model, _ = _omma(toy_model, speaking, tmp_path)
    there_and_back(model, tmp_path)


def test_the_published_size_maps_key_by_key() -> None:
    settings = FuyuConfig()
    config = OmmaConfig(
        resolution={"type": "native", "patch": 30, "newline": "|NEWLINE|"},
        encoder={"type": "patches", "patch": 30},
        projector={"type": "linear"},
        backbone={"type": "transformers", "architecture": settings.text_config.to_diff_dict()},
    )
    with torch.device("meta"):
        model = OmmaForConditionalGeneration(config)
    every_key_maps(settings, model)
    assert sum(weight.numel() for weight in model.parameters()) == 9_408_238_592


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("config.json", {"patch_size": 5}, r"patch_size: expected that of the model, 5"),
        ("config.json", {"num_channels": 1}, r"num_channels: expected 3, found 1"),
        ("processor_config.json", {"padding_value": 0.0}, r"padding_value: expected 1.0, found 0.0"),
        ("processor_config.json", {"size": {"height": 36, "width": 50}}, r"size: expected multiples of a patch's 6"),
        ("processor_config.json", {"size": {"height": "x", "width": 48}}, r"size: expected a positive width and height"),
    ],
    ids=str,
)
def test_contradictions_are_refused(
    fuyu: MakeFuyu, tmp_path: Path, file: str, changes: dict[str, Any], message: str
) -> None:
    _, directory = fuyu()
    data = json.loads((directory / file).read_text())
    (data if file == "config.json" else data["image_processor"]).update(changes)
    (directory / file).write_text(json.dumps(data))
    with pytest.raises(BadInput, match=message) as caught:
        import_transformers(directory, tmp_path / "omma")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "omma").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resolution": {"type": "native", "patch": PATCH}}, r"resolution.newline: expected \|NEWLINE\|"),
        ({"resolution": RESOLUTION | {"most": [48, 37]}}, r"resolution.most: expected \(48, 36\)"),
        ({"projector": {"type": "linear", "bias": False}}, r"projector.bias: expected True"),
        ({"template": "vicuna-v1"}, r"template: expected fuyu"),
        ({"image_token": "|NEWLINE|"}, r"image_token_id: expected that of the token \|SPEAKER\|"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_named(
    toy_model: Make, speaking: PreTrainedTokenizerFast, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    _omma(toy_model, speaking, tmp_path, **changes)
    with pytest.raises(BadInput, match=message):
        export_transformers(tmp_path / "omma", tmp_path / "out")


def test_a_tokenizer_that_begins_with_no_blank_is_named(
    toy_model: Make, byte_level: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    tokenizer = copy.deepcopy(byte_level)
    tokenizer.add_special_tokens({"additional_special_tokens": ["|SPEAKER|", "|NEWLINE|", "<s>"]})
    _omma(toy_model, tokenizer, tmp_path)
    with pytest.raises(BadInput, match=r"a tokenizer that begins \|SPEAKER\| with a blank, .*, found one that makes 1 tokens of it"):
        export_transformers(tmp_path / "omma", tmp_path / "out")


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_checkpoints_are_refused(fuyu: MakeFuyu, tmp_path: Path, damage: str) -> None:
    _, directory = fuyu()
    check_refused(directory, tmp_path / "omma", damage)
