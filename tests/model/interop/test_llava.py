"""LLaVA checkpoints in and out: the same logits on both sides, and one clear sentence for what cannot be."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
)

from omma.errors import BadInput
from omma.model import OmmaForConditionalGeneration, OmmaProcessor
from omma.model.interop import export_transformers, import_llava
from omma.model.interop.llava_pixels import to_transformers
from omma.model.templates import TEMPLATES
from omma.parts.encoders.base import NORMALIZATIONS

Make = Callable[..., tuple[OmmaForConditionalGeneration, OmmaProcessor]]
MakeLlava = Callable[..., tuple[LlavaForConditionalGeneration, Path]]
PROMPTS = ["<image><image> what are these?", "no picture", "USER: <image>\nhow many? ASSISTANT:"]


@pytest.fixture
def llava(
    tmp_path: Path,
    byte_level: PreTrainedTokenizerFast,
    vision_config: Callable[[str], PreTrainedConfig],
    text_config: Callable[..., PreTrainedConfig],
    spread_weights: Callable[[torch.nn.Module], None],
) -> MakeLlava:
    """A function that saves a LLaVA model with random weights, its tokenizer and its processor."""

    def make(
        *,
        vision: str = "clip",
        text: str = "llama",
        resolution: str = "crop-square",
        chat_template: str | None = None,
        tied: bool = False,
        shard: str = "1GB",
        **changes: Any,
    ) -> tuple[LlavaForConditionalGeneration, Path]:
        tower = vision_config(vision)
        strategy = changes.pop("vision_feature_select_strategy", "default" if vision == "clip" else "full")
        config = LlavaConfig(
            vision_config=tower.to_dict(),
            text_config=text_config(text, byte_level, tie_word_embeddings=tied).to_dict(),
            image_token_index=byte_level.convert_tokens_to_ids("<image>"),
            vision_feature_select_strategy=strategy,
            tie_word_embeddings=tied,
            **changes,
        )
        model = LlavaForConditionalGeneration(config).eval()
        spread_weights(model)
        directory = tmp_path / "llava"
        model.save_pretrained(directory, max_shard_size=shard)
        byte_level.save_pretrained(directory)
        images = to_transformers(resolution, 28, *NORMALIZATIONS["clip" if vision == "clip" else "half"])
        processor = {
            "processor_class": "LlavaProcessor",
            "image_processor": images,
            "patch_size": 7,
            "vision_feature_select_strategy": strategy,
            "num_additional_image_tokens": int(vision == "clip"),
        }
        (directory / "processor_config.json").write_text(json.dumps(processor))
        template = TEMPLATES["vicuna-v1"].jinja() if chat_template is None else chat_template
        (directory / "chat_template.jinja").write_text(template)
        return model, directory

    return make


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
@pytest.mark.parametrize("vision", ["clip", "siglip"])
def test_an_imported_model_gives_the_same_logits(
    llava: MakeLlava, tmp_path: Path, pictures: list[Image.Image], vision: str, text: str
) -> None:
    resolution = "crop-square" if vision == "clip" else "stretch-square"
    model, directory = llava(vision=vision, text=text, resolution=resolution, tied=text == "qwen2")
    import_llava(directory, tmp_path / "omma")
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
    import_llava(directory, tmp_path / "omma")
    assert _difference(model, AutoProcessor.from_pretrained(directory), tmp_path / "omma", pictures) <= 1e-4


@pytest.mark.parametrize("text", ["llama", "mistral", "qwen2", "qwen3"])
@pytest.mark.parametrize("vision", ["clip", "siglip"])
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
        vision=vision, text=text, tokenizer=tokenizer, resolution=resolution, text_changes=tied
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
    import_llava(tmp_path / "llava", tmp_path / "again")
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
    import_llava(directory, tmp_path / "omma")
    processor = AutoProcessor.from_pretrained(tmp_path / "omma")
    assert (processor.template, processor.system) == (name, system)


def test_a_foreign_chat_template_is_kept(llava: MakeLlava, tmp_path: Path) -> None:
    foreign = "{% for m in messages %}[{{ m.role }}] {% for c in m.content %}{{ c.text }}{% endfor %}{% endfor %}"
    _, directory = llava(chat_template=foreign)
    import_llava(directory, tmp_path / "omma")
    processor = AutoProcessor.from_pretrained(tmp_path / "omma")
    assert processor.chat_template == foreign
    chat = [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
    assert processor.tokenizer.decode(processor.apply_chat_template(chat, tokenize=True)[0]) == "[user] hi"


def _edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def _tensors(directory: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    tensors = load_file(directory / "model.safetensors")
    change(tensors)
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _pickled(directory: Path) -> None:
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")


def _outside(directory: Path) -> None:
    index = {"weight_map": {"a": "../elsewhere.safetensors"}}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))


PROJECTOR = "multi_modal_projector.linear_1.weight"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: (d / "config.json").unlink(), r"config.json: .* no such file"),
        (lambda d: (d / "config.json").write_text("{"), r"config.json: expected JSON"),
        (lambda d: (d / "config.json").write_text("[" * 100_000), r"config.json: expected JSON"),
        (lambda d: (d / "config.json").write_text("[]"), r"config.json: expected a JSON object"),
        (lambda d: _edit(d / "config.json", lambda c: c.update(model_type="blip")), r"model_type: expected llava"),
        (
            lambda d: _edit(d / "config.json", lambda c: c["text_config"].update(model_type="gpt2")),
            r"text_config.model_type: expected one of llama, mistral, qwen2, qwen3, found 'gpt2'",
        ),
        (
            lambda d: _edit(d / "config.json", lambda c: c["vision_config"].update(model_type="dinov2")),
            r"vision_config.model_type: expected one of clip_vision_model, siglip_vision_model",
        ),
        (
            lambda d: _edit(d / "config.json", lambda c: c["text_config"].update(num_hidden_layers=10**9)),
            r"expected as many layers as \d+ stored tensors can make, found 1000000003",
        ),
        (
            lambda d: _edit(d / "config.json", lambda c: c["text_config"].update(hidden_size=96)),
            r"expected the shape .* that config.json gives it",
        ),
        (
            lambda d: _edit(d / "config.json", lambda c: c["text_config"].update(hidden_size=-1)),
            r"config.json",
        ),
        (
            lambda d: _edit(d / "config.json", lambda c: c.update(vision_feature_layer=[-2, -1])),
            r"vision_feature_layer: expected one layer",
        ),
        (
            lambda d: _edit(d / "config.json", lambda c: c.update(vision_feature_layer=9)),
            r"tap: expected an index into 4 hidden states",
        ),
        (
            lambda d: _edit(d / "config.json", lambda c: c.update(quantization_config={"bits": 4})),
            r"found quantized ones",
        ),
        (
            lambda d: _edit(d / "config.json", lambda c: c.update(image_token_index=10**6)),
            r"tokenizer.json: expected a token for image_token_index 1000000",
        ),
        (lambda d: (d / "model.safetensors").unlink(), r"expected model.safetensors or .*, found neither"),
        (_pickled, r"found pytorch_model.bin, a pickle, which could run any code"),
        (lambda d: _truncate(d / "model.safetensors"), r"expected a whole safetensors file, found a damaged one"),
        (lambda d: (d / "model.safetensors").write_bytes(b""), r"expected a whole safetensors file"),
        (_outside, r"found '../elsewhere.safetensors'; do not trust"),
        (lambda d: _tensors(d, lambda t: t.pop(PROJECTOR)), rf"found without {PROJECTOR}"),
        (
            lambda d: _tensors(d, lambda t: t.update(extra=torch.zeros(1))),
            r"only weights that config.json describes, found more: extra",
        ),
        (
            lambda d: _tensors(d, lambda t: t.update({PROJECTOR: t[PROJECTOR].to(torch.int8)})),
            r"expected one of the dtypes F32, F16, BF16, found I8",
        ),
        (
            lambda d: _tensors(d, lambda t: t.update({PROJECTOR: t[PROJECTOR][:, :5].contiguous()})),
            r"expected the shape \[48, 32\] that config.json gives it, found \[48, 5\]",
        ),
        (lambda d: (d / "tokenizer.json").unlink(), r"tokenizer.json: .* no such file"),
        (lambda d: (d / "tokenizer.json").write_text("{}"), r"tokenizer.json: expected a tokenizer"),
        (lambda d: (d / "processor_config.json").unlink(), r"preprocessor_config.json: .* no such file"),
        (
            lambda d: _edit(d / "processor_config.json", lambda c: c["image_processor"].update(resample=0)),
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
        import_llava(directory, tmp_path / "omma")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    assert [path.name for path in tmp_path.iterdir()] == ["llava"]


def test_a_missing_shard_is_named(llava: MakeLlava, tmp_path: Path) -> None:
    _, directory = llava(shard="20KB")
    shard = sorted(directory.glob("model-*.safetensors"))[1]
    shard.unlink()
    with pytest.raises(BadInput, match=rf"{shard.name}: expected a whole safetensors file, found no such file"):
        import_llava(directory, tmp_path / "omma")


@pytest.mark.parametrize(
    ("projector", "found"), [({"type": "linear"}, "'linear'"), ({"type": "mlp", "depth": 3}, "'mlp' of depth 3")]
)
def test_a_projector_that_llava_has_not_cannot_be_exported(
    toy_model: Make, tmp_path: Path, projector: dict[str, Any], found: str
) -> None:
    model, processor = toy_model(projector=projector)
    model.save_pretrained(tmp_path / "omma")
    processor.save_pretrained(tmp_path / "omma")
    with pytest.raises(BadInput, match=f"expected an MLP of depth 2, the only projector .* found {found}"):
        export_transformers(tmp_path / "omma", tmp_path / "llava")
    assert not (tmp_path / "llava").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: _edit(d / "config.json", lambda c: c.update(model_type="llava")), r"model_type: expected omma"),
        (lambda d: _edit(d / "config.json", lambda c: c.update(projector=None)), r"found none for projector"),
        (lambda d: (d / "tokenizer.json").unlink(), r"expected the processor and tokenizer of a saved model"),
        (lambda d: _truncate(d / "model.safetensors"), r"expected a whole safetensors file"),
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
        import_llava(directory, tmp_path / "taken")
    assert (tmp_path / "taken" / "model.safetensors").is_file()


def test_half_precision_stays_half(llava: MakeLlava, tmp_path: Path) -> None:
    model, directory = llava()
    model.to(torch.bfloat16).save_pretrained(directory)
    import_llava(directory, tmp_path / "omma")
    again = AutoModelForImageTextToText.from_pretrained(tmp_path / "omma", dtype="auto")
    assert again.dtype == torch.bfloat16
