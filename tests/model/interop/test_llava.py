"""LLaVA checkpoints in and out: the same logits on both sides. What cannot be converted is in test_llava_damaged.py."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from model.interop.agreement import every_key_maps
from omma.model import OmmaConfig, OmmaForConditionalGeneration, OmmaProcessor
from omma.model.interop import export_transformers, import_transformers
from omma.model.templates import TEMPLATES

Make = Callable[..., tuple[OmmaForConditionalGeneration, OmmaProcessor]]
MakeLlava = Callable[..., tuple[LlavaForConditionalGeneration, Path]]
PROMPTS = ["<image><image> what are these?", "no picture", "USER: <image>\nhow many? ASSISTANT:"]


def _difference(
    theirs: LlavaForConditionalGeneration, their_processor: LlavaProcessor, model_dir: Path, pictures: list[Image.Image]
) -> float:
    """Largest difference of logits at real positions, each side with its own processor; a batch with padding."""
    ours = AutoModelForImageTextToText.from_pretrained(model_dir).float().eval()
    our_processor = AutoProcessor.from_pretrained(model_dir)
    assert isinstance(ours, OmmaForConditionalGeneration)
    inputs = our_processor(images=pictures[:3], text=PROMPTS, return_tensors="pt")
    their_processor.tokenizer.padding_side = "left"
    expected = their_processor(images=pictures[:3], text=PROMPTS, return_tensors="pt", padding=True)
    assert torch.equal(inputs["input_ids"], expected["input_ids"])
    assert torch.equal(inputs["attention_mask"], expected["attention_mask"])
    torch.testing.assert_close(inputs["pixel_values"], expected["pixel_values"], atol=1e-5, rtol=0)
    with torch.no_grad():
        found, wanted = ours(**inputs).logits, theirs(**{name: expected[name] for name in inputs}).logits
    assert wanted.std() > 0.1
    real = inputs["attention_mask"].bool()
    width = min(found.shape[-1], wanted.shape[-1])
    return float((found[real][:, :width] - wanted[real][:, :width]).abs().max())


@pytest.mark.parametrize("text", ["llama", "mistral", "qwen2", "qwen3"])
@pytest.mark.parametrize("vision", ["clip", "siglip", "focalnet"])
def test_an_imported_model_gives_the_same_logits(
    llava: MakeLlava, tmp_path: Path, pictures: list[Image.Image], vision: str, text: str
) -> None:
    resolution = "crop-square" if vision == "clip" else "stretch-square"
    model, directory = llava(vision=vision, text=text, resolution=resolution, tied=text == "qwen2")
    import_transformers(directory, tmp_path / "omma")
    assert _difference(model, AutoProcessor.from_pretrained(directory), tmp_path / "omma", pictures) <= 1e-4


@pytest.mark.parametrize(
    "changes",
    [
        {"vision_feature_layer": -1, "vision_feature_select_strategy": "full"},
        {"vision_feature_layer": [1]},
        {"projector_hidden_act": "gelu_new", "multimodal_projector_bias": False},
        {"resolution": "pad-square", "shard": "20KB"},
    ],
    ids=str,
)
def test_its_settings_are_imported(
    llava: MakeLlava, tmp_path: Path, pictures: list[Image.Image], changes: dict[str, Any]
) -> None:
    model, directory = llava(**changes)
    import_transformers(directory, tmp_path / "omma")
    assert _difference(model, AutoProcessor.from_pretrained(directory), tmp_path / "omma", pictures) <= 1e-4


@pytest.mark.parametrize("text", ["llama", "mistral", "qwen2", "qwen3"])
@pytest.mark.parametrize("vision", ["clip", "siglip", "focalnet"])
def test_an_exported_model_gives_the_same_logits(
    toy_model: Make,
    tmp_path: Path,
    pictures: list[Image.Image],
    byte_level: PreTrainedTokenizerFast,
    llama_like: PreTrainedTokenizerFast,
    vision: str,
    text: str,
) -> None:
    resolution = "pad-square" if text == "llama" else "stretch-square" if vision == "siglip" else "crop-square"
    tied = {"tie_word_embeddings": text == "qwen3"}
    tokenizer = llama_like if text in ("llama", "mistral") else byte_level
    model, processor = toy_model(
        vision=vision,
        text=text,
        tokenizer=tokenizer,
        resolution=resolution,
        text_changes=tied,
        scale=16.0 if vision == "siglip" else 1.0,
    )
    model.save_pretrained(tmp_path / "omma")
    processor.save_pretrained(tmp_path / "omma")
    export_transformers(tmp_path / "omma", tmp_path / "llava")
    theirs = LlavaForConditionalGeneration.from_pretrained(tmp_path / "llava").eval()
    exported = AutoProcessor.from_pretrained(tmp_path / "llava")
    assert isinstance(exported, LlavaProcessor)
    assert exported.chat_template == processor.chat_template
    assert _difference(theirs, exported, tmp_path / "omma", pictures) <= 1e-4


def test_there_and_back_are_the_same_weights(toy_model: Make, tmp_path: Path) -> None:
    model, processor = toy_model(cls="keep")
    model.save_pretrained(tmp_path / "omma")
    processor.save_pretrained(tmp_path / "omma")
    export_transformers(tmp_path / "omma", tmp_path / "llava")
    import_transformers(tmp_path / "llava", tmp_path / "again")
    again = OmmaForConditionalGeneration.from_pretrained(tmp_path / "again")
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in model.state_dict().items())
    assert again.config.resolution == model.config.resolution
    assert again.config.projector == again.config.parts()["projector"].to_dict()
    assert AutoProcessor.from_pretrained(tmp_path / "again").chat_template == processor.chat_template
    assert sorted(path.name for path in (tmp_path / "again").glob("*.safetensors")) == [
        "encoder.safetensors",
        "language_model.safetensors",
        "projector.safetensors",
    ]


def test_a_placeholder_outside_the_vocabulary_gets_rows_that_are_never_chosen(
    toy_model: Make, tmp_path: Path, pictures: list[Image.Image], byte_level: PreTrainedTokenizerFast
) -> None:
    image_token = byte_level.convert_tokens_to_ids("<image>")
    vocabulary = image_token  # the last id that the language model knows is the one before
    model, processor = toy_model(text_changes={"vocab_size": vocabulary, "pad_token_id": 0})
    model.save_pretrained(tmp_path / "omma")
    processor.save_pretrained(tmp_path / "omma")
    export_transformers(tmp_path / "omma", tmp_path / "llava")
    theirs = LlavaForConditionalGeneration.from_pretrained(tmp_path / "llava").eval()
    assert theirs.config.text_config.vocab_size == theirs.lm_head.out_features == vocabulary + 1
    assert theirs.generation_config.suppress_tokens == [image_token]
    ids = torch.tensor([[1] + [image_token] * 16 + [0, 1]])
    pixels = processor(images=pictures[0], text="<image>", return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        expected = model(input_ids=ids, pixel_values=pixels).logits
        found = theirs(input_ids=ids, pixel_values=pixels).logits[..., :vocabulary]
    assert (found - expected).abs().max() <= 1e-4


_ALONE = """
import sys
sys.modules["omma"] = None
import json, torch
from transformers import AutoModelForImageTextToText, AutoProcessor
model, processor = (cls.from_pretrained(sys.argv[1]) for cls in (AutoModelForImageTextToText, AutoProcessor))
chat = [{"role": "user", "content": [{"type": "image", "path": sys.argv[2]}, {"type": "text", "text": "what is it?"}]}]
inputs = processor.apply_chat_template(
    chat, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
)
with torch.no_grad():
    print(json.dumps({"ids": inputs["input_ids"][0].tolist(), "logits": model(**inputs).logits[0, -1].tolist()}))
"""


def test_an_exported_model_runs_without_omma(toy_model: Make, tmp_path: Path, pictures: list[Image.Image]) -> None:
    model, processor = toy_model()
    model.save_pretrained(tmp_path / "omma")
    processor.save_pretrained(tmp_path / "omma")
    export_transformers(tmp_path / "omma", tmp_path / "llava")
    pictures[0].save(tmp_path / "picture.png")
    arguments = [sys.executable, "-c", _ALONE, str(tmp_path / "llava"), str(tmp_path / "picture.png")]
    output = json.loads(subprocess.run(arguments, check=True, capture_output=True, text=True).stdout)
    chat = [
        {"role": "user", "content": [{"type": "image", "image": pictures[0]}, {"type": "text", "text": "what is it?"}]}
    ]
    inputs = processor.apply_chat_template(
        chat, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    assert output["ids"] == inputs["input_ids"][0].tolist()
    with torch.no_grad():
        torch.testing.assert_close(torch.tensor(output["logits"]), model(**inputs).logits[0, -1], atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["vicuna-v1", "vicuna-v0", "chatml"])
@pytest.mark.parametrize("system", [None, ""])
def test_known_chat_formats_are_recognised(llava: MakeLlava, tmp_path: Path, name: str, system: str | None) -> None:
    if name == "chatml" and system == "":
        pytest.skip("its own system text is empty already")
    _, directory = llava(chat_template=TEMPLATES[name].jinja(system=system))
    import_transformers(directory, tmp_path / "omma")
    processor = AutoProcessor.from_pretrained(tmp_path / "omma")
    assert (processor.template, processor.system) == (name, system)


def test_a_foreign_chat_template_is_kept(llava: MakeLlava, tmp_path: Path) -> None:
    foreign = "{% for m in messages %}[{{ m.role }}] {% for c in m.content %}{{ c.text }}{% endfor %}{% endfor %}"
    _, directory = llava(chat_template=foreign)
    import_transformers(directory, tmp_path / "omma")
    processor = AutoProcessor.from_pretrained(tmp_path / "omma")
    assert processor.chat_template == foreign
    chat = [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
    assert processor.tokenizer.decode(processor.apply_chat_template(chat, tokenize=True)[0]) == "[user] hi"


def test_half_precision_stays_half(llava: MakeLlava, tmp_path: Path) -> None:
    model, directory = llava()
    model.to(torch.bfloat16).save_pretrained(directory)
    import_transformers(directory, tmp_path / "omma")
    again = AutoModelForImageTextToText.from_pretrained(tmp_path / "omma", dtype="auto")
    assert again.dtype == torch.bfloat16


def test_the_published_size_maps_key_by_key() -> None:
    """LLaVA-1.5 7B, whose vocabulary the hub's port has grown by 64 rows."""
    settings = LlavaConfig(text_config={"model_type": "llama", "vocab_size": 32064})
    config = OmmaConfig(
        resolution={"type": "pad-square", "size": 336},
        encoder={"type": "transformers", "architecture": settings.vision_config.to_diff_dict()},
        projector={"type": "mlp"},
        backbone={"type": "transformers", "architecture": settings.text_config.to_diff_dict()},
    )
    with torch.device("meta"):
        model = OmmaForConditionalGeneration(config)
    every_key_maps(settings, model)
    assert sum(weight.numel() for weight in model.parameters()) == 7_062_902_784 + 2 * 64 * 4096
