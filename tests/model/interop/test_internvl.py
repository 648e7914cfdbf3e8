"""InternVL checkpoints in and out: the same pixels, tokens and logits on both sides."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import (
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLProcessor,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
)
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

from model.interop.agreement import AGREED, difference, every_key_maps, same_answers, there_and_back
from model.interop.damages import DAMAGES, check_refused
from omma.errors import BadInput
from omma.model import OmmaConfig, OmmaForConditionalGeneration, OmmaProcessor
from omma.model.interop import export_transformers, import_transformers
from omma.model.templates import TEMPLATES

Make = Callable[..., tuple[OmmaForConditionalGeneration, OmmaProcessor]]
CONTEXT = "<IMG_CONTEXT>"
PROMPTS = [f"{CONTEXT}{CONTEXT} what are these?", "no picture", f"USER: {CONTEXT}\nhow many? ASSISTANT:", CONTEXT]
VISION = {
    "model_type": "internvl_vision",
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": [28, 28],
    "patch_size": [7, 7],
}
LARGE = {"norm_type": "rms_norm", "use_qk_norm": True, "attention_bias": False}
RESOLUTION = {"type": "closest-aspect", "size": 28, "max_tiles": 6}
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
MakeInternVL = Callable[..., tuple[InternVLForConditionalGeneration, Path]]


@pytest.fixture
def framed(byte_level: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """A tokenizer with InternVL's tokens."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=byte_level.backend_tokenizer.from_str(byte_level.backend_tokenizer.to_str()),
        eos_token="</s>",
        pad_token="<pad>",
    )
    tokenizer.add_special_tokens({"additional_special_tokens": ["<img>", "</img>", CONTEXT, "<video>"]})
    return tokenizer


@pytest.fixture
def internvl(
    tmp_path: Path,
    framed: PreTrainedTokenizerFast,
    text_config: Callable[..., PreTrainedConfig],
    spread_weights: Callable[[torch.nn.Module], None],
) -> MakeInternVL:
    """A function that saves an InternVL model with random weights, its tokenizer and its image processor."""

    def make(
        *, vision: dict[str, Any] | None = None, text: str = "qwen2", tied: bool = False, **changes: Any
    ) -> tuple[InternVLForConditionalGeneration, Path]:
        config = InternVLConfig(
            vision_config={**VISION, **(vision or {})},
            text_config=text_config(text, framed, tie_word_embeddings=tied).to_dict(),
            image_token_id=framed.convert_tokens_to_ids(CONTEXT),
            image_seq_length=4,
            tie_word_embeddings=tied,
            **changes,
        )
        model = InternVLForConditionalGeneration(config).eval()
        spread_weights(model)
        directory = tmp_path / "internvl"
        model.save_pretrained(directory)
        framed.save_pretrained(directory)
        roles = {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": CONTEXT}
        path = directory / "tokenizer_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | roles | {"video_token": "<video>"}))
        images = GotOcr2ImageProcessorPil(size={"height": 28, "width": 28}, min_patches=1, max_patches=6, **IMAGENET)
        images.save_pretrained(directory)
        processor = {"processor_class": "InternVLProcessor", "image_seq_length": 4}
        (directory / "processor_config.json").write_text(json.dumps(processor))
        template = TEMPLATES["chatml"].jinja(image_token=CONTEXT)
        (directory / "chat_template.jinja").write_text(template)
        return model, directory

    return make


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"vision": LARGE, "text": "llama", "tied": True},
        {"vision": {"use_mean_pooling": False}, "text": "qwen3"},
        {"vision_feature_layer": -2, "projector_hidden_act": "gelu_new"},
    ],
    ids=str,
)
def test_an_imported_model_is_the_same(
    internvl: MakeInternVL,
    internvl_processor: Callable[[Path], InternVLProcessor],
    tmp_path: Path,
    pictures: list[Image.Image],
    changes: dict[str, Any],
) -> None:
    model, directory = internvl(**changes)
    import_transformers(directory, tmp_path / "omma")
    theirs = internvl_processor(directory)
    assert difference(model, theirs, tmp_path / "omma", pictures, PROMPTS) <= AGREED
    assert same_answers(model, theirs, tmp_path / "omma", pictures[:2], PROMPTS[0])
    ours = OmmaProcessor.from_pretrained(tmp_path / "omma")
    assert (ours.template, ours.image_token) == ("chatml-img", CONTEXT)


@pytest.mark.parametrize(
    ("vision", "text", "tap"), [({}, "qwen2", "final"), (LARGE, "llama", -1), ({}, "mistral", -2)]
)
def test_an_exported_model_is_the_same(
    toy_model: Make,
    framed: PreTrainedTokenizerFast,
    internvl_processor: Callable[[Path], InternVLProcessor],
    tmp_path: Path,
    pictures: list[Image.Image],
    vision: dict[str, Any],
    text: str,
    tap: int | str,
) -> None:
    _, processor = _omma(toy_model, framed, tmp_path, vision=VISION | vision, text=text, tap=tap)
    assert export_transformers(tmp_path / "omma", tmp_path / "out") == "InternVLForConditionalGeneration"
    theirs = InternVLForConditionalGeneration.from_pretrained(tmp_path / "out").eval()
    exported = internvl_processor(tmp_path / "out")
    assert exported.chat_template is None and processor.chat_template
    assert (tmp_path / "out" / "chat_template.jinja").read_text() == processor.chat_template
    assert difference(theirs, exported, tmp_path / "omma", pictures, PROMPTS) <= AGREED
    assert same_answers(theirs, exported, tmp_path / "omma", pictures[:2], PROMPTS[0])


def _omma(
    toy_model: Make,
    tokenizer: PreTrainedTokenizerFast,
    directory: Path,
    *,
    vision: dict[str, Any] = VISION,
    tap: int | str = "final",
    **changes: Any,
) -> tuple[OmmaForConditionalGeneration, OmmaProcessor]:
    encoder = {"type": "transformers", "architecture": vision, "tap": tap, "normalization": "imagenet"}
    given = {
        "tokenizer": tokenizer,
        "encoder": encoder,
        "resolution": RESOLUTION,
        "projector": {"type": "pixel-shuffle"},
        "image_token": CONTEXT,
        "template": "chatml-img",
    }
    model, processor = toy_model(**(given | changes))
    model.save_pretrained(directory / "omma")
    processor.save_pretrained(directory / "omma")
    return model, processor


def test_there_and_back_are_the_same_weights(
    toy_model: Make, framed: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    model, processor = _omma(toy_model, framed, tmp_path)
    there_and_back(model, tmp_path)
    assert OmmaProcessor.from_pretrained(tmp_path / "again").chat_template == processor.chat_template


def test_the_published_size_maps_key_by_key() -> None:
    """InternVL-Chat-V1.5: 45 blocks of InternViT-6B and a language model of 20B."""
    vision = {"model_type": "internvl_vision", "hidden_size": 3200, "num_hidden_layers": 45, "num_attention_heads": 25}
    vision |= {"intermediate_size": 12800, **LARGE}
    text = {"model_type": "llama", "vocab_size": 92553, "hidden_size": 6144, "num_hidden_layers": 48}
    text |= {"num_attention_heads": 48, "num_key_value_heads": 8, "intermediate_size": 16384}
    settings = InternVLConfig(vision_config=vision, text_config=text, tie_word_embeddings=False)
    config = OmmaConfig(
        resolution={"type": "closest-aspect", "size": 448},
        encoder={"type": "transformers", "architecture": vision, "tap": "final"},
        projector={"type": "pixel-shuffle"},
        backbone={"type": "transformers", "architecture": text},
    )
    with torch.device("meta"):
        model = OmmaForConditionalGeneration(config)
    every_key_maps(settings, model)
    assert sum(weight.numel() for weight in model.parameters()) == 25_514_186_112


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"downsample_ratio": 5e-324}, r"downsample_ratio: expected one divided by a whole number, found 5e-324"),
        ({"downsample_ratio": 0.3}, r"downsample_ratio: expected one divided by a whole number, found 0.3"),
        ({"vision_feature_select_strategy": "full"}, r"vision_feature_select_strategy: expected 'default'"),
        ({"vision_feature_layer": [-2, -1]}, r"vision_feature_layer: expected one layer"),
    ],
    ids=str,
)
def test_contradictions_are_refused(
    internvl: MakeInternVL, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    _, directory = internvl()
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(BadInput, match=message) as caught:
        import_transformers(directory, tmp_path / "omma")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "omma").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"template": "chatml"}, r"template: expected one with pictures between <img> and </img>, .* found chatml"),
        ({"resolution": RESOLUTION | {"thumbnail": False}}, r"resolution.thumbnail: expected True"),
        ({"projector": {"type": "pixel-shuffle", "norm": False}}, r"projector.norm: expected True"),
        ({"vision": VISION | {"use_mean_pooling": False}, "tap": -1}, r"encoder.tap: expected 'final'"),
        ({"projector": {"type": "mlp"}}, r"projector: expected pixel-shuffle, which InternVL.* can hold, found mlp"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_named(
    toy_model: Make, framed: PreTrainedTokenizerFast, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    _omma(toy_model, framed, tmp_path, **changes)
    with pytest.raises(BadInput, match=message):
        export_transformers(tmp_path / "omma", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_checkpoints_are_refused(internvl: MakeInternVL, tmp_path: Path, damage: str) -> None:
    _, directory = internvl()
    check_refused(directory, tmp_path / "omma", damage)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_patches": 10**9}, r"max_patches: expected at most 4096, found 1000000000"),
        ({"min_patches": 7}, r"min_patches: expected at most max_patches, 6, found 7"),
        ({"max_patches": 0}, r"max_patches: expected a positive number, found 0"),
        ({"size": {"height": 35, "width": 35}}, r"vision_config.image_size to be the image processor's size, 35"),
    ],
    ids=str,
)
def test_image_processors_of_another_kind_are_refused(
    internvl: MakeInternVL, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    _, directory = internvl()
    path = directory / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(BadInput, match=message):
        import_transformers(directory, tmp_path / "omma")
