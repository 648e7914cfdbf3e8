"""LLaVA-NeXT checkpoints in and out: the same pixels, tokens and logits on both sides."""

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
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextProcessor,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
)
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil

from model.interop.agreement import AGREED, difference, every_key_maps, same_answers, there_and_back
from model.interop.damages import DAMAGES, check_refused
from omma.errors import BadInput
from omma.model import OmmaConfig, OmmaForConditionalGeneration, OmmaProcessor
from omma.model.interop import export_transformers, import_transformers
from omma.parts.encoders.base import NORMALIZATIONS

Make = Callable[..., tuple[OmmaForConditionalGeneration, OmmaProcessor]]
MakeLlavaNext = Callable[..., tuple[LlavaNextForConditionalGeneration, Path]]
PINPOINTS = [[28, 56], [56, 28], [56, 56], [84, 28], [28, 84]]
"""Heights and widths."""
RESOLUTION = {"type": "anyres", "size": 28, "canvases": [[width, height] for height, width in PINPOINTS]}
PROMPTS = ["<image><image> what are these?", "no picture", "USER: <image>\nhow many? ASSISTANT:", "<image>"]


def _views(inputs: Any) -> Tensor:
    """All views that are no padding."""
    pixels = inputs["pixel_values"]
    return torch.cat([views[[bool(view.any()) for view in views]] for views in pixels])


@pytest.fixture
def llava_next(
    tmp_path: Path,
    byte_level: PreTrainedTokenizerFast,
    vision_config: Callable[[str], PreTrainedConfig],
    text_config: Callable[..., PreTrainedConfig],
    spread_weights: Callable[[torch.nn.Module], None],
) -> MakeLlavaNext:
    """A function that saves a LLaVA-NeXT model with random weights and its processor."""

    def make(*, vision: str = "clip", text: str = "llama") -> tuple[LlavaNextForConditionalGeneration, Path]:
        select = "default" if vision == "clip" else "full"
        config = LlavaNextConfig(
            vision_config=vision_config(vision).to_dict(),
            text_config=text_config(text, byte_level, tie_word_embeddings=text == "qwen2").to_dict(),
            image_token_index=byte_level.convert_tokens_to_ids("<image>"),
            vision_feature_select_strategy=select,
            image_grid_pinpoints=PINPOINTS,
            tie_word_embeddings=text == "qwen2",
        )
        model = LlavaNextForConditionalGeneration(config).eval()
        spread_weights(model)
        directory = tmp_path / "llava_next"
        model.save_pretrained(directory)
        mean, std = NORMALIZATIONS["clip" if vision == "clip" else "half"]
        images = LlavaNextImageProcessorPil(
            size={"shortest_edge": 28},
            crop_size={"height": 28, "width": 28},
            image_grid_pinpoints=PINPOINTS,
            image_mean=list(mean),
            image_std=list(std),
        )
        LlavaNextProcessor(
            images,
            byte_level,
            patch_size=7,
            vision_feature_select_strategy=select,
            num_additional_image_tokens=int(vision == "clip"),
        ).save_pretrained(directory)
        return model, directory

    return make


@pytest.mark.parametrize(("vision", "text"), [("clip", "llama"), ("clip", "mistral"), ("siglip", "qwen2")])
def test_an_imported_model_is_the_same(
    llava_next: MakeLlavaNext,
    tmp_path: Path,
    pictures: list[Image.Image],
    vision: str,
    text: str,
) -> None:
    model, directory = llava_next(vision=vision, text=text)
    import_transformers(directory, tmp_path / "omma")
    theirs = AutoProcessor.from_pretrained(directory)
    assert difference(model, theirs, tmp_path / "omma", pictures, PROMPTS, views=_views) <= AGREED
    assert same_answers(model, theirs, tmp_path / "omma", pictures[:2], PROMPTS[0])


@pytest.mark.parametrize(("vision", "text"), [("clip", "llama"), ("siglip", "qwen3")])
def test_an_exported_model_is_the_same(
    toy_model: Make, tmp_path: Path, pictures: list[Image.Image], vision: str, text: str
) -> None:
    model, processor = toy_model(vision=vision, text=text, resolution=RESOLUTION, scale=4.0)
    model.save_pretrained(tmp_path / "omma")
    processor.save_pretrained(tmp_path / "omma")
    assert export_transformers(tmp_path / "omma", tmp_path / "out") == "LlavaNextForConditionalGeneration"
    theirs = LlavaNextForConditionalGeneration.from_pretrained(tmp_path / "out").eval()
    exported = AutoProcessor.from_pretrained(tmp_path / "out")
    assert isinstance(exported, LlavaNextProcessor)
    assert exported.chat_template == processor.chat_template
    assert difference(theirs, exported, tmp_path / "omma", pictures, PROMPTS, views=_views) <= AGREED
    assert same_answers(theirs, exported, tmp_path / "omma", pictures[:2], PROMPTS[0])


def test_there_and_back_are_the_same_weights(toy_model: Make, tmp_path: Path) -> None:
    model, processor = toy_model(resolution=RESOLUTION)
    model.save_pretrained(tmp_path / "omma")
    processor.save_pretrained(tmp_path / "omma")
    there_and_back(model, tmp_path)


def test_the_published_size_maps_key_by_key() -> None:
    settings = LlavaNextConfig(text_config={"model_type": "llama", "vocab_size": 32064})
    config = OmmaConfig(
        resolution={"type": "anyres", "size": 336, "canvases": [[672, 336], [336, 672], [672, 672]]},
        encoder={"type": "transformers", "architecture": settings.vision_config.to_diff_dict()},
        projector={"type": "mlp"},
        backbone={"type": "transformers", "architecture": settings.text_config.to_diff_dict()},
    )
    with torch.device("meta"):
        model = OmmaForConditionalGeneration(config)
    every_key_maps(settings, model)
    assert sum(weight.numel() for weight in model.parameters()) == 7_062_906_880 + 2 * 64 * 4096


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_grid_pinpoints": [[28, 57]]}, r"canvases of whole tiles of 28 pixels"),
        ({"image_grid_pinpoints": "all"}, r"image_grid_pinpoints"),
        ({"vision_feature_select_strategy": "full"}, r"expected 'default', since maps of tiles have no place for CLS"),
    ],
)
def test_contradictions_are_refused(
    llava_next: MakeLlavaNext,
    tmp_path: Path,
    change: dict[str, Any],
    message: str,
) -> None:
    _, directory = llava_next()
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    processor = json.loads((directory / "processor_config.json").read_text())
    processor["image_processor"].pop("image_grid_pinpoints")
    (directory / "processor_config.json").write_text(json.dumps(processor))
    with pytest.raises(BadInput, match=message) as caught:
        import_transformers(directory, tmp_path / "omma")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "omma").exists()


def test_canvases_of_processor_and_model_have_to_agree(
    llava_next: MakeLlavaNext, tmp_path: Path
) -> None:
    _, directory = llava_next()
    path = directory / "processor_config.json"
    data = json.loads(path.read_text())
    data["image_processor"]["image_grid_pinpoints"] = PINPOINTS[::-1]
    path.write_text(json.dumps(data))
    with pytest.raises(BadInput, match=r"image_grid_pinpoints: expected the same as in config.json"):
        import_transformers(directory, tmp_path / "omma")


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_checkpoints_are_refused(llava_next: MakeLlavaNext, tmp_path: Path, damage: str) -> None:
    _, directory = llava_next()
    check_refused(directory, tmp_path / "omma", damage)
