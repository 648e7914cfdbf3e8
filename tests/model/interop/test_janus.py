"""Janus checkpoints in and out: what is read, what is drawn, and what is drawn out of nothing asked for, as on the other side."""

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
    JanusConfig,
    JanusForConditionalGeneration,
    JanusProcessor,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
)
from transformers.models.janus.image_processing_pil_janus import JanusImageProcessorPil

from model.interop.agreement import AGREED, difference, every_key_maps, same_answers
from model.interop.damages import DAMAGES, check_refused
from omma.data.sample import Role, Turn, user
from omma.errors import BadInput
from omma.model import OmmaConfig, OmmaForConditionalGeneration
from omma.model.drawing import PictureDrawer
from omma.model.interop import export_transformers, import_transformers
from omma.model.loading import load_model
from omma.model.templates import DEEPSEEK_VL_SYSTEM, TEMPLATES
from omma.parts.painters.base import Dice, Sampling

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")

MakeJanus = Callable[..., tuple[Any, Path]]
PROMPTS = ["<image><image> what are these?", "no picture", "<|User|>: <image>\nhow many?\n\n<|Assistant|>:", "<image>"]
VISION = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "image_size": 28, "patch_size": 7}
CODES = {"embed_dim": 4, "num_embeddings": 20, "latent_channels": 8, "base_channels": 32, "channel_multiplier": [1, 2], "num_res_blocks": 1}
ASKED = (user("draw a red ring"),)


@pytest.fixture(scope="session")
def tokenizer(byte_level: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    roles = {"image_token": "<image>", "boi_token": "<begin_of_image>", "eoi_token": "<end_of_image>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=byte_level.backend_tokenizer, eos_token="</s>", pad_token="<pad>", extra_special_tokens=roles
    )


@pytest.fixture
def janus(
    tmp_path: Path,
    tokenizer: PreTrainedTokenizerFast,
    text_config: Callable[..., PreTrainedConfig],
    spread_weights: Callable[[torch.nn.Module], None],
) -> MakeJanus:
    """A function that saves a Janus model with random weights and its processor."""

    def make(*, told: bool = False, vision: dict[str, Any] | None = None, vq: dict[str, Any] | None = None) -> tuple[Any, Path]:
        width = {"projection_dim": 48}
        config = JanusConfig(
            text_config=text_config("llama", tokenizer).to_dict(),
            vision_config=VISION | width | {"num_image_tokens": 16} | (vision or {}),
            vq_config=CODES | width | {"image_token_embed_dim": 48} | (vq or {}),
            image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
            tie_word_embeddings=False,
        )
        model = JanusForConditionalGeneration(config).eval()
        spread_weights(model)
        model.generation_config.generation_kwargs = {"boi_token_id": tokenizer.convert_tokens_to_ids("<begin_of_image>")}
        model.generation_config.pad_token_id = tokenizer.pad_token_id
        images = JanusImageProcessorPil(size={"height": 28, "width": 28}, image_mean=[0.5] * 3, image_std=[0.5] * 3)
        processor = JanusProcessor(
            images, tokenizer, TEMPLATES["janus"].jinja(), use_default_system_prompt=told, num_image_tokens=16
        )
        model.save_pretrained(tmp_path / "janus")
        processor.save_pretrained(tmp_path / "janus")
        return model, tmp_path / "janus"

    return make


def asked_there(processor: Any) -> Tensor:
    """Ids of what is asked for there, up to what announces the picture."""
    said = [{"role": "user", "content": [{"type": "text", "text": ASKED[0].text}]}]
    prompt = processor.apply_chat_template(said, add_generation_prompt=True, tokenize=False)
    ids: Tensor = processor(text=[prompt], generation_mode="image", return_tensors="pt")["input_ids"]
    return ids


@torch.no_grad()
def drawing_difference(theirs: Any, their_processor: Any, directory: Path) -> float:
    """Largest difference of the logits of codes that are given one after another, behind the same words."""
    ours, processor = load_model(directory)
    painter: Any = ours.painter
    codes = torch.randint(20, (2, 16), generator=torch.Generator().manual_seed(3))
    before = asked_there(their_processor)
    drawn = theirs.prepare_embeddings_for_image_generation(codes[:, :-1])
    embedded = torch.cat([theirs.get_input_embeddings()(before).expand(2, -1, -1), drawn], dim=1)
    wanted = theirs.model.generation_head(theirs.model.language_model(inputs_embeds=embedded).last_hidden_state[:, -16:])
    canvas = processor.renderer.render_canvas((*ASKED, Turn(Role.ASSISTANT, ())), painter.slots)
    words = torch.from_numpy(canvas.input_ids[:-16])
    assert [*words.tolist(), canvas.labels[-16]] == before[0].tolist()
    start = ours.get_input_embeddings()(torch.full((2,), ours.config.announcing_token_id))
    slots = painter.lesson(codes, start, Dice([0, 1])).slots
    inputs = torch.cat([ours.get_input_embeddings()(words).expand(2, -1, -1), slots], dim=1)
    found = painter.head.predict(ours.get_decoder()(inputs_embeds=inputs).last_hidden_state[:, -16:])
    assert wanted.std() > 0.1
    return float((found - wanted).abs().max())


@pytest.mark.parametrize("told", [False, True])
def test_an_imported_model_reads_the_same(janus: MakeJanus, tmp_path: Path, pictures: list[Image.Image], told: bool) -> None:
    model, directory = janus(told=told)
    import_transformers(directory, tmp_path / "omma")
    theirs = AutoProcessor.from_pretrained(directory)
    system = f"{DEEPSEEK_VL_SYSTEM}\n\n" if told else ""
    ours = [system + prompt for prompt in PROMPTS]
    assert difference(model, theirs, tmp_path / "omma", pictures, PROMPTS, our_prompts=ours) <= AGREED
    assert same_answers(model, theirs, tmp_path / "omma", pictures[:2], PROMPTS[0], our_prompt=ours[0])
    processor = AutoProcessor.from_pretrained(tmp_path / "omma")
    assert processor.template == "janus" and processor.system == (DEEPSEEK_VL_SYSTEM if told else None)


def test_an_imported_model_draws_the_same(janus: MakeJanus, tmp_path: Path) -> None:
    model, directory = janus(told=True, vision={"depth": 3}, vq={"num_hidden_layers": 3})
    import_transformers(directory, tmp_path / "omma")
    theirs = AutoProcessor.from_pretrained(directory)
    assert drawing_difference(model, theirs, tmp_path / "omma") <= AGREED
    before = asked_there(theirs)
    ours, processor = load_model(tmp_path / "omma")
    drawer = PictureDrawer(ours, processor)
    # Theirs of u + s (c - u) is one less here; the likeliest code at every place.
    different = []
    for scale in (5.0, 1.5):
        wanted = model.generate(
            before, attention_mask=torch.ones_like(before), generation_mode="image", do_sample=False, guidance_scale=scale
        )
        *_, found = drawer.codes([ASKED], seeds=[0], sampling=Sampling(guidance=scale - 1, top_k=1))
        assert found.tolist() == wanted.tolist()
        different.append(len(found.unique()))
    assert max(different) > 3
    assert (drawer.draw([ASKED], seeds=[0], sampling=Sampling(top_k=1))[0]).size == (8, 8)


def test_there_and_back(janus: MakeJanus, tmp_path: Path, pictures: list[Image.Image]) -> None:
    """What is imported, exported and imported again; the middle is what transformers loads."""
    model, directory = janus(told=True)
    import_transformers(directory, tmp_path / "omma")
    assert export_transformers(tmp_path / "omma", tmp_path / "out") == "JanusForConditionalGeneration"
    again = JanusForConditionalGeneration.from_pretrained(tmp_path / "out").eval()
    assert {name: t.tolist() for name, t in again.state_dict().items()} == {n: t.tolist() for n, t in model.state_dict().items()}
    exported = AutoProcessor.from_pretrained(tmp_path / "out")
    assert exported.chat_template == AutoProcessor.from_pretrained(directory).chat_template
    ours = [f"{DEEPSEEK_VL_SYSTEM}\n\n{prompt}" for prompt in PROMPTS]
    assert difference(again, exported, tmp_path / "omma", pictures, PROMPTS, our_prompts=ours) <= AGREED
    assert drawing_difference(again, exported, tmp_path / "omma") <= AGREED
    import_transformers(tmp_path / "out", tmp_path / "back")
    first, last = (json.loads((tmp_path / place / "config.json").read_text()) for place in ("omma", "back"))
    assert first == last


LLAMA_7B = {"model_type": "llama", "vocab_size": 102400, "hidden_size": 4096, "num_hidden_layers": 30, "num_attention_heads": 32}
LLAMA_7B |= {"intermediate_size": 11008}


def test_the_published_size_maps_key_by_key() -> None:
    width = {"projection_dim": 4096}
    settings = JanusConfig(
        text_config=LLAMA_7B, vision_config=width, vq_config=width | {"image_token_embed_dim": 4096}, tie_word_embeddings=False
    )
    tower = settings.vision_config.to_dict()
    config = OmmaConfig(
        resolution={"type": "fit-square", "size": 384},
        encoder={"type": "transformers", "architecture": tower, "tap": "final", "cls": "none", "normalization": "half"},
        projector={"type": "mlp"},
        backbone={"type": "transformers", "architecture": LLAMA_7B},
        image_tokenizer={
            "type": "quantized-autoencoder",
            "network": {"type": "convolutional"},
            "quantizer": {"type": "vq", "codes": 16384, "width": 8, "unit": True, "decay": None},
        },
        painter={"type": "raster", "canvas": {"type": "crop-square", "size": 384}, "head": {"type": "mlp"}, "places": False},
    )
    with torch.device("meta"):
        model = OmmaForConditionalGeneration(config)
    every_key_maps(settings, model)
    assert model.painter is not None and model.painter.codes == 576
    assert sum(weight.numel() for weight in model.image_tokenizer.parameters()) == 71_883_403  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("config", {"vq_config": {"double_latent": True}}, r"vq_config, double_latent: expected False"),
        ("config", {"vq_config": {"projection_dim": 32}}, r"vq_config\.projection_dim: expected 48"),
        ("config", {"vision_config": {"num_image_tokens": 9}}, r"vision_config\.num_image_tokens: expected 16"),
        ("config", {"text_config": {"vocab_size": 7}}, r"vocab_size: expected at least \d+, with room for the image token, which announces"),
        ("config", {"vq_config": {"num_hidden_layers": 99999}}, r"expected as many layers as \d+ stored tensors can make, found 99999"),
        ("tokenizer_config", {"boi_token": "<img>"}, r"the token <begin_of_image> as the boi_token of the processor, found <img>"),
        ("preprocessor_config", {"min_size": 7}, r"min_size: expected 14, found 7"),
    ],
    ids=str,
)
def test_contradictions_are_refused(janus: MakeJanus, tmp_path: Path, file: str, changes: dict[str, Any], message: str) -> None:
    _, directory = janus()
    path = directory / f"{file}.json"
    if file == "preprocessor_config":
        path = directory / "processor_config.json"
        changes = {"image_processor": changes}
    data = json.loads(path.read_text())
    for name, value in changes.items():
        data[name] = data[name] | value if isinstance(value, dict) else value
    path.write_text(json.dumps(data))
    with pytest.raises(BadInput, match=message):
        import_transformers(directory, tmp_path / "omma")
    assert not (tmp_path / "omma").exists()


@pytest.mark.parametrize(
    ("slot", "changes", "message"),
    [
        ("painter", {"announces": True}, r"painter\.announces: expected false, as nothing in transformers adds to a row, found true"),
        ("painter", {"places": True}, r"painter\.places: expected False, which JanusForConditionalGeneration has, found True"),
        ("painter", {"canvas": {"type": "crop-square", "size": 16}}, r"painter\.canvas\.size: expected 8, since .* 4 x 4, found 16"),
        ("image_tokenizer", {"bridge": 3}, r"image_tokenizer\.bridge: expected 1"),
        ("painter", {"head": {"type": "linear"}}, r"painter\.head\.type: expected 'mlp'"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_named(janus: MakeJanus, tmp_path: Path, slot: str, changes: dict[str, Any], message: str) -> None:
    _, directory = janus()
    import_transformers(directory, tmp_path / "omma")
    path = tmp_path / "omma" / "config.json"
    data = json.loads(path.read_text())
    data[slot] |= changes
    path.write_text(json.dumps(data))
    with pytest.raises(BadInput, match=message):
        export_transformers(tmp_path / "omma", tmp_path / "out")


@pytest.mark.parametrize("damage", sorted({*DAMAGES} - {"another width"}))
def test_damaged_checkpoints_are_refused(janus: MakeJanus, tmp_path: Path, damage: str) -> None:
    _, directory = janus()
    check_refused(directory, tmp_path / "omma", damage)
