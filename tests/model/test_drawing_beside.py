"""Learning to draw beside a language model that stays as it is: an expert for what is drawn, and a row of its own for when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from omma.data.sample import Role, Turn, user
from omma.errors import BadInput
from omma.model.composition import Composition, compose
from omma.model.drawing import PictureDrawer
from omma.model.interop.exporting import export_transformers
from omma.model.loading import load_model
from omma.model.saving import save_composition
from omma.objectives import OBJECTIVES
from omma.parts.attention import AttentionPlan
from omma.parts.base import validated
from omma.parts.painters.base import Dice, Sampling
from omma.recipe import ModelRecipe
from toy_drawing import CANVAS, ONE_BOOK, WAYS, drawer_of
from toy_training import MODEL, gradients, samples, step_of, toy_model

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")

EXPERTS: dict[str, dict[str, Any]] = {
    "partial-lora": {"type": "partial-lora", "rank": 4, "dropout": 0.0, "pictures": "drawn"},
    "modality-experts": {"type": "modality-experts", "split": "all", "pictures": "drawn"},
}
PROMPTS = [(user("draw a star"),), (user("draw two large blue circles"),)]


def beside(way: str, expert: str, **painter: Any) -> Composition:
    """A toy model that draws in that way; what stands beside its language model has learned something."""
    torch.manual_seed(3)
    parts = WAYS[way]
    made = toy_model(**{**parts, "painter": {**parts["painter"], "announces": True, **painter}}, expert=EXPERTS[expert]).eval()
    assert made.expert is not None and made.painter is not None
    made.expert.begin()
    with torch.no_grad():
        for part in (made.expert, made.painter):
            for parameter in part.parameters():
                parameter.add_(0.3 * torch.randn(parameter.shape))
    return made


def read_by(model: Composition) -> Tensor:
    """Logits of a prompt with a picture in it."""
    vlm = model.vlm
    assert vlm is not None
    ids = torch.tensor([[5, 6, *[vlm.config.image_token_id] * 16, 7, 8]])
    pixels = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return vlm(input_ids=ids, pixel_values=pixels).logits


@pytest.mark.parametrize("expert", EXPERTS)
@torch.no_grad()
def test_reading_and_speaking_stay_as_they_were(expert: str) -> None:
    model = beside("raster", expert)
    assert model.vlm is not None and model.painter is not None and model.painter.announcement is not None
    plain = toy_model(**WAYS["raster"]).eval()
    assert plain.vlm is not None
    own = model.vlm.state_dict()
    plain.vlm.load_state_dict({name: own[name] for name in plain.vlm.state_dict()})
    now, before = read_by(model), read_by(plain)
    announcing = model.vlm.config.announcing_token_id
    others = [token for token in range(now.shape[-1]) if token != announcing]
    assert torch.equal(now[..., others], before[..., others])
    assert not torch.equal(now[..., announcing], before[..., announcing])
    model.painter.announcement.difference.zero_()
    assert torch.equal(read_by(model), before)


@pytest.mark.parametrize("expert", EXPERTS)
@pytest.mark.parametrize("way", ["raster", "next-scale"])
@torch.no_grad()
def test_what_is_drawn_goes_through_the_expert(way: str, expert: str) -> None:
    """Step by step as in one pass over everything, alone as beside others."""
    model = beside(way, expert)
    vlm, painter, drawer, sampling = model.vlm, model.painter, drawer_of(model), Sampling(top_k=9)
    assert vlm is not None and painter is not None and model.expert is not None
    *_, codes = drawer.codes(PROMPTS, seeds=[1, 2], sampling=sampling)
    *_, alone = drawer.codes(PROMPTS[1:], seeds=[2], sampling=sampling)
    assert torch.equal(alone[0], codes[1])
    ids = torch.from_numpy(model.renderer().render_canvas((*PROMPTS[1], Turn(Role.ASSISTANT, ())), painter.slots).input_ids)
    said = len(ids) - painter.slots
    lesson = painter.lesson(alone, vlm.get_input_embeddings()(torch.tensor([vlm.config.announcing_token_id])), Dice([0]))
    blocks = torch.cat([torch.arange(said), said + painter.blocks()])[None]
    embedded = torch.cat([vlm.embed(ids[None, :said], None), lesson.slots], dim=1)
    with vlm.routing(ids[None]):
        mask = AttentionPlan(torch.zeros_like(blocks), blocks).dense()
        hidden = vlm.get_decoder()(inputs_embeds=embedded, attention_mask=mask).last_hidden_state[:, said:]
    logits, dice = painter.head.predict(hidden), Dice([2])
    again = [dice.choose(sampling.filtered(logits[:, painter.blocks() == block])) for block in painter.blocks().unique()]
    assert torch.equal(torch.cat(again, dim=1), alone)
    for parameter in model.expert.parameters():
        parameter.zero_()
    *_, without = drawer.codes(PROMPTS, seeds=[1, 2], sampling=sampling)
    assert not torch.equal(without, codes)


@pytest.mark.parametrize("expert", EXPERTS)
def test_only_what_stands_beside_it_learns(expert: str) -> None:
    model = beside("next-scale", expert)
    objective = OBJECTIVES.parse({"type": "drawing"}, where="test").build(model=model)
    step = step_of(objective, samples(3, task="draw"))
    for part in ("expert", "painter"):
        _, found = gradients(model, objective, step, learn=f"{part}.*")
        own = {f"{part}.{name}" for name, _ in getattr(model, part).named_parameters()}
        assert set(found) == own and all(gradient.abs().max() > 0 for gradient in found.values())


def test_when_to_draw_is_learned_by_one_row() -> None:
    model = beside("raster", "partial-lora")
    assert model.vlm is not None and model.painter is not None and model.painter.announcement is not None
    difference, announcing = model.painter.announcement.difference, model.vlm.config.announcing_token_id
    asked, other = torch.tensor([[5, 6, 7]]), torch.tensor([[5, 9, 11]])
    optimizer = torch.optim.Adam([difference], lr=0.1)
    for _ in range(60):
        optimizer.zero_grad()
        drawn, spoken = (model.vlm(input_ids=ids).logits[0, -1].log_softmax(-1)[announcing] for ids in (asked, other))
        (-drawn - torch.log1p(-spoken.exp().clamp(max=1 - 1e-6))).backward()
        optimizer.step()
    assert model.vlm(input_ids=asked).logits[0, -1].argmax() == announcing
    assert model.vlm(input_ids=other).logits[0, -1].argmax() != announcing


def test_saved_and_loaded_it_draws_the_same(tmp_path: Path) -> None:
    model = beside("next-scale", "partial-lora")
    before = drawer_of(model).draw(PROMPTS, seeds=[1, 2])
    save_composition(model, tmp_path, dtype=torch.float32)
    loaded, processor = load_model(tmp_path)
    after = PictureDrawer(loaded, processor).draw(PROMPTS, seeds=[1, 2])
    assert [picture.tobytes() for picture in before] == [picture.tobytes() for picture in after]
    with torch.no_grad():
        assert torch.equal(loaded(input_ids=torch.tensor([[5, 6, 7]])).logits, model.vlm(input_ids=torch.tensor([[5, 6, 7]])).logits)  # type: ignore[misc]
    with pytest.raises(BadInput, match=r"expert: expected a model without experts"):
        export_transformers(tmp_path, tmp_path / "out")


def test_where_it_cannot_be(tmp_path: Path) -> None:
    painter = {"type": "raster", "canvas": CANVAS, "announces": True}
    backbone = {"type": "classes", "architecture": {
        "model_type": "omma_llamagen", "side": 8, "vocab_size": 4, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1,
        "num_attention_heads": 2, "max_position_embeddings": 64,
    }}  # fmt: skip
    recipe = validated(ModelRecipe, {"backbone": backbone, "image_tokenizer": ONE_BOOK, "painter": painter}, where="model")
    with pytest.raises(BadInput, match=r"announces: expected a language model, which learns when to draw, found one that draws classes"):
        compose(recipe)
    knowing = {**MODEL["backbone"], "architecture": {
        "model_type": "omma_beit3", "vocab_size": 1104, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
        "num_attention_heads": 2, "max_position_embeddings": 256,
    }}  # fmt: skip
    with pytest.raises(BadInput, match=r"model\.expert\.pictures: expected read, inside .*, which asks for itself"):
        toy_model(backbone=knowing, expert=EXPERTS["modality-experts"])
