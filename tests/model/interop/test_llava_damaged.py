"""LLaVA checkpoints and models that cannot be converted: one clear sentence for each, and nothing left behind."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlavaForConditionalGeneration

from model.interop.damages import edit, outside, tensors, truncate
from omma.errors import BadInput
from omma.model import OmmaForConditionalGeneration, OmmaProcessor
from omma.model.interop import export_transformers, import_transformers

Make = Callable[..., tuple[OmmaForConditionalGeneration, OmmaProcessor]]
MakeLlava = Callable[..., tuple[LlavaForConditionalGeneration, Path]]
PROJECTOR = "multi_modal_projector.linear_1.weight"


def _pickled(directory: Path) -> None:
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: (d / "config.json").unlink(), r"config.json: .* no such file"),
        (lambda d: (d / "config.json").write_text("{"), r"config.json: expected JSON"),
        (lambda d: (d / "config.json").write_text("[" * 100_000), r"config.json: expected JSON"),
        (lambda d: (d / "config.json").write_text("[]"), r"config.json: expected a JSON object"),
        (lambda d: edit(d / "config.json", lambda c: c.update(model_type="blip")), r"model_type: expected one of llava, llava_next"),
        (
            lambda d: edit(d / "config.json", lambda c: c["text_config"].update(model_type="gpt2")),
            r"text_config.model_type: expected one of llama, mistral, qwen2, qwen3, found 'gpt2'",
        ),
        (
            lambda d: edit(d / "config.json", lambda c: c["vision_config"].update(model_type="dinov2")),
            r"vision_config.model_type: expected one of clip_vision_model, siglip_vision_model",
        ),
        (
            lambda d: edit(d / "config.json", lambda c: c["text_config"].update(num_hidden_layers=10**9)),
            r"expected as many layers as \d+ stored tensors can make, found 1000000000",
        ),
        (
            lambda d: edit(d / "config.json", lambda c: c["text_config"].update(hidden_size=96)),
            r"expected the shape .* that config.json gives it",
        ),
        (
            lambda d: edit(d / "config.json", lambda c: c["text_config"].update(hidden_size=-1)),
            r"config.json",
        ),
        (
            lambda d: edit(d / "config.json", lambda c: c.update(vision_feature_layer=[-2, -1])),
            r"vision_feature_layer: expected one layer",
        ),
        (
            lambda d: edit(d / "config.json", lambda c: c.update(vision_feature_layer=9)),
            r"tap: expected an index into 4 hidden states",
        ),
        (
            lambda d: edit(d / "config.json", lambda c: c.update(quantization_config={"bits": 4})),
            r"found quantized ones",
        ),
        (
            lambda d: edit(d / "config.json", lambda c: c.update(image_token_index=10**6)),
            r"tokenizer.json: expected a token for the image token's id 1000000",
        ),
        (lambda d: (d / "model.safetensors").unlink(), r"expected model.safetensors or .*, found neither"),
        (_pickled, r"found pytorch_model.bin, a pickle, which could run any code"),
        (lambda d: truncate(d / "model.safetensors"), r"expected a whole safetensors file, found a damaged one"),
        (lambda d: (d / "model.safetensors").write_bytes(b""), r"expected a whole safetensors file"),
        (outside, r"found '../elsewhere.safetensors'; do not trust"),
        (lambda d: tensors(d, lambda t: t.pop(PROJECTOR)), rf"found without {PROJECTOR}"),
        (
            lambda d: tensors(d, lambda t: t.update(extra=torch.zeros(1))),
            r"only weights that config.json describes, found more: extra",
        ),
        (
            lambda d: tensors(d, lambda t: t.update({PROJECTOR: t[PROJECTOR].to(torch.int8)})),
            r"expected one of the dtypes F32, F16, BF16, found I8",
        ),
        (
            lambda d: tensors(d, lambda t: t.update({PROJECTOR: t[PROJECTOR][:, :5].contiguous()})),
            r"expected the shape \[48, 32\] that config.json gives it, found \[48, 5\]",
        ),
        (lambda d: (d / "tokenizer.json").unlink(), r"tokenizer.json: .* no such file"),
        (lambda d: (d / "tokenizer.json").write_text("{}"), r"tokenizer.json: expected a tokenizer"),
        (lambda d: (d / "processor_config.json").unlink(), r"preprocessor_config.json: .* no such file"),
        (
            lambda d: edit(d / "processor_config.json", lambda c: c["image_processor"].update(resample=0)),
            r"resample: expected 3",
        ),
        (lambda d: (d / "generation_config.json").write_text("{"), r"generation_config.json: expected JSON"),
    ],
)
def test_damaged_checkpoints_get_one_sentence_and_leave_nothing(
    llava: MakeLlava, tmp_path: Path, damage: Callable[[Path], Any], message: str
) -> None:
    _, directory = llava()
    damage(directory)
    with pytest.raises(BadInput, match=message) as caught:
        import_transformers(directory, tmp_path / "omma")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    assert [path.name for path in tmp_path.iterdir()] == ["llava"]


def test_a_missing_shard_is_named(llava: MakeLlava, tmp_path: Path) -> None:
    _, directory = llava(shard="20KB")
    shard = sorted(directory.glob("model-*.safetensors"))[1]
    shard.unlink()
    with pytest.raises(BadInput, match=rf"{shard.name}: expected a whole safetensors file, found no such file"):
        import_transformers(directory, tmp_path / "omma")


@pytest.mark.parametrize(
    ("projector", "message"),
    [
        (
            {"type": "resampler", "queries": 4},
            "projector: expected one of mlp, linear, which LlavaForConditionalGeneration can hold, found resampler",
        ),
        ({"type": "mlp", "depth": 3}, "projector: expected an MLP of depth 2 and one width, which .* found one of depth 3"),
    ],
)
def test_a_projector_that_llava_has_not_cannot_be_exported(
    toy_model: Make, tmp_path: Path, projector: dict[str, Any], message: str
) -> None:
    model, processor = toy_model(projector=projector)
    model.save_pretrained(tmp_path / "omma")
    processor.save_pretrained(tmp_path / "omma")
    with pytest.raises(BadInput, match=message):
        export_transformers(tmp_path / "omma", tmp_path / "llava")
    assert not (tmp_path / "llava").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: edit(d / "config.json", lambda c: c.update(model_type="llava")), r"model_type: expected omma"),
        (lambda d: edit(d / "config.json", lambda c: c.update(projector=None)), r"found none for projector"),
        (
            lambda d: edit(d / "config.json", lambda c: c.update(resolution={"type": "native", "patch": 7})),
            r"resolution: expected one of crop-square, pad-square, stretch-square, .* found native",
        ),
        (
            lambda d: edit(d / "config.json", lambda c: c["resolution"].update(size=35)),
            r"resolution.size: expected 28, the size that the encoder's positions are for.* found 35",
        ),
        (lambda d: (d / "tokenizer.json").unlink(), r"expected the processor and tokenizer of a saved model"),
        (lambda d: truncate(d / "model.safetensors"), r"expected a whole safetensors file"),
    ],
)
def test_damaged_models_are_not_exported(
    toy_model: Make, tmp_path: Path, damage: Callable[[Path], Any], message: str
) -> None:
    model, processor = toy_model()
    model.save_pretrained(tmp_path / "omma")
    processor.save_pretrained(tmp_path / "omma")
    damage(tmp_path / "omma")
    with pytest.raises(BadInput, match=message):
        export_transformers(tmp_path / "omma", tmp_path / "llava")


def test_a_directory_that_holds_something_is_left_alone(llava: MakeLlava, tmp_path: Path) -> None:
    _, directory = llava()
    shutil.copytree(directory, tmp_path / "taken")
    with pytest.raises(BadInput, match="expected a new or empty directory, found one with files in it"):
        import_transformers(directory, tmp_path / "taken")
    assert (tmp_path / "taken" / "model.safetensors").is_file()


def test_stages_without_end_are_refused_before_they_are_built(llava: MakeLlava, tmp_path: Path) -> None:
    _, directory = llava(vision="focalnet", resolution="stretch-square")
    edit(directory / "config.json", lambda c: c["vision_config"].update(depths=[10**9, 2]))
    with pytest.raises(BadInput, match=r"expected as many layers as \d+ stored tensors can make, found 1000000004"):
        import_transformers(directory, tmp_path / "omma")
