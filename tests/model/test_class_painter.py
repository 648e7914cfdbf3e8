"""Models that draw classes: three Transformers learn, resume, are saved, and draw; and what they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import DynamicCache

from omma.data.sources import SOURCES
from omma.errors import BadInput
from omma.model.class_painter import ClassDrawer, is_class_painter, load_class_painter
from omma.model.composition import compose
from omma.model.saving import save_composition
from omma.objectives import OBJECTIVES
from omma.parts.attention import AttentionPlan
from omma.parts.backbones import BACKBONES
from omma.parts.backbones.llamagen import GridRotary, LlamaGenConfig
from omma.parts.painters.base import Dice, Sampling
from omma.training.run import train
from toy_classes import WAYS, class_model, class_recipe
from toy_training import log_lines, toy_recipe, weights

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")

@pytest.mark.parametrize("way", WAYS)
def test_resumed_is_uninterrupted_and_what_was_saved_draws(way: str, tmp_path: Path) -> None:
    recipe = class_recipe(way)
    whole = train(recipe, tmp_path / "whole")

    def stop(progress: Any) -> None:
        if progress.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "parts", report=stop)
    train(recipe, tmp_path / "parts")
    assert weights(tmp_path / "whole") == weights(tmp_path / "parts")
    assert log_lines(tmp_path / "whole") == log_lines(tmp_path / "parts")
    assert is_class_painter(tmp_path / "whole" / "model")
    loaded = load_class_painter(tmp_path / "whole" / "model")
    drawn = [ClassDrawer(model).draw([3, 7], seeds=[1, 2], sampling=Sampling(guidance=1.0)) for model in (whole, loaded)]
    assert [picture.tobytes() for picture in drawn[0]] == [picture.tobytes() for picture in drawn[1]]
    assert drawn[0][0].size == (16, 16)


@pytest.mark.parametrize("way", WAYS)
def test_alone_as_beside_others_and_classes_matter(way: str) -> None:
    drawer = ClassDrawer(class_model(way))
    seen: list[torch.Tensor] = []

    def codes(classes: list[int], seeds: list[int]) -> torch.Tensor:
        seen.clear()
        drawer.draw(classes, seeds=seeds, sampling=Sampling(guidance=1.0), watch=lambda first, found: seen.append(found))
        return seen[-1]

    together = codes([1, 2, 3], [4, 5, 6])
    assert torch.equal(codes([2], [5])[0], together[1])
    assert not torch.equal(codes([3], [5])[0], together[1])
    assert not torch.equal(codes([2], [7])[0], together[1])


@torch.no_grad()
def test_llamagen_step_by_step_as_all_at_once() -> None:
    model = class_model("llamagen")
    trunk: Any = model.language_model
    assert model.painter is not None
    start = trunk.embed_tokens(torch.tensor([1, 2]))
    codes = torch.randint(0, 16, (2, 64), generator=torch.Generator().manual_seed(0))
    slots = model.painter.lesson(codes, start, Dice([0, 0])).slots
    blocks = model.painter.blocks().expand(2, -1)
    whole = trunk(slots, start, AttentionPlan(torch.zeros_like(blocks), blocks).dense())
    cache = DynamicCache()
    parts = [trunk(slots[:, place : place + 1], start, None, cache) for place in range(64)]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=1e-5, rtol=1e-4)


def test_llamagen_turns_with_rows_and_columns() -> None:
    """How two codes see each other depends on how many rows and columns they are apart; the class is turned by nothing."""
    rotary = GridRotary(LlamaGenConfig(side=4, hidden_size=16, num_attention_heads=2))
    query, key = torch.randn(2, 8)

    def score(a: int, b: int) -> float:
        cos, sin = rotary(query, torch.tensor([[a, b]]))
        turned = [
            v * cos[0, i] + torch.cat([-v[4:], v[:4]]) * sin[0, i] for i, v in enumerate((query, key))
        ]
        return float(turned[0] @ turned[1])

    def place(row: int, column: int) -> int:
        return 1 + row * 4 + column

    assert score(place(0, 1), place(1, 3)) == pytest.approx(score(place(2, 0), place(3, 2)), abs=1e-5)
    assert score(place(0, 1), place(1, 3)) != pytest.approx(score(place(0, 1), place(2, 3)), abs=1e-5)
    assert score(0, 0) == pytest.approx(float(query @ key), abs=1e-6)
    with pytest.raises(BadInput, match=r"heads whose width is a multiple of 4, for rows and columns, found 6 \(12 over 2 heads\)"):
        GridRotary(LlamaGenConfig(side=4, hidden_size=12, num_attention_heads=2))


def test_what_is_not_told_is_the_last_row() -> None:
    model = class_model("var")
    collator = OBJECTIVES.parse({"type": "class-drawing", "unasked": 0.3}, where="objective").build(model=model).collator()
    source = SOURCES.parse({"type": "handwriting"}, where="source").build()
    sample = source.sample(5)
    told = [int(collator.prepare(sample, position)[0]["class"]) for position in range(400)]
    assert set(told) == {sample.meta["class"], 10}
    assert told.count(10) / 400 == pytest.approx(0.3, abs=0.08)
    for number in (10, -1, None, "3"):
        other = type(sample)(sample.id, sample.turns, meta={} if number is None else {"class": number})
        with pytest.raises(BadInput, match=r"expected a class from 0 to 9, found"):
            collator.prepare(other)


def test_folders_are_classes(tmp_path: Path) -> None:
    for name in ("b/x/1.png", "a/2.png", "b/3.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    source = SOURCES.parse({"type": "pictures", "folder": str(tmp_path), "classes": True}, where="source").build()
    assert {source.sample(i).id: source.sample(i).meta["class"] for i in range(3)} == {
        "pictures/a/2.png": 0, "pictures/b/3.png": 1, "pictures/b/x/1.png": 1
    }  # fmt: skip
    Image.new("RGB", (8, 8)).save(tmp_path / "4.png")
    with pytest.raises(BadInput, match=r"4\.png: expected every picture in a folder that is its class, found one in none"):
        SOURCES.parse({"type": "pictures", "folder": str(tmp_path), "classes": True}, where="source").build()


def test_what_does_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"class: expected a number from 0 to 9, found 10"):
        ClassDrawer(class_model("var")).draw([10], seeds=[0])
    with pytest.raises(BadInput, match=r"one of omma_var, omma_llamagen, omma_maskgit, for a backbone that is told a class, found 'llama'"):
        BACKBONES.parse({"type": "classes", "architecture": {"model_type": "llama"}}, where="backbone").build().architecture()
    with pytest.raises(BadInput, match=r"a backbone of type classes exactly where there are a painter and no encoder"):
        toy_recipe(model={**WAYS["var"], "backbone": {"type": "classes", **WAYS["var"]["backbone"]}})
    with pytest.raises(BadInput, match=r"whose table the output layer could share"):
        painter = {**WAYS["var"]["painter"], "head": {"type": "linear", "tied": True}}
        compose(class_recipe("var", painter=painter).model)
    save_composition(class_model("var"), tmp_path, dtype=torch.float32)
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace('"vocab_size": 11', '"vocab_size": 12'))
    with pytest.raises(BadInput, match=r"expected language_model\.embed_tokens\.weight of shape \(12, 32\), found shape \(11, 32\)"):
        load_class_painter(tmp_path)
