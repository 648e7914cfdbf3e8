"""Emu3 checkpoints in and out: what is read and what is drawn are rows of codes, whose vectors are the last of the vocabulary."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import (
    AutoProcessor,
    Emu3Config,
    Emu3ForConditionalGeneration,
    Emu3ImageProcessor,
    Emu3Processor,
    PreTrainedTokenizerFast,
)

from model.interop.agreement import AGREED
from model.interop.damages import DAMAGES, check_refused, edit
from omma.data.sample import Role, Turn, user
from omma.errors import BadInput
from omma.model import OmmaConfig, OmmaForConditionalGeneration
from omma.model.drawing import PictureDrawer
from omma.model.interop import export_transformers, import_transformers
from omma.model.interop.emu3 import READING, Emu3
from omma.model.interop.names import OMMA, shapes_of
from omma.model.loading import load_model
from omma.model.templates import EMU3
from omma.parts.painters.base import Dice, Sampling

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")

MakeEmu3 = Callable[..., tuple[Any, Path]]
PROMPTS = ["<image><image> what are these?", "no picture", "how <image> many?", "<image>"]
ASKED = (user("draw a red ring"),)
CODES, SIDE = 20, 3
VQ = {
    "codebook_size": CODES, "embed_dim": 4, "latent_channels": 4, "base_channels": 32, "channel_multiplier": [1, 1, 1, 2],
    "num_res_blocks": 1, "attn_resolutions": [3], "hidden_size": 64, "temporal_downsample_factor": 2,
}  # fmt: skip
TEXT = {
    "hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
}  # fmt: skip
ROLES = {
    "image_token": "<image>", "boi_token": EMU3.begins, "eoi_token": EMU3.ends, "image_wrapper_token": EMU3.announces,
    "eof_token": EMU3.closes,
}  # fmt: skip


def code_token(code: int) -> str:
    return f"<|visual token {code:06d}|>"


@pytest.fixture(scope="module")
def tokenizer(byte_level: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """With tokens of codes, not in their order, behind all others."""
    made = PreTrainedTokenizerFast(
        tokenizer_object=type(byte_level.backend_tokenizer).from_str(byte_level.backend_tokenizer.to_str()),
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens=ROLES,
    )
    made.add_special_tokens({"bos_token": "<|extra_203|>"})
    made.add_tokens([code_token(7 * code % CODES) for code in range(CODES)], special_tokens=True)
    return made


@pytest.fixture
def emu3(tmp_path: Path, tokenizer: PreTrainedTokenizerFast, spread_weights: Callable[[torch.nn.Module], None]) -> MakeEmu3:
    """A function that saves an Emu3 model with random weights and its processor."""

    def make(*, tied: bool = False) -> tuple[Any, Path]:
        ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
        config = Emu3Config(
            vq_config=VQ,
            text_config={**TEXT, **ids, "vocab_size": len(tokenizer), "tie_word_embeddings": tied},
            vocabulary_map=tokenizer.get_vocab(),
            tie_word_embeddings=tied,
        )
        model = Emu3ForConditionalGeneration(config).eval()
        spread_weights(model)
        images = Emu3ImageProcessor(image_mean=[0.5] * 3, image_std=[0.5] * 3, min_pixels=500, max_pixels=1200)
        model.save_pretrained(tmp_path / "emu3")
        Emu3Processor(images, tokenizer).save_pretrained(tmp_path / "emu3")
        edit(tmp_path / "emu3" / "processor_config.json", lambda data: data.update(image_area=(8 * SIDE) ** 2))
        return model, tmp_path / "emu3"

    return make


@torch.no_grad()
def reading_difference(theirs: Any, their_processor: Any, model_dir: Path, pictures: Sequence[Image.Image]) -> float:
    """Largest difference of the logits of words and of codes.

    There, pictures of several sizes are filled up, and what fills them changes the codes near it: here all have one size.
    """
    ours, processor = load_model(model_dir)
    same = [picture.resize((40, 24)) for picture in pictures]
    inputs = processor(images=same, text=PROMPTS, return_tensors="pt")
    expected = their_processor(images=same, text=PROMPTS, return_tensors="pt", padding=True, padding_side="left")
    image, row_end = processor.image_token_id, processor.tokenizer.convert_tokens_to_ids(EMU3.row_end)
    ids = inputs["input_ids"].where(inputs["input_ids"] != row_end, image)
    assert ids.tolist() == expected["input_ids"].tolist(), "there, row ends are written as pictures are"
    torch.testing.assert_close(inputs["pixel_values"], expected["pixel_values"].float(), atol=1e-5, rtol=0)
    codes = ours.image_tokenizer.codes(inputs["pixel_values"])
    assert len(codes.unique()) > 5
    wanted = theirs(**expected).logits
    hidden = ours.get_decoder()(
        inputs_embeds=ours.embed(inputs["input_ids"], ours.image_vectors(inputs["pixel_values"])),
        attention_mask=inputs["attention_mask"],
    ).last_hidden_state
    ids_of_codes = [processor.tokenizer.convert_tokens_to_ids(code_token(code)) for code in range(CODES)]
    found = ours(**inputs).logits
    real = inputs["attention_mask"].bool()
    assert wanted.std() > 0.1 and found.shape[-1] == wanted.shape[-1] - CODES
    words = (found[real] - wanted[real][:, : found.shape[-1]]).abs().max()
    drawn = (ours.painter.head.predict(hidden)[real] - wanted[real][:, ids_of_codes]).abs().max()  # type: ignore[union-attr]
    return float(max(words, drawn))


def drawn_there(model: Any, processor: Any, scale: float) -> list[list[int]]:
    """The likeliest codes of what is asked for, as the authors draw: with what they compare with, and row ends in their places."""
    options = {"return_for_image_generation": True, "ratio": "1:1", "image_area": (8 * SIDE) ** 2, "return_tensors": "pt"}
    asked, other = (processor(text=[text], **options)["input_ids"] for text in (ASKED[0].text, EMU3.undesired))
    codes = [processor.tokenizer.convert_tokens_to_ids(code_token(code)) for code in range(CODES)]
    row_end = processor.tokenizer.convert_tokens_to_ids(EMU3.row_end)

    def allowed(batch: int, ids: torch.Tensor) -> list[int]:
        return [row_end] if (len(ids) - asked.shape[1]) % (SIDE + 1) == SIDE else codes

    made = model.generate(
        asked,
        attention_mask=torch.ones_like(asked),
        negative_prompt_ids=other,
        negative_prompt_attention_mask=torch.ones_like(other),
        guidance_scale=scale,
        prefix_allowed_tokens_fn=allowed,
        max_new_tokens=SIDE * (SIDE + 1) - 1,
        do_sample=False,
        eos_token_id=None,
    )[:, asked.shape[1] :]
    return [[codes.index(token) for token in row if token != row_end] for row in made.tolist()]


@pytest.mark.parametrize("tied", [False, True])
def test_an_imported_model_reads_the_same(
    emu3: MakeEmu3, tmp_path: Path, pictures: list[Image.Image], tied: bool
) -> None:
    model, directory = emu3(tied=tied)
    import_transformers(directory, tmp_path / "omma")
    theirs = AutoProcessor.from_pretrained(directory)
    assert reading_difference(model, theirs, tmp_path / "omma", pictures) <= AGREED
    ours, processor = load_model(tmp_path / "omma")
    assert processor.template == "emu3-gen"
    inputs = processor(images=pictures[:1], text="<image> what?", return_tensors="pt")
    expected = theirs(images=pictures[:1], text=["<image> what?"], return_tensors="pt")
    never = [theirs.tokenizer.convert_tokens_to_ids(code_token(code)) for code in range(CODES)]
    never += [ours.config.image_token_id, ours.config.announcing_token_id]
    settings: dict[str, Any] = {"max_new_tokens": 8, "do_sample": False, "eos_token_id": None}
    wanted = model.generate(**expected, **settings, suppress_tokens=never)[0, -8:]
    assert ours.generate(**inputs, **settings)[0, -8:].tolist() == wanted.tolist()


def test_an_imported_model_draws_the_same(emu3: MakeEmu3, tmp_path: Path) -> None:
    model, directory = emu3()
    import_transformers(directory, tmp_path / "omma")
    theirs = AutoProcessor.from_pretrained(directory)
    ours, processor = load_model(tmp_path / "omma")
    drawer = PictureDrawer(ours, processor)
    different = []
    for scale in (3.0, 1.5):
        # Theirs of u + s (c - u) is one less here.
        *_, found = drawer.codes([ASKED], seeds=[0], sampling=Sampling(guidance=scale - 1, top_k=1))
        assert found.tolist() == drawn_there(model, theirs, scale)
        different.append(len(found.unique()))
    assert max(different) > 3
    picture = drawer.draw([ASKED], seeds=[0], sampling=Sampling(guidance=0.5, top_k=1))[0]
    with torch.no_grad():
        painted = model.model.vqmodel.decode(found.view(1, SIDE, SIDE))
    again = ((painted[0].permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255)
    assert (torch.tensor(list(picture.getdata())).view(8 * SIDE, 8 * SIDE, 3) - again).abs().max() <= 1


def test_what_is_learned_is_what_is_drawn(emu3: MakeEmu3, tmp_path: Path) -> None:
    """Codes of a lesson have the chances that they have when they are drawn one after another, row ends between them."""
    _, directory = emu3()
    import_transformers(directory, tmp_path / "omma")
    ours, processor = load_model(tmp_path / "omma")
    painter: Any = ours.painter
    assert painter.slots == SIDE * (SIDE + 1) - 1 and painter.codes == SIDE**2
    *_, codes = PictureDrawer(ours, processor).codes([ASKED], seeds=[0], sampling=Sampling(top_k=1))
    canvas = processor.renderer.render_canvas((*ASKED, Turn(Role.ASSISTANT, ())), painter.slots, painter.grid)
    said = torch.from_numpy(canvas.input_ids[: -painter.slots])
    assert canvas.labels[-painter.slots] == processor.tokenizer.convert_tokens_to_ids(EMU3.announces)
    embed = ours.get_input_embeddings()
    with torch.no_grad():
        lesson = painter.lesson(codes, embed(torch.tensor([ours.config.announcing_token_id])), Dice([0]))
        hidden = ours.get_decoder()(inputs_embeds=torch.cat([embed(said)[None], lesson.slots], dim=1)).last_hidden_state
        row_end = embed(torch.tensor(processor.tokenizer.convert_tokens_to_ids(EMU3.row_end)))
        assert torch.equal(lesson.slots[0, SIDE + 1], row_end) and torch.equal(lesson.slots[0, 2 * SIDE + 2], row_end)
        slots = hidden[:, -painter.slots :]
        told = [row * (SIDE + 1) + column for row in range(SIDE) for column in range(SIDE)]
        assert torch.equal(painter.head.predict(slots[:, told]).argmax(-1), codes)
        wanted = torch.nn.functional.cross_entropy(painter.head.predict(slots[0, told]), codes[0])
        torch.testing.assert_close(painter.losses(slots, codes, lesson)[0], wanted)


@pytest.mark.parametrize("tied", [False, True])
def test_there_and_back(emu3: MakeEmu3, tmp_path: Path, pictures: list[Image.Image], tied: bool) -> None:
    model, directory = emu3(tied=tied)
    import_transformers(directory, tmp_path / "omma")
    assert export_transformers(tmp_path / "omma", tmp_path / "out") == "Emu3ForConditionalGeneration"
    again = Emu3ForConditionalGeneration.from_pretrained(tmp_path / "out").eval()
    assert {n: t.tolist() for n, t in again.state_dict().items()} == {n: t.tolist() for n, t in model.state_dict().items()}
    exported = AutoProcessor.from_pretrained(tmp_path / "out")
    assert reading_difference(again, exported, tmp_path / "omma", pictures) <= AGREED
    import_transformers(tmp_path / "out", tmp_path / "back")
    first, last = (json.loads((tmp_path / place / "config.json").read_text()) for place in ("omma", "back"))
    assert first == last


def test_the_published_size_maps_key_by_key() -> None:
    words = 151_854
    codes = {code_token(code): words + code for code in range(32_768)}
    settings = Emu3Config(vocabulary_map=codes | {"<image>": 151_646, EMU3.row_end: 151_846})
    kind = Emu3()
    text = kind.text(settings)
    assert text.vocab_size == words
    config = OmmaConfig(
        resolution={"type": "pixel-budget", "patch": 8, **READING},
        encoder={"type": "codes", "width": 4096, "patch": 8},
        projector={"type": "identity"},
        backbone={"type": "transformers", "architecture": text.to_dict()},
        image_tokenizer={
            "type": "quantized-autoencoder",
            "network": {"type": "movq", "width": 4},
            "quantizer": {"type": "vq", "codes": 32_768, "width": 4, "decay": None},
            "bridge": None,
        },
        painter={"type": "raster", "canvas": {"type": "crop-square", "size": 720}, "places": False, "row_ends": True},
        drawing_token_id=151_851,
        row_end_token_id=151_846,
    )
    with torch.device("meta"):
        model = OmmaForConditionalGeneration(config)
    assert model.painter is not None and model.painter.codes == 8_100
    names, rows = kind.names(settings), kind.rows(settings)
    theirs = shapes_of(lambda: kind.model_class(settings), where="there")
    ours = {str(OMMA.common(name)): tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    for name, one in rows.items():
        assert ours.pop(name) == (32_768, 4096)
        ours[one.whole] = one.shape_whole(ours[one.whole])
    assert {names.common(name): kind.shape_here(str(names.common(name)), shape) for name, shape in theirs.items()} == ours
    assert sum(p.numel() for p in model.parameters()) == 8_762_751_807


def _map(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    return lambda directory: edit(directory / "config.json", lambda config: change(config["vocabulary_map"]))


def _images(**changes: Any) -> Callable[[Path], None]:
    return lambda directory: edit(directory / "processor_config.json", lambda config: config["image_processor"].update(changes))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_map(lambda m: m.pop(code_token(3))), r"vocabulary_map: expected tokens of all codes of pictures, found 19 without the code 3"),
        (_map(lambda m: m.update({code_token(3): m[code_token(4)]})), r"vocabulary_map: expected a different id for each code"),
        (_map(lambda m: m.update({name: m[name] - 9 for name in m if "visual" in name})), r"expected codes as the last of \d+ tokens"),
        (_map(lambda m: m.update({EMU3.row_end: 9})), r"tokenizer\.json: expected the ids of codes and of <\|extra_200\|>"),
        (lambda d: edit(d / "config.json", lambda c: c["vq_config"].update(codebook_size=9)), r"codebook_size: expected 20"),
        (lambda d: edit(d / "tokenizer_config.json", lambda c: c.update(eof_token="</s>")), r"<\|extra_201\|> as the eof_token"),
        (_images(image_mean=[0.4] * 3), r"image_mean and image_std"),
        (_images(spatial_factor=16), r"spatial_factor: expected 8"),
        (_images(min_pixels=-1), r"min_pixels: expected a positive number"),
        (_images(min_pixels=5000), r"at least 5000 pixels as the most"),
    ],
)  # fmt: skip
def test_contradictions_are_refused(emu3: MakeEmu3, tmp_path: Path, damage: Callable[[Path], None], message: str) -> None:
    _, directory = emu3()
    damage(directory)
    with pytest.raises(BadInput, match=message) as caught:
        import_transformers(directory, tmp_path / "omma")
    assert "\n" not in str(caught.value) and not (tmp_path / "omma").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["painter"].update(places=True), r"painter\.places: expected False"),
        (lambda c: c["resolution"].update(closing=""), r"resolution\.opening, row_end and closing: expected "),
        (lambda c: c["painter"]["head"].update(bias=True), r"painter\.head\.bias: expected False"),
        (lambda c: c["backbone"]["architecture"].update(vocab_size=9), r"vocab_size: expected \d+, so that 20 codes are the last"),
        (lambda c: c.update(template="plain"), r"template: expected "),
    ],
)
def test_what_does_not_fit_is_named(
    emu3: MakeEmu3, tmp_path: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    _, directory = emu3()
    import_transformers(directory, tmp_path / "omma")
    edit(tmp_path / "omma" / "config.json", change)
    with pytest.raises(BadInput, match=message):
        export_transformers(tmp_path / "omma", tmp_path / "out")


# Its config knows no other language model, whatever config.json calls it.
@pytest.mark.parametrize("damage", sorted({*DAMAGES} - {"another width", "another language model"}))
def test_damaged_checkpoints_are_refused(emu3: MakeEmu3, tmp_path: Path, damage: str) -> None:
    _, directory = emu3()
    check_refused(directory, tmp_path / "omma", damage)
