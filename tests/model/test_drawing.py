"""Drawing with a model: cached as uncached, alone as beside others, saved as before, words and pictures in turn, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForImageTextToText

from omma.data.sample import ImageSegment, Role, TextSegment, Turn, user
from omma.errors import BadInput
from omma.model.composition import Composition
from omma.model.drawing import PictureDrawer
from omma.model.interleaved import InterleavedAnswerer
from omma.model.loading import load_model
from omma.model.modeling import OmmaForConditionalGeneration
from omma.model.processing import processor_of
from omma.model.saving import save_composition
from omma.parts.attention import AttentionPlan
from omma.parts.base import validated
from omma.parts.painters.base import AS_LIKELY, Dice, Sampling
from omma.parts.painters.queries import QueryPainter
from omma.parts.painters.raster_to_end import RasterToEnd
from omma.parts.tokenizers import IMAGE_TOKENIZERS
from omma.parts.tokenizers.base import NO_CODE
from omma.recipe import ModelRecipe
from toy_drawing import CANVAS, DYNAMIC, EMBEDDINGS, FEATURES, NETWORK, ONE_BOOK, SCALES, WAYS, drawer_of, drawing_model
from toy_training import MODEL, samples, toy_model, toy_recipe

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")

PROMPTS = [(user("draw a star"),), (user("draw two large blue circles and a small red heart"),), (user("draw a ring"),)]


def codes_of(model: Composition, prompts: Any, seeds: list[int], sampling: Sampling = AS_LIKELY) -> torch.Tensor:
    *_, codes = drawer_of(model).codes(prompts, seeds=seeds, sampling=sampling)
    return codes


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("guidance", [0.0, 1.5])
def test_alone_as_beside_others(way: str, guidance: float) -> None:
    model, sampling = drawing_model(way), Sampling(guidance=guidance, top_k=9)
    together = codes_of(model, PROMPTS, [3, 4, 5], sampling)
    for number, prompt in enumerate(PROMPTS):
        assert torch.equal(codes_of(model, [prompt], [3 + number], sampling)[0], together[number])
    # What is asked for matters, and so does the seed.
    assert not torch.equal(codes_of(model, PROMPTS[1:2], [3], sampling)[0], together[0])
    assert not torch.equal(codes_of(model, PROMPTS[:1], [9], sampling)[0], together[0])


@torch.no_grad()
def test_queries_see_those_before_them_as_in_training() -> None:
    model = drawing_model("queries")
    vlm, painter = model.vlm, model.painter
    assert vlm is not None and isinstance(painter, QueryPainter)
    drawn = codes_of(model, PROMPTS[1:2], [7])
    ids = torch.from_numpy(model.renderer().render_canvas((*PROMPTS[1], Turn(Role.ASSISTANT, ())), painter.slots).input_ids)
    said, embed = ids[: -painter.slots], vlm.get_input_embeddings()
    lesson = painter.lesson(drawn, embed(torch.tensor([vlm.config.image_token_id])), Dice([0]))
    # Plainly causal: what the language model does when nobody says anything of it.
    hidden = vlm.get_decoder()(inputs_embeds=torch.cat([embed(said)[None], lesson.slots], dim=1)).last_hidden_state
    torch.testing.assert_close(painter.vectors(hidden[:, len(said) :]), drawn, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("way", ["next-scale", "raster", "raster-to-end"])
@torch.no_grad()
def test_cached_as_uncached(way: str) -> None:
    """The codes that are drawn step by step are those that one pass over everything would draw, up to the end if there is one."""
    model = drawing_model(way)
    vlm, painter = model.vlm, model.painter
    assert vlm is not None and painter is not None
    sampling = Sampling(top_k=9, temperature=0.9)
    codes = codes_of(model, PROMPTS[1:2], [7], sampling)
    ids = torch.from_numpy(model.renderer().render_canvas((*PROMPTS[1], Turn(Role.ASSISTANT, ())), painter.slots).input_ids)
    said, embed = ids[: -painter.slots], vlm.get_input_embeddings()
    count = int((codes != NO_CODE).sum())
    assert 3 < count < 14 or way != "raster-to-end"
    read = torch.nn.functional.pad(codes, (0, painter.slots - codes.shape[1] if way == "raster-to-end" else 0), value=NO_CODE)
    lesson = painter.lesson(read, embed(torch.tensor([vlm.config.image_token_id])), Dice([0]))
    blocks = torch.cat([torch.arange(len(said)), len(said) + painter.blocks()])[None]
    plan = AttentionPlan(torch.zeros_like(blocks), blocks)
    embedded = torch.cat([embed(said)[None], lesson.slots], dim=1)
    hidden = vlm.get_decoder()(inputs_embeds=embedded, attention_mask=plan.dense()).last_hidden_state[:, len(said) :]
    logits, dice = painter.head.predict(hidden), Dice([7])
    if isinstance(painter, RasterToEnd):
        logits[:, :3, painter.end] = -torch.inf
    again = [dice.choose(sampling.filtered(logits[:, painter.blocks() == block])) for block in painter.blocks().unique()]
    drawn = torch.cat(again, dim=1)
    assert torch.equal(drawn[:, :count], codes[:, :count])
    assert not isinstance(painter, RasterToEnd) or drawn[0, count] == painter.end


@pytest.mark.parametrize("way", WAYS | EMBEDDINGS)
def test_saved_and_loaded_it_draws_the_same(way: str, tmp_path: Path) -> None:
    model = drawing_model(way)
    before = drawer_of(model).draw(PROMPTS[:2], seeds=[1, 2])
    assert {picture.size for picture in before} == {(16, 16)}
    save_composition(model, tmp_path, dtype=torch.float32)
    assert {file.name for file in tmp_path.glob("*.safetensors")} >= {"image_tokenizer.safetensors", "painter.safetensors"}
    loaded, processor = load_model(tmp_path)
    after = PictureDrawer(loaded, processor).draw(PROMPTS[:2], seeds=[1, 2])
    assert model.vlm is not None
    buffers = dict(loaded.named_buffers())
    for name, buffer in model.vlm.named_buffers():
        assert torch.equal(buffers[name], buffer), name
    assert [picture.tobytes() for picture in before] == [picture.tobytes() for picture in after]
    assert AutoModelForImageTextToText.from_pretrained(tmp_path, dtype=torch.bfloat16).painter is not None


@pytest.mark.parametrize("way", WAYS | EMBEDDINGS)
def test_parts_initialise_themselves(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`transformers` asks a model to initialise its layers: a painter's and a tokenizer's have done so and are left as they are."""
    asked: set[int] = set()
    own = OmmaForConditionalGeneration._init_weights

    def watched(model: OmmaForConditionalGeneration, module: torch.nn.Module) -> None:
        asked.add(id(module))
        own(model, module)

    monkeypatch.setattr(OmmaForConditionalGeneration, "_init_weights", watched)
    model = toy_model(**(WAYS | EMBEDDINGS)[way])
    assert model.vlm is not None and model.painter is not None and model.image_tokenizer is not None
    assert any(id(module) in asked for module in model.vlm.projector.modules())
    for part in (model.painter, model.image_tokenizer):
        assert not any(id(module) in asked for module in part.modules())


def test_features_of_the_encoder_that_reads(tmp_path: Path) -> None:
    """An image tokenizer without an encoder of its own paints what one with a copy of the model's paints, and keeps no copy."""
    canvas = {"type": "stretch-square", "size": 32}
    painter = {"type": "regression", "canvas": canvas}
    copied = toy_model(image_tokenizer={**FEATURES, "encoder": MODEL["encoder"], "side": 16}, painter=painter)
    shared = toy_model(image_tokenizer={**FEATURES, "encoder": None, "side": 16}, painter=painter)
    assert copied.vlm is not None and shared.vlm is not None
    copied.image_tokenizer.encoder.load_state_dict(copied.encoder.state_dict())  # type: ignore[union-attr]
    tensors = copied.vlm.state_dict()
    assert not any(name.startswith("image_tokenizer.encoder.") for name in shared.vlm.state_dict())
    shared.vlm.load_state_dict({name: tensors[name] for name in shared.vlm.state_dict()})
    before = drawer_of(copied).draw(PROMPTS[:2], seeds=[1, 2])
    assert [picture.tobytes() for picture in drawer_of(shared).draw(PROMPTS[:2], seeds=[1, 2])] == [p.tobytes() for p in before]
    views = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    read = shared.image_tokenizer.read(views)  # type: ignore[union-attr]
    assert torch.equal(read, copied.image_tokenizer.read(views))  # type: ignore[union-attr]
    save_composition(shared, tmp_path, dtype=torch.float32)
    loaded, processor = load_model(tmp_path)
    assert torch.equal(loaded.image_tokenizer.read(views), read)
    after = PictureDrawer(loaded, processor).draw(PROMPTS[:2], seeds=[1, 2])
    assert [picture.tobytes() for picture in after] == [picture.tobytes() for picture in before]
    with pytest.raises(BadInput, match=r"encoder: expected an encoder, for an image tokenizer that is in no model that reads, found none"):
        IMAGE_TOKENIZERS.parse({**FEATURES, "encoder": None}, where="test").build()
    with pytest.raises(BadInput, match=r"cross_attention_dim: expected the width of what tells it what to paint, 32, found 24"):
        toy_model(image_tokenizer={**FEATURES, "encoder": None, "network": {**FEATURES["network"], "cross_attention_dim": 24}}, painter=painter)


def test_a_picture_in_the_prompt_is_seen() -> None:
    model = drawing_model("raster")
    first, second = (sample.images[0] for sample in samples(2))
    shown = [(user(image, "draw it again"),) for image in (first, second)]
    one, other = codes_of(model, shown, [1, 1])
    assert not torch.equal(one, other)
    assert torch.equal(codes_of(model, shown[1:], [1])[0], other)


def test_a_model_that_reads_begins_to_draw(tmp_path: Path) -> None:
    """From a checkpoint of one without, and from an image tokenizer of its own."""
    from omma.parts.tokenizers.saved import save_image_tokenizer
    from omma.training.run import build_model

    save_composition(toy_model(), tmp_path, dtype=torch.float32)
    tokenizer = drawing_model("raster").image_tokenizer
    assert tokenizer is not None
    (tmp_path / "tokenizer").mkdir()
    save_image_tokenizer(tokenizer, tmp_path / "tokenizer", dtype=torch.float32)
    parts = {**WAYS["raster"], "image_tokenizer": {**ONE_BOOK, "weights": str(tmp_path / "tokenizer")}}
    torch.manual_seed(5)
    model = build_model(toy_recipe(model={**parts, "from_checkpoint": str(tmp_path)}))
    assert model.image_tokenizer is not None and model.language_model is not None
    for name, tensor in tokenizer.state_dict().items():
        assert torch.equal(model.image_tokenizer.state_dict()[name], tensor), name
    for name, tensor in toy_model().language_model.state_dict().items():  # type: ignore[union-attr]
        assert torch.equal(model.language_model.state_dict()[name], tensor), name


def test_words_and_pictures_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the language model writes the image token, a picture is drawn that it goes on from; otherwise it never writes it."""
    model = drawing_model("next-scale")
    vlm, tokenizer = model.vlm, model.tokenizer
    assert vlm is not None and tokenizer is not None
    answerer = InterleavedAnswerer(vlm, processor_of(vlm.config, tokenizer), max_new_tokens=4, most_pictures=3)
    image, end, word = vlm.config.image_token_id, tokenizer.eos_token_id, tokenizer("star", add_special_tokens=False)["input_ids"][0]
    one = tokenizer.decode([word])
    wanted = iter([word, image, word, word, image, end])
    head = vlm.get_output_embeddings()

    def scripted(hidden: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros(*hidden.shape[:-1], vlm.config.text_config.vocab_size)
        logits[..., next(wanted)] = 9.0
        return logits

    monkeypatch.setattr(head, "forward", scripted)
    drawn: list[Turn] = []
    draw = answerer.drawer.draw

    def watched(conversations: Any, *, seeds: Any, sampling: Any) -> Any:
        drawn.append(conversations[0][-1])
        monkeypatch.setattr(head, "forward", type(head).forward.__get__(head))
        made = draw(conversations, seeds=seeds, sampling=sampling)
        monkeypatch.setattr(head, "forward", scripted)
        return made

    monkeypatch.setattr(answerer.drawer, "draw", watched)
    turn = answerer.answer([user("draw something")], seed=3)
    kinds = [type(segment) for segment in turn.content]
    assert kinds == [TextSegment, ImageSegment, TextSegment, ImageSegment]
    assert [segment.text.split() for segment in turn.content if isinstance(segment, TextSegment)] == [[one], [one * 2]]
    assert [len(before.content) for before in drawn] == [1, 3]
    sizes = {segment.image.size for segment in turn.content if isinstance(segment, ImageSegment)}
    assert sizes == {(16, 16)}


def test_generate_writes_no_pictures_unless_asked() -> None:
    model = drawing_model("raster")
    vlm = model.vlm
    assert vlm is not None
    image = vlm.config.image_token_id
    with torch.no_grad():
        vlm.get_input_embeddings().weight[image] *= 300
    inputs = torch.tensor([[5, 6, 7]])
    settings: dict[str, Any] = {"max_new_tokens": 12, "do_sample": True, "eos_token_id": 2}
    torch.manual_seed(0)
    assert image not in vlm.generate(inputs, **settings)[0, 3:]
    ended = [vlm.generate(inputs, announces=True, **settings)[0, 3:].tolist() for _ in range(8)]
    assert any(image in row for row in ended) and all(image not in row[:-1] for row in ended)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"image_tokenizer": ONE_BOOK, "painter": {"type": "next-scale", "canvas": CANVAS}},
            r"a quantizer of type multi-scale, for the painter next-scale, found vq",
        ),
        (
            {"image_tokenizer": SCALES, "painter": {"type": "next-scale", "canvas": {"type": "stretch-square", "size": 24}}},
            r"expected pictures of 8 x 8 vectors, as the last scale has, found 12 x 12",
        ),
        (
            {"image_tokenizer": {"type": "kl-autoencoder", "network": NETWORK}, "painter": WAYS["raster"]["painter"]},
            r"model\.image_tokenizer: expected one with codes, for the painter raster, found kl-autoencoder, without codes",
        ),
        (
            {"image_tokenizer": {**ONE_BOOK, "type": "quantized-encoder"}, "painter": WAYS["raster"]["painter"]},
            r"for the painter raster, found quantized-encoder, with 16 codes, which it cannot paint; use quantized-autoencoder",
        ),
        (
            {"image_tokenizer": DYNAMIC, "painter": WAYS["raster"]["painter"]},
            r"expected one with codes, for the painter raster, found dynamic, with 16 codes, not as many for every picture; use quant",
        ),
        (
            {"image_tokenizer": ONE_BOOK, "painter": WAYS["raster-to-end"]["painter"]},
            r"expected one with as many codes as a picture needs, for the painter raster-to-end, found quantized-autoencoder, with 16 codes",
        ),
        (
            {"image_tokenizer": DYNAMIC, "painter": EMBEDDINGS["dream-queries"]["painter"]},
            r"expected one with a diffusion network, for the painter dream-queries, found dynamic, with 16 codes",
        ),
        (
            {"image_tokenizer": ONE_BOOK, "painter": EMBEDDINGS["regression"]["painter"]},
            r"expected one that paints features of an encoder, for the painter regression, found quantized-autoencoder, with 16 codes",
        ),
        (
            {**WAYS["raster"], "image_token": "<picture>"},
            r"vocab_size: expected at least 1105, with room for the image token, which announces a picture that is drawn, found 1104",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused_with_both_numbers(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        toy_model(**change)


def test_a_painter_wants_all_parts() -> None:
    messages = {
        "image_tokenizer": "an image tokenizer and a backbone where there is a painter",
        "encoder": "a backbone of type classes exactly where there are a painter and no encoder",
    }
    for missing, message in messages.items():
        data = {**MODEL, **WAYS["raster"]}
        del data[missing]
        with pytest.raises(BadInput, match=message):
            validated(ModelRecipe, data, where="model")


def test_prompts_that_cannot_be_drawn() -> None:
    drawer = drawer_of(drawing_model("raster"))
    with pytest.raises(BadInput, match=r"prompt: expected what is to be drawn, in words, found nothing"):
        drawer.draw([(user("  "),)], seeds=[0])
    with pytest.raises(BadInput, match=r"prompt: expected at most \d+ tokens beside the 64 of the picture, found \d+; say it in fewer words"):
        drawer.draw([(user("draw " + "a star and " * 2000),)], seeds=[0])
    reading = toy_model()
    assert reading.vlm is not None and reading.tokenizer is not None
    with pytest.raises(BadInput, match=r"model: expected one that draws, .* found one that only reads"):
        PictureDrawer(reading.vlm, processor_of(reading.vlm.config, reading.tokenizer))


def test_steps_can_be_watched() -> None:
    model = drawing_model("next-scale")
    seen: list[tuple[int, int]] = []
    drawer = drawer_of(model)
    drawer.batch = 2
    pictures = drawer.draw(PROMPTS, seeds=[1, 2, 3], watch=lambda first, codes: seen.append((first, codes.shape[1])))
    assert seen == [(first, count) for first in (0, 2) for count in (1, 5, 21, 85)]
    assert len(pictures) == 3 and np.asarray(pictures[0]).std() > 0
