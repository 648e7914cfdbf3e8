"""DeepSeek-VL checkpoints in and out, with one tower and with two: the same pixels, tokens and logits on both sides."""

from __future__ import annotations

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
    DeepseekVLConfig,
    DeepseekVLForConditionalGeneration,
    DeepseekVLHybridConfig,
    DeepseekVLHybridForConditionalGeneration,
    DeepseekVLHybridProcessor,
    DeepseekVLProcessor,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
)
from transformers.models.deepseek_vl.image_processing_pil_deepseek_vl import DeepseekVLImageProcessorPil
from transformers.models.deepseek_vl_hybrid.image_processing_pil_deepseek_vl_hybrid import (
    DeepseekVLHybridImageProcessorPil,
)

from model.interop.agreement import AGREED, difference, every_key_maps, same_answers, there_and_back
from model.interop.damages import DAMAGES, check_refused
from omma.errors import BadInput
from omma.model import OmmaConfig, OmmaForConditionalGeneration, OmmaProcessor
from omma.model.interop import export_transformers, import_transformers
from omma.model.templates import TEMPLATES
from omma.parts.encoders.base import NORMALIZATIONS

Make = Callable[..., tuple[OmmaForConditionalGeneration, OmmaProcessor]]
MakeDeepseek = Callable[..., tuple[Any, Path]]
PROMPTS = ["<image><image> what are these?", "no picture", "USER: <image>\nhow many? ASSISTANT:", "<image>"]
SAM = {
    "model_type": "sam_vision_model",
    "hidden_size": 32,
    "output_channels": 8,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": 64,
    "patch_size": 8,
    "window_size": 3,
    "global_attn_indexes": [1, 2],
    "mlp_dim": 48,
}
HALF = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
CLIP = dict(zip(("high_res_image_mean", "high_res_image_std"), map(list, NORMALIZATIONS["clip"]), strict=True))
SQUARE = {"height": 28, "width": 28}


def _by_picture(inputs: Any) -> Tensor:
    """The large view of every picture and then its small one, filled up to the same size."""
    if "high_res_pixel_values" not in inputs:
        return inputs["pixel_values"]
    small = inputs["pixel_values"]
    filled = torch.nn.functional.pad(small, (0, 64 - 28, 0, 64 - 28))
    return torch.stack([inputs["high_res_pixel_values"], filled], dim=1).flatten(0, 1)


@pytest.fixture
def deepseek(
    tmp_path: Path,
    byte_level: PreTrainedTokenizerFast,
    vision_config: Callable[[str], PreTrainedConfig],
    text_config: Callable[..., PreTrainedConfig],
    spread_weights: Callable[[torch.nn.Module], None],
) -> MakeDeepseek:
    """A function that saves a DeepSeek-VL model with random weights and its processor."""

    def make(*, hybrid: bool, tied: bool = False) -> tuple[Any, Path]:
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=byte_level.backend_tokenizer,
            eos_token="</s>",
            pad_token="<pad>",
            extra_special_tokens={"image_token": "<image>"},
        )
        settings: dict[str, Any] = {
            "vision_config": vision_config("siglip").to_dict(),
            "text_config": text_config("llama", byte_level, tie_word_embeddings=tied).to_dict(),
            "image_token_id": byte_level.convert_tokens_to_ids("<image>"),
            "tie_word_embeddings": tied,
        }
        template = TEMPLATES["deepseek-vl"].jinja()
        if hybrid:
            config = DeepseekVLHybridConfig(**settings, high_res_vision_config=SAM)
            model = DeepseekVLHybridForConditionalGeneration(config).eval()
            images = DeepseekVLHybridImageProcessorPil(
                size=SQUARE, high_res_size={"height": 64, "width": 64}, **HALF, **CLIP
            )
            processor = DeepseekVLHybridProcessor(images, tokenizer, template, num_image_tokens=16)
        else:
            model = DeepseekVLForConditionalGeneration(DeepseekVLConfig(**settings)).eval()
            images = DeepseekVLImageProcessorPil(size=SQUARE, **HALF)
            processor = DeepseekVLProcessor(images, tokenizer, template, num_image_tokens=16)
        spread_weights(model)
        directory = tmp_path / "deepseek"
        model.save_pretrained(directory)
        processor.save_pretrained(directory)
        return model, directory

    return make


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("hybrid", [False, True])
def test_an_imported_model_is_the_same(
    deepseek: MakeDeepseek, tmp_path: Path, pictures: list[Image.Image], hybrid: bool, tied: bool
) -> None:
    model, directory = deepseek(hybrid=hybrid, tied=tied)
    import_transformers(directory, tmp_path / "omma")
    theirs = AutoProcessor.from_pretrained(directory)
    assert difference(model, theirs, tmp_path / "omma", pictures, PROMPTS, views=_by_picture) <= AGREED
    assert same_answers(model, theirs, tmp_path / "omma", pictures[:2], PROMPTS[0])
    assert AutoProcessor.from_pretrained(tmp_path / "omma").template == "deepseek-vl"


def _omma(
    toy_model: Make,
    vision_config: Callable[[str], PreTrainedConfig],
    directory: Path,
    *,
    hybrid: bool,
    **changes: Any,
) -> tuple[OmmaForConditionalGeneration, OmmaProcessor]:
    siglip = {
        "type": "transformers",
        "architecture": vision_config("siglip").to_diff_dict() | {"model_type": "siglip_vision_model"},
        "tap": "final",
        "cls": "none",
        "normalization": "half",
    }
    sam = {"type": "sam", "architecture": SAM, "resized": 16, "early": True}
    given: dict[str, Any] = {"resolution": "fit-square", "encoder": siglip, "template": "deepseek-vl"}
    if hybrid:
        given |= {
            "resolution": {"type": "two-branches", "sizes": [64, 28], "fit": "pad"},
            "encoder": {"type": "side-by-side", "encoders": [sam, siglip]},
            "projector": {"type": "hybrid", "widths": [32, 32]},
        }
    model, processor = toy_model(**(given | changes))
    model.save_pretrained(directory / "omma")
    processor.save_pretrained(directory / "omma")
    return model, processor


@pytest.mark.parametrize("hybrid", [False, True])
def test_an_exported_model_is_the_same(
    toy_model: Make,
    vision_config: Callable[[str], PreTrainedConfig],
    tmp_path: Path,
    pictures: list[Image.Image],
    hybrid: bool,
) -> None:
    _, processor = _omma(toy_model, vision_config, tmp_path, hybrid=hybrid)
    name = f"DeepseekVL{'Hybrid' if hybrid else ''}ForConditionalGeneration"
    assert export_transformers(tmp_path / "omma", tmp_path / "out") == name
    model_class = DeepseekVLHybridForConditionalGeneration if hybrid else DeepseekVLForConditionalGeneration
    theirs = model_class.from_pretrained(tmp_path / "out").eval()
    exported = AutoProcessor.from_pretrained(tmp_path / "out")
    assert exported.chat_template == processor.chat_template
    assert difference(theirs, exported, tmp_path / "omma", pictures, PROMPTS, views=_by_picture) <= AGREED
    assert same_answers(theirs, exported, tmp_path / "omma", pictures[:2], PROMPTS[0])


def test_the_features_scale_goes_into_the_projector(
    toy_model: Make, vision_config: Callable[[str], PreTrainedConfig], tmp_path: Path, pictures: list[Image.Image]
) -> None:
    encoder = {
        "type": "transformers",
        "architecture": vision_config("siglip").to_diff_dict() | {"model_type": "siglip_vision_model"},
        "tap": "final",
        "cls": "none",
        "normalization": "half",
        "scale": 4.0,
    }
    _omma(toy_model, vision_config, tmp_path, hybrid=False, encoder=encoder)
    export_transformers(tmp_path / "omma", tmp_path / "out")
    theirs = DeepseekVLForConditionalGeneration.from_pretrained(tmp_path / "out").eval()
    exported = AutoProcessor.from_pretrained(tmp_path / "out")
    assert difference(theirs, exported, tmp_path / "omma", pictures, PROMPTS) <= AGREED


@pytest.mark.parametrize("hybrid", [False, True])
def test_there_and_back_are_the_same_weights(
    toy_model: Make, vision_config: Callable[[str], PreTrainedConfig], tmp_path: Path, hybrid: bool
) -> None:
    model, _ = _omma(toy_model, vision_config, tmp_path, hybrid=hybrid)
    there_and_back(model, tmp_path)


SIGLIP_L = {
    "model_type": "siglip_vision_model",
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "image_size": 384,
    "patch_size": 16,
    "vision_use_head": False,
}
TEXT_1B = {"hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 5632}
TEXT_7B = {"hidden_size": 4096, "num_hidden_layers": 30, "num_attention_heads": 32, "intermediate_size": 11008}


@pytest.mark.parametrize(("hybrid", "parameters"), [(False, 1_962_640_384), (True, 7_331_390_721)])
def test_the_published_sizes_map_key_by_key(hybrid: bool, parameters: int) -> None:
    text = {"model_type": "llama", "vocab_size": 102400, **(TEXT_7B if hybrid else TEXT_1B)}
    siglip = {"type": "transformers", "architecture": SIGLIP_L, "tap": "final", "cls": "none"}
    backbone = {"type": "transformers", "architecture": text}
    shared: dict[str, Any] = {"vision_config": SIGLIP_L, "text_config": text, "tie_word_embeddings": False}
    if hybrid:
        settings: Any = DeepseekVLHybridConfig(**shared)
        config = OmmaConfig(
            resolution={"type": "two-branches", "sizes": [1024, 384], "fit": "pad"},
            encoder={"type": "side-by-side", "encoders": [{"type": "sam", "resized": 96, "early": True}, siglip]},
            projector={"type": "hybrid", "widths": [1024, 1024]},
            backbone=backbone,
        )
    else:
        settings = DeepseekVLConfig(**shared)
        config = OmmaConfig(
            resolution={"type": "fit-square", "size": 384},
            encoder=siglip,
            projector={"type": "mlp"},
            backbone=backbone,
        )
    with torch.device("meta"):
        model = OmmaForConditionalGeneration(config)
    every_key_maps(settings, model)
    assert sum(weight.numel() for weight in model.parameters()) == parameters


@pytest.mark.parametrize(
    ("hybrid", "file", "changes", "message"),
    [
        (False, "processor", {"min_size": 7}, r"min_size: expected 14, found 7"),
        (False, "processor", {"do_pad": False}, r"do_pad: expected True"),
        (False, "processor", {"size": {"height": 28, "width": 21}}, r"size: expected a square"),
        (False, "processor", {"size": {"height": 35, "width": 35}}, r"vision_config.image_size to be .* 35, found 28"),
        (True, "processor", {"high_res_resample": 2}, r"high_res_resample: expected 3, found 2"),
        (True, "processor", {"high_res_image_mean": [0.1] * 3}, r"high_res_image_mean and high_res_image_std"),
        (True, "processor", {"high_res_size": {"height": 80, "width": 80}}, r"high_res_vision_config.image_size to be"),
        (True, "config", {"high_res_vision_config": {"model_type": "vit"}}, r"model_type: expected sam_vision_model"),
    ],
    ids=str,
)
def test_contradictions_are_refused(
    deepseek: MakeDeepseek, tmp_path: Path, hybrid: bool, file: str, changes: dict[str, Any], message: str
) -> None:
    _, directory = deepseek(hybrid=hybrid)
    path = directory / ("config.json" if file == "config" else "processor_config.json")
    data = json.loads(path.read_text())
    (data if file == "config" else data["image_processor"]).update(changes)
    path.write_text(json.dumps(data))
    with pytest.raises(BadInput, match=message) as caught:
        import_transformers(directory, tmp_path / "omma")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "omma").exists()


@pytest.mark.parametrize(
    ("hybrid", "changes", "message"),
    [
        (False, {"projector": {"type": "mlp", "activation": "relu"}}, r"projector.activation: expected gelu"),
        (
            True,
            {"resolution": {"type": "two-branches", "sizes": [64, 28]}},
            r"resolution.fit: expected pad, which DeepseekVLHybrid.* has, found stretch",
        ),
        (True, {"projector": {"type": "branch-linear", "widths": [32, 32]}}, r"projector: expected hybrid, which"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_named(
    toy_model: Make,
    vision_config: Callable[[str], PreTrainedConfig],
    tmp_path: Path,
    hybrid: bool,
    changes: dict[str, Any],
    message: str,
) -> None:
    _omma(toy_model, vision_config, tmp_path, hybrid=hybrid, **changes)
    with pytest.raises(BadInput, match=message):
        export_transformers(tmp_path / "omma", tmp_path / "out")


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("hybrid", [False, True])
def test_damaged_checkpoints_are_refused(deepseek: MakeDeepseek, tmp_path: Path, hybrid: bool, damage: str) -> None:
    _, directory = deepseek(hybrid=hybrid)
    check_refused(directory, tmp_path / "omma", damage)
