"""A vision-language model whose language model has an encoder: learned, packed, written, drawn and saved as any other one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from omma.data.sample import ImageSegment, Role, Sample, TextSegment, Turn, user
from omma.errors import BadInput
from omma.model.answering import ModelAnswerer
from omma.model.composition import Composition
from omma.model.drawing import PictureDrawer
from omma.model.loading import load_model
from omma.model.processing import processor_of
from omma.model.saving import save_composition
from omma.model.shared_prefix import SharedPrefix
from omma.objectives import OBJECTIVES
from omma.parts.attention import AttentionPlan
from omma.parts.backbones.sides import SLOT
from omma.parts.painters.base import Dice, Sampling
from toy_drawing import WAYS, drawer_of, drawing_model
from toy_training import MODEL, assert_close, gradients, samples, step_of, toy_model

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")

ARCHITECTURE: dict[str, Any] = {
    "model_type": "omma_unified_io2", "vocab_size": 1112, "hidden_size": 32, "intermediate_size": 48, "num_encoder_layers": 2,
    "num_hidden_layers": 2, "num_attention_heads": 2, "image_side": 4, "drawn_side": 8, "answer_token_id": 1104, "eos_token_id": 2,
    "pad_token_id": 0,
}  # fmt: skip
TOKENS = ["<answer>", "<img>", "</img>"]


def parts(**architecture: Any) -> dict[str, Any]:
    backbone = {**MODEL["backbone"], "architecture": {**ARCHITECTURE, **architecture}, "tokens": TOKENS}
    return {"backbone": backbone, "template": "unified-io-2"}


def model_of() -> Composition:
    return drawing_model("raster", **parts())


def image(number: int) -> Any:
    return samples(number + 1)[number].images[0]


PROMPTS = [(user("draw a star"),), (user("draw two large blue circles and a small red heart"),), (user("draw a ring"),)]


def interleaved() -> Sample:
    said = (TextSegment("here: "), ImageSegment(image(0)), TextSegment("and "), ImageSegment(image(1)))
    return Sample(
        "interleaved",
        (
            user("draw two pictures"), Turn(Role.ASSISTANT, said, learn=True),
            user(image(2), "what is it?"), Turn(Role.ASSISTANT, (TextSegment("a star"),), learn=True),
        ),
    )  # fmt: skip


def test_packed_is_unpacked() -> None:
    model = model_of()
    several = [*samples(3, task="draw"), *samples(2, turns=2), interleaved()]
    made = [
        OBJECTIVES.parse({"type": "drawing", "row_tokens": row, "micro_tokens": micro, "closing": 1.0}, where="o").build(model=model)
        for row, micro in ((16, 16), (4096, 16384))
    ]
    (losses, found), (packed_losses, packed_found) = (gradients(model, one, step_of(one, several), learn="[lp]*") for one in made)
    assert packed_losses == pytest.approx(losses, rel=1e-5)
    assert_close(packed_found, found, relative=1e-4)
    assert all(gradient.abs().max() > 0 for name, gradient in found.items() if "encoder.layers" in name or "painter" in name)


@torch.no_grad()
def test_cached_as_uncached() -> None:
    """Codes drawn step by step are those of one pass over everything, and guidance compares with a sentence that asks for nothing."""
    model = model_of()
    vlm, painter = model.vlm, model.painter
    assert vlm is not None and painter is not None and model.tokenizer is not None
    sampling = Sampling(top_k=9, temperature=0.9)
    shown = (user(image(0), "draw it again"),)
    *_, codes = drawer_of(model).codes([PROMPTS[1], shown], seeds=[7, 8], sampling=sampling)
    rendered = model.renderer().render_canvas((*shown, Turn(Role.ASSISTANT, ())), painter.slots)
    ids = torch.from_numpy(rendered.input_ids)[None]
    start = vlm.get_input_embeddings()(torch.tensor([vlm.config.announcing_token_id]))
    lesson = painter.lesson(codes[1:], start, Dice([0]))
    pixels = processor_of(vlm.config, model.tokenizer).image_processor([image(0)], return_tensors="pt")
    embeds = vlm.embed(ids, vlm.image_vectors(**pixels))
    embeds[:, -painter.slots :] = lesson.slots
    with vlm.routing(ids):
        plan = AttentionPlan.causal(torch.zeros_like(ids))
        hidden = vlm.get_decoder()(inputs_embeds=embeds, attention_mask=plan.dense()).last_hidden_state
    logits = painter.head.predict(hidden[:, -painter.slots :])
    assert torch.equal(Dice([8]).choose(sampling.filtered(logits)), codes[1:])
    unasked = model.renderer().render_unasked(shown, painter.slots).input_ids
    assert model.tokenizer.decode(unasked[unasked != SLOT]) == "An image of a random picture.<answer>"
    assert model.tokenizer.convert_ids_to_tokens(int(rendered.labels[-painter.slots])) == "<img>"


@pytest.mark.parametrize("guidance", [0.0, 1.5])
def test_alone_as_beside_others(guidance: float) -> None:
    model, sampling = model_of(), Sampling(guidance=guidance, top_k=9)
    *_, together = drawer_of(model).codes(PROMPTS, seeds=[3, 4, 5], sampling=sampling)
    for number, prompt in enumerate(PROMPTS):
        *_, codes = drawer_of(model).codes([prompt], seeds=[3 + number], sampling=sampling)
        assert torch.equal(codes[0], together[number])
    *_, other = drawer_of(model).codes(PROMPTS[1:2], seeds=[3], sampling=sampling)
    assert not torch.equal(other[0], together[0])


@torch.no_grad()
def greedy(model: Composition, ids: Tensor, vectors: Tensor | None, count: int) -> list[int]:
    """Asked again for every token, without a cache."""
    vlm = model.vlm
    assert vlm is not None
    start = ids.shape[1]
    for _ in range(count):
        logits = vlm(input_ids=ids, image_vectors=vectors, logits_to_keep=1).logits[:, -1]
        logits[:, [vlm.config.image_token_id, vlm.config.announcing_token_id]] = -torch.inf
        ids = torch.cat([ids, logits.argmax(-1, keepdim=True)], dim=1)
        if int(ids[0, -1]) == 2:
            break
    return ids[0, start:].tolist()


@torch.no_grad()
def test_generation_is_greedy() -> None:
    """A conversation with pictures on both sides, and a short question, together and from a cache; by beams, too."""
    model = model_of()
    vlm, tokenizer = model.vlm, model.tokenizer
    assert vlm is not None and tokenizer is not None
    turns = (*interleaved().turns[:2], user(image(2), "what is it?"))
    rows = [model.renderer().render_turns(asked, for_generation=True).input_ids for asked in (turns, (user("hello"),))]
    processor = processor_of(vlm.config, tokenizer)
    vectors = vlm.image_vectors(**processor.image_processor([image(n) for n in range(3)], return_tensors="pt"))
    longest = max(map(len, rows))
    ids = torch.stack([torch.nn.functional.pad(torch.from_numpy(row), (longest - len(row), 0)) for row in rows])
    mask = torch.stack([torch.arange(longest) >= longest - len(row) for row in rows]).long()
    written = vlm.generate(
        input_ids=ids, attention_mask=mask, image_vectors=vectors, max_new_tokens=8, do_sample=False, pad_token_id=0, eos_token_id=2
    )
    for row, found, seen in zip(rows, written[:, longest:].tolist(), (vectors, None), strict=True):
        expected = greedy(model, torch.from_numpy(row)[None], seen, 8)
        assert found[: len(expected)] == expected
    beams = [
        vlm.generate(input_ids=ids[:1], image_vectors=vectors, max_new_tokens=5, num_beams=3, do_sample=False, use_cache=cached)
        for cached in (True, False)
    ]
    assert beams[0].tolist() == beams[1].tolist()


def test_beginnings_are_not_shared() -> None:
    """A picture's tokens see the question behind them: what one prompt made of it is of no use to another one."""
    model = model_of()
    vlm = model.vlm
    assert vlm is not None and model.tokenizer is not None
    asked = [Sample(str(n), (user(image(0), f"is it {what}?"),)) for n, what in enumerate(("red", "a large circle", "blue"))]
    rows = [model.renderer().render(one, for_generation=True).input_ids for one in asked]
    assert SharedPrefix.of(vlm, rows, ["same"] * 3) is None
    answerer = ModelAnswerer(vlm, processor_of(vlm.config, model.tokenizer), max_new_tokens=4)
    together = [output.text for output in answerer.answer(asked)]
    assert together == [answerer.answer([one])[0].text for one in asked]


def test_saved_and_loaded(tmp_path: Path) -> None:
    model = model_of()
    before = drawer_of(model).draw(PROMPTS[:2], seeds=[1, 2])
    save_composition(model, tmp_path, dtype=torch.float32)
    loaded, processor = load_model(tmp_path)
    after = PictureDrawer(loaded, processor).draw(PROMPTS[:2], seeds=[1, 2])
    assert [picture.tobytes() for picture in before] == [picture.tobytes() for picture in after]
    assert loaded.language_model.lm_head.weight is loaded.language_model.model.embed_tokens.weight


def test_what_does_not_fit() -> None:
    with pytest.raises(BadInput) as error:
        toy_model(**parts(image_side=5))
    assert str(error.value) == (
        "model.backbone.architecture.image_side: expected pictures that are 5 x 5 tokens, one view each, found 16 of pad-square; "
        "change it, or choose a strategy such as stretch-square."
    )
    with pytest.raises(BadInput, match="of closest-aspect; change it"):
        toy_model(**parts(), resolution={"type": "closest-aspect", "size": 32, "max_tiles": 4})
    with pytest.raises(BadInput, match="a painter with slots for 5 x 5 codes, found 64 slots of raster"):
        toy_model(**parts(drawn_side=5), **WAYS["raster"])
    with pytest.raises(BadInput, match=r"model\.expert: expected none, for a language model that takes its tokens apart, found partial-lora"):
        toy_model(**parts(), expert={"type": "partial-lora", "rank": 2})
    with pytest.raises(BadInput, match="expected 1104, the id of <answer> in the template unified-io-2, found 7"):
        toy_model(**parts(answer_token_id=7)).renderer()
    with pytest.raises(BadInput) as error:
        toy_model(**parts() | {"template": "vicuna-v1"}).renderer()
    assert str(error.value) == (
        "template: expected a chat format in which a token each begins and ends answers, for a language model with an encoder, "
        "found vicuna-v1, with 'ASSISTANT:'; use unified-io-2."
    )
    with pytest.raises(BadInput, match="prompt_share: expected 0, for a language model that encodes what is said to it"):
        OBJECTIVES.parse({"type": "language-modeling", "prompt_share": 0.1}, where="o").build(model=model_of())
