"""BLIP-2 checkpoints in and out: the same pixels, tokens and logits on both sides."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import (
    AutoProcessor,
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2Processor,
    OPTConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from model.interop.agreement import AGREED, difference, every_key_maps, same_answers, there_and_back
from model.interop.damages import DAMAGES, check_refused
from omma.errors import BadInput
from omma.model import OmmaConfig, OmmaForConditionalGeneration, OmmaProcessor
from omma.model.interop import export_transformers, import_transformers

Make = Callable[..., tuple[OmmaForConditionalGeneration, OmmaProcessor]]
MakeBlip2 = Callable[..., tuple[Blip2ForConditionalGeneration, Path]]
QUESTIONS = ["Question: what is this? Answer:", "a picture of", "Question: how many circles are there?"]
OURS = [f"<image>{question}" for question in QUESTIONS]
"""The other processor puts the picture before the words, and even before the begin-of-sequence token, by itself."""
VISION = {
    "model_type": "blip_2_vision_model",
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 28,
    "patch_size": 7,
}
QFORMER = {
    "model_type": "blip_2_qformer",
    "hidden_size": 24,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "layer_norm_eps": 1e-12,
}


def _opt(tokenizer: PreTrainedTokenizerFast, **changes: Any) -> OPTConfig:
    settings: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 48,
        "word_embed_proj_dim": 48,
        "ffn_dim": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 128,
    }
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    return OPTConfig(**(settings | ids | changes))


@pytest.fixture
def blip_2(
    tmp_path: Path,
    llama_like: PreTrainedTokenizerFast,
    byte_level: PreTrainedTokenizerFast,
    text_config: Callable[..., PreTrainedConfig],
    spread_weights: Callable[[torch.nn.Module], None],
) -> MakeBlip2:
    """A function that saves a BLIP-2 model with random weights and its processor."""

    def make(*, text: str = "opt", tied: bool = True) -> tuple[Blip2ForConditionalGeneration, Path]:
        tokenizer = llama_like if text == "opt" else byte_level
        changes = {"tie_word_embeddings": tied}
        decoder = _opt(tokenizer, **changes) if text == "opt" else text_config(text, tokenizer, **changes)
        config = Blip2Config(
            vision_config=VISION,
            qformer_config=QFORMER,
            text_config=decoder.to_dict(),
            num_query_tokens=5,
            image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        )
        model = Blip2ForConditionalGeneration(config).eval()
        spread_weights(model)
        directory = tmp_path / "blip_2"
        model.save_pretrained(directory)
        images = BlipImageProcessorPil(size={"height": 28, "width": 28})
        Blip2Processor(images, tokenizer, num_query_tokens=5).save_pretrained(directory)
        return model, directory

    return make


def _same(theirs: Any, processor: Any, model_dir: Path, pictures: list[Image.Image]) -> None:
    assert isinstance(processor, Blip2Processor)
    # Padding stands behind: the other processor would put it between the picture and the words.
    found = difference(theirs, processor, model_dir, pictures[:3], QUESTIONS, our_prompts=OURS, side="right")
    assert found <= AGREED
    assert same_answers(theirs, processor, model_dir, pictures[:1], QUESTIONS[0], our_prompt=OURS[0])


@pytest.mark.parametrize(("text", "tied"), [("opt", True), ("opt", False), ("llama", False)])
def test_an_imported_model_is_the_same(
    blip_2: MakeBlip2, tmp_path: Path, pictures: list[Image.Image], text: str, tied: bool
) -> None:
    model, directory = blip_2(text=text, tied=tied)
    import_transformers(directory, tmp_path / "omma")
    _same(model, AutoProcessor.from_pretrained(directory), tmp_path / "omma", pictures)
    assert AutoProcessor.from_pretrained(tmp_path / "omma").template == "blip-2"


def _omma(
    toy_model: Make, tokenizer: PreTrainedTokenizerFast, directory: Path, **changes: Any
) -> tuple[OmmaForConditionalGeneration, OmmaProcessor]:
    given: dict[str, Any] = {
        "tokenizer": tokenizer,
        "resolution": "stretch-square",
        "encoder": {"type": "transformers", "architecture": VISION, "tap": "final", "cls": "keep"},
        "projector": {"type": "q-former", "queries": 5, "architecture": QFORMER},
        "backbone": {"type": "transformers", "architecture": _opt(tokenizer).to_diff_dict() | {"model_type": "opt"}},
        "template": "blip-2",
    }
    model, processor = toy_model(**(given | changes))
    model.save_pretrained(directory / "omma")
    processor.save_pretrained(directory / "omma")
    return model, processor


def test_an_exported_model_is_the_same(
    toy_model: Make, llama_like: PreTrainedTokenizerFast, tmp_path: Path, pictures: list[Image.Image]
) -> None:
    _omma(toy_model, llama_like, tmp_path)
    assert export_transformers(tmp_path / "omma", tmp_path / "out") == "Blip2ForConditionalGeneration"
    theirs = Blip2ForConditionalGeneration.from_pretrained(tmp_path / "out").eval()
    _same(theirs, AutoProcessor.from_pretrained(tmp_path / "out"), tmp_path / "omma", pictures)


def test_there_and_back_are_the_same_weights(
    toy_model: Make, llama_like: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    model, _ = _omma(toy_model, llama_like, tmp_path)
    there_and_back(model, tmp_path)


def test_the_published_size_maps_key_by_key() -> None:
    """With OPT-2.7B."""
    text = {"model_type": "opt", "vocab_size": 50272, "hidden_size": 2560, "word_embed_proj_dim": 2560}
    text |= {"ffn_dim": 10240, "num_hidden_layers": 32, "num_attention_heads": 32}
    settings = Blip2Config(text_config=text)
    config = OmmaConfig(
        resolution={"type": "stretch-square", "size": 224},
        encoder={
            "type": "transformers",
            "architecture": {"model_type": "blip_2_vision_model"},
            "tap": "final",
            "cls": "keep",
        },
        projector={"type": "q-former"},
        backbone={"type": "transformers", "architecture": text},
    )
    with torch.device("meta"):
        model = OmmaForConditionalGeneration(config)
    every_key_maps(settings, model)
    assert sum(weight.numel() for weight in model.parameters()) == 3_744_679_936


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("config.json", {"image_token_index": None}, r"expected a token for the image token's id None"),
        ("config.json", {"image_token_index": 4}, r"image_token_index: expected the id of the token <image>"),
        ("config.json", {"num_query_tokens": 6}, r"query_tokens: expected the shape \[1, 6, 24\]"),
        ("processor_config.json", {"do_center_crop": True, "crop_size": 20}, r"size: expected a square"),
        ("processor_config.json", {"size": {"shortest_edge": 28}, "crop_size": 28, "do_center_crop": True}, r"stretched"),
    ],
    ids=str,
)
def test_contradictions_are_refused(
    blip_2: MakeBlip2, tmp_path: Path, file: str, changes: dict[str, Any], message: str
) -> None:
    _, directory = blip_2()
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
        ({"template": "vicuna-v1"}, r"template: expected one that puts pictures before .*, found vicuna-v1"),
        (
            {"encoder": {"type": "transformers", "architecture": VISION, "tap": "final", "cls": "drop"}},
            r"encoder.cls: expected keep",
        ),
        (
            {
                "encoder": {
                    "type": "transformers",
                    "architecture": VISION,
                    "tap": "final",
                    "cls": "keep",
                    "scale": 2.0,
                }
            },
            r"encoder.scale: expected 1",
        ),
        (
            {"encoder": {"type": "transformers", "architecture": VISION, "tap": "final", "cls": "keep", "also": 1}},
            r"encoder.also: expected none, since Blip2ForConditionalGeneration reads one hidden state, found 1",
        ),
        ({"projector": {"type": "resampler", "queries": 4}}, r"projector: expected q-former, which Blip2"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_named(
    toy_model: Make, llama_like: PreTrainedTokenizerFast, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    _omma(toy_model, llama_like, tmp_path, **changes)
    with pytest.raises(BadInput, match=message):
        export_transformers(tmp_path / "omma", tmp_path / "out")


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_checkpoints_are_refused(blip_2: MakeBlip2, tmp_path: Path, damage: str) -> None:
    _, directory = blip_2()
    check_refused(directory, tmp_path / "omma", damage)
