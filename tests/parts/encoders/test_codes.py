"""Pictures read as codes: by a tokenizer of the encoder's own, or by that which the model draws with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from omma.data.sample import Role, Turn, user
from omma.errors import BadInput
from omma.model import OmmaForConditionalGeneration
from omma.model.composition import Composition
from omma.model.drawing import PictureDrawer
from omma.model.interop.emu3 import READING
from omma.model.loading import load_model
from omma.model.templates import EMU3, EMU3_TOKENS
from omma.objectives.base import OBJECTIVES
from omma.parts.encoders import ENCODERS
from omma.parts.painters.base import Sampling
from omma.parts.pixels import normalize
from omma.training.run import train
from toy_drawing import CANVAS, DRAW, NETWORK, ONE_BOOK, SCALES, WAYS, drawer_of, drawing_model
from toy_training import INSTRUCT, MODEL, gradients, samples, step_of, toy_model, toy_recipe

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")

READS = {**ONE_BOOK, "type": "quantized-encoder"}
OWN: dict[str, Any] = {
    "resolution": {"type": "crop-square", "size": 16},
    "encoder": {"type": "codes", "width": 32, "patch": 2, "image_tokenizer": READS},
    "projector": {"type": "identity"},
}
SHARED = {**OWN, "encoder": {"type": "codes", "width": 32, "patch": 2}}
FUSED = {**SHARED, **WAYS["raster"]}
"""Chameleon's style: what is read and what is drawn have one table."""


def encoder(**fields: Any) -> Any:
    return ENCODERS.parse({**OWN["encoder"], **fields}, where="model.encoder").build()


def test_features_are_rows_of_the_table() -> None:
    built = encoder()
    views = torch.randint(256, (2, 16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pixels = normalize(views, *built.normalizations[0])
    codes = built.image_tokenizer.read(views)
    assert len(codes.unique()) > 3
    assert torch.equal(built(pixels), built.table.weight[codes])
    assert built.grid((16, 16)) == (8, 8) and built.width == 32
    assert torch.equal(built(torch.cat([pixels, pixels[..., :1]], dim=-1)), built(pixels)), "what is beyond is left out"


def test_the_table_learns_and_the_tokenizer_does_not() -> None:
    model = toy_model(**OWN)
    objective = OBJECTIVES.parse(INSTRUCT["objective"], where="objective").build(model=model)
    _, found = gradients(model, objective, step_of(objective, samples(3)))
    assert found["encoder.table.weight"].any()
    assert not any(name.startswith("encoder.image_tokenizer.") for name in found)
    model.encoder.train()  # type: ignore[union-attr]
    assert model.encoder.table.training and not model.encoder.image_tokenizer.training  # type: ignore[union-attr]


@pytest.mark.parametrize("rate", [0.0, 1e-3])
def test_features_are_kept_while_the_table_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate: float) -> None:
    kept: list[bool] = []
    features = Composition.features

    def watched(self: Composition, batch: Any) -> Any:
        kept.append(self.feature_cache is not None)
        return features(self, batch)

    monkeypatch.setattr(Composition, "features", watched)
    learn = [{"pattern": "encoder.table.*", "rate": rate}, *INSTRUCT["learn"][1:]]
    stage = {**INSTRUCT, "steps": 2, "learn": learn, "precision": "bf16"}
    before = toy_model(**OWN).encoder.state_dict()  # type: ignore[union-attr]
    train(toy_recipe(model=OWN, stages={"only": stage}), tmp_path)
    assert set(kept) == {not rate}
    model, _ = load_model(tmp_path / "model")
    for name, tensor in model.encoder.state_dict().items():
        if name.startswith("image_tokenizer.quantizer"):
            assert tensor.dtype == torch.float32 and tensor.shape == before[name].shape


def test_one_table_is_read_and_drawn(tmp_path: Path) -> None:
    model = toy_model(**FUSED)
    vlm = model.vlm
    assert vlm is not None and not list(vlm.encoder.parameters()) and vlm.painter is not None
    head: Any = vlm.painter.head
    pixels = torch.rand(1, 3, 16, 16) * 2 - 1
    codes = vlm.image_tokenizer.codes(pixels)  # type: ignore[union-attr]
    assert torch.equal(vlm.image_vectors(pixels), head.table.weight[codes][0])
    objective = OBJECTIVES.parse(INSTRUCT["objective"], where="objective").build(model=model)
    _, found = gradients(model, objective, step_of(objective, samples(3)))
    assert found["painter.head.table.weight"].any(), "reading teaches the painter's table"
    assert not any(name.startswith("image_tokenizer.") for name in found)
    vlm.save_pretrained(tmp_path)
    again = OmmaForConditionalGeneration.from_pretrained(tmp_path)
    assert torch.equal(again.image_vectors(pixels), vlm.image_vectors(pixels))
    assert not any(name.startswith("encoder.") for name in again.state_dict())


def test_a_fused_model_trains_and_draws(tmp_path: Path) -> None:
    stage = {**DRAW, "steps": 2, "learn": [{"pattern": "painter.*", "rate": 1e-2}]}
    train(toy_recipe(model=FUSED, stages={"only": stage}), tmp_path)
    assert not (tmp_path / "features").exists() and not (tmp_path / "model" / "encoder.safetensors").exists()
    model, processor = load_model(tmp_path / "model")
    shown = Image.new("RGB", (20, 16), "red")
    inputs = processor(images=[shown], text="<image> what?", return_tensors="pt")
    assert model.generate(**inputs, max_new_tokens=3).shape[1] > inputs["input_ids"].shape[1]
    before = model.encoder(inputs["pixel_values"])
    drawn = drawer_of(drawing_model("raster", **SHARED)).draw([(user("a red star"),)], seeds=[0], sampling=Sampling())
    assert drawn[0].size == (16, 16)
    assert before.shape == (1, 64, 32)


EMU3_STYLE: dict[str, Any] = {
    **FUSED,
    "resolution": {"type": "pixel-budget", "least": 64, "most": 300, "patch": 2, **READING},
    "painter": {"type": "raster", "canvas": CANVAS, "places": False, "row_ends": True},
    "template": "emu3-gen",
    "backbone": {
        **MODEL["backbone"],
        "architecture": {**MODEL["backbone"]["architecture"], "vocab_size": 1112},
        "tokens": list(EMU3_TOKENS),
    },
}


def test_rows_of_codes_end_with_a_word_where_they_are_read_and_where_they_are_drawn(tmp_path: Path) -> None:
    train(toy_recipe(model=EMU3_STYLE, stages={"only": {**DRAW, "steps": 2}}), tmp_path)
    model, processor = load_model(tmp_path / "model")
    assert model.painter is not None and (model.painter.slots, model.painter.codes) == (71, 64)
    asked = (user("a red star"),)
    said = processor.renderer.render_canvas((*asked, Turn(Role.ASSISTANT, ())), 71, model.painter.grid).input_ids[:-71]
    assert processor.tokenizer.decode(said).endswith("a red star<|image start|>8*8")
    drawn = PictureDrawer(model, processor).draw([asked], seeds=[0], sampling=Sampling(guidance=1.0))
    assert drawn[0].size == (16, 16)
    inputs = processor(images=[drawn[0]], text="<image> what?", return_tensors="pt")
    row_end = processor.tokenizer.convert_tokens_to_ids(EMU3.row_end)
    assert int((inputs["input_ids"] == row_end).sum()) == 8
    assert model(**inputs).logits.isfinite().all()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (SHARED, r"model\.encoder\.image_tokenizer: expected an image tokenizer, or a model that draws .* found neither"),
        (
            {**SHARED, "image_tokenizer": SCALES, "painter": {"type": "next-scale", "canvas": CANVAS}},
            r"model\.encoder\.image_tokenizer: .* found one that draws with quantized-autoencoder and no table of codes",
        ),
        ({**FUSED, "encoder": {**SHARED["encoder"], "width": 16}}, r"model\.projector: .* width, 32, .* have 16 channels"),
        (
            {**FUSED, "encoder": {**SHARED["encoder"], "width": 16}, "projector": {"type": "linear"}},
            r"model\.encoder\.width: expected 32, the width of the painter's table .* found 16",
        ),
        (
            {**OWN, "encoder": {**OWN["encoder"], "patch": 4}},
            r"model\.encoder\.patch: expected 2, .* quantized-encoder has a code for, found 4",
        ),
        (
            {**OWN, "encoder": {**OWN["encoder"], "image_tokenizer": {"type": "kl-autoencoder", "network": NETWORK}}},
            r"model\.encoder\.image_tokenizer: .* found kl-autoencoder, without codes",
        ),
        (
            {**OWN, "encoder": {**OWN["encoder"], "image_tokenizer": SCALES}},
            r"model\.encoder\.image_tokenizer: .* found quantized-autoencoder, with others",
        ),
        (
            {**FUSED, "painter": {**FUSED["painter"], "row_ends": True}},
            r"model\.painter\.row_ends: expected a chat format with a word that ends rows of codes, found one without",
        ),
    ],
)
def test_what_does_not_fit_is_named(model: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        toy_model(**model)
