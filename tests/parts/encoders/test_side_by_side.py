"""Two encoders side by side are their encoders run alone, each on pixels of its own size, normalised its own way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from omma.commands.memory import training_memory
from omma.commands.show import skeleton
from omma.data.feature_cache import FeatureCache
from omma.data.images import MemoryImage
from omma.data.sample import Sample, assistant, user
from omma.errors import BadInput
from omma.model.loading import load_model
from omma.model.pixels import fill_color
from omma.model.processing import processor_of
from omma.objectives import OBJECTIVES
from omma.parts.encoders import ENCODERS
from omma.parts.encoders.base import NORMALIZATIONS
from omma.parts.pixels import normalize
from omma.parts.resolution import RESOLUTIONS
from omma.parts.resolution.base import cut
from omma.training.run import train
from toy_training import INSTRUCT, MODEL, assert_close, gradients, step_of, toy_model, toy_recipe

FLAT = {"intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
CLIP: dict[str, Any] = {
    "type": "transformers",
    "architecture": {"model_type": "clip_vision_model", "image_size": 32, "patch_size": 8, "hidden_size": 32, **FLAT},
    "tap": -2,
    "cls": "drop",
    "normalization": "clip",
}
SIGLIP: dict[str, Any] = {
    "type": "transformers",
    "architecture": {
        "model_type": "siglip_vision_model", "image_size": 64, "patch_size": 16, "hidden_size": 16, "vision_use_head": False,
        **FLAT,
    },
    "tap": -1,
    "cls": "none",
    "normalization": "half",
}  # fmt: skip
PAIR = {"type": "side-by-side", "encoders": [CLIP, SIGLIP]}
NARROW = {**CLIP, "architecture": {**CLIP["architecture"], "hidden_size": 16}}
CHAIN = {"type": "side-by-side", "encoders": [NARROW, SIGLIP], "join": "sequence"}
VIEWS = {"type": "two-branches", "sizes": [32, 64], "fit": "stretch"}
VARY: dict[str, Any] = {
    "resolution": VIEWS,
    "encoder": PAIR,
    "projector": {"type": "branch-linear", "widths": [32, 16]},
}
SEQUENCE: dict[str, Any] = {"resolution": VIEWS, "encoder": CHAIN, "projector": {"type": "mlp"}}


def picture(seed: int, size: tuple[int, int] = (40, 24)) -> MemoryImage:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return MemoryImage(Image.fromarray(pixels), key=f"{size}/{seed}")


def alone(encoder: Any, image: MemoryImage, branch: int) -> torch.Tensor:
    """What one of the encoders makes of its view by itself."""
    plan = RESOLUTIONS.parse(VIEWS, where="resolution").build().plan(*image.size)
    view = np.array(cut(image.load(), plan)[branch])
    normalization = NORMALIZATIONS[encoder.config.normalization]
    return encoder(normalize(torch.from_numpy(view[None]), *normalization))[0]


@torch.no_grad()
def vectors_of(model: Any, images: list[MemoryImage]) -> torch.Tensor:
    processor = processor_of(model.vlm.config, model.tokenizer)
    return model.vlm.image_vectors(**processor.image_processor(images, return_tensors="pt"))


@torch.no_grad()
def test_by_channel() -> None:
    model: Any = toy_model(**VARY)
    images = [picture(0), picture(1, (17, 51))]
    towers = model.vlm.encoder.encoders
    expected = [torch.cat([alone(tower, image, b) for b, tower in enumerate(towers)], dim=1) for image in images]
    assert expected[0].shape == (16, 48) and model.vlm.encoder.width == 48
    projected = model.vlm.projector(torch.stack(expected)).flatten(0, 1)
    assert torch.allclose(vectors_of(model, images), projected, atol=1e-5)
    assert model.runs_of((40, 24)) == (16,)


@torch.no_grad()
def test_by_sequence() -> None:
    model: Any = toy_model(**SEQUENCE)
    images = [picture(0), picture(1, (17, 51))]
    towers = model.vlm.encoder.encoders
    expected = torch.cat([alone(tower, image, b) for image in images for b, tower in enumerate(towers)])
    assert torch.allclose(vectors_of(model, images), model.vlm.projector(expected[None])[0], atol=1e-5)
    assert model.runs_of((40, 24)) == (32,)


def talks() -> list[Sample]:
    a, b, c = picture(0), picture(1, (17, 51)), picture(2)
    return [
        Sample("one", (user(a, "what?"), assistant("red"))),
        Sample("two", (user(b, " and ", c, "which?"), assistant("the second"))),
    ]


@pytest.mark.parametrize("parts", [VARY, SEQUENCE], ids=["channel", "sequence"])
def test_training_sees_what_chat_sees_cached_or_not(parts: dict[str, Any], tmp_path: Path) -> None:
    model: Any = toy_model(**parts)
    objective = OBJECTIVES.parse({"type": "language-modeling", "row_tokens": 512}, where="objective").build(model=model)
    batch = step_of(objective, talks()).micro_batches[0]
    with torch.no_grad():
        trained = model.image_vectors({k: torch.from_numpy(a) if a.dtype.kind != "U" else a for k, a in batch.items()})
    shown = vectors_of(model, [image for talk in talks() for image in talk.images])
    assert torch.allclose(trained.sort(0).values, shown.sort(0).values, atol=1e-6)  # rows are packed in another order
    losses, found = gradients(model, objective, step_of(objective, talks()), learn="[!e]*")
    model.feature_cache = FeatureCache(tmp_path, model.fingerprint(), 10**8)
    gradients(model, objective, step_of(objective, talks()[1:]), learn="[!e]*")
    partly = step_of(objective, talks())
    assert {"pixels", "features"} <= set().union(*partly.micro_batches)
    again, cached = gradients(model, objective, partly, learn="[!e]*")
    assert again == losses
    assert_close(found, cached, relative=0.0)


@pytest.mark.parametrize("learn", ["encoder.encoders.1.*", "projector.*"])
def test_it_trains_in_part_and_a_saved_one_does_the_same(tmp_path: Path, learn: str) -> None:
    stage = {**INSTRUCT, "steps": 2, "learn": [{"pattern": learn, "rate": 1e-2}]}
    trained: Any = train(toy_recipe(model=VARY, stages={"only": stage}), tmp_path)
    before: Any = toy_model(**VARY)
    changed = [
        any(not torch.equal(a, b) for a, b in zip(new.parameters(), old.parameters(), strict=True))
        for new, old in zip(trained.encoder.encoders, before.encoder.encoders, strict=True)
    ]
    assert changed == [False, learn.startswith("encoder")]
    model, processor = load_model(tmp_path / "model")
    inputs = processor(images=[picture(3).load()], text="<image> what?", return_tensors="pt")
    with torch.no_grad():
        assert torch.equal(model(**inputs).logits, trained.vlm(**inputs).logits)


def test_weights_of_each_are_loaded_and_spelled_out(tmp_path: Path) -> None:
    one = toy_recipe(model={"projector": None, "backbone": None}, stages={}).model.encoder
    torch.manual_seed(5)
    saved = one.build()
    saved.model.save_pretrained(tmp_path / "tower")
    pair = {
        "type": "side-by-side",
        "encoders": [CLIP, {**MODEL["encoder"], "architecture": None, "weights": str(tmp_path / "tower")}],
    }
    model: Any = toy_model(resolution={**VIEWS, "sizes": [32, 32]}, encoder=pair)
    for name, tensor in saved.state_dict().items():
        assert torch.equal(model.encoder.encoders[1].state_dict()[name], tensor), name
    written = model.vlm.config.encoder["encoders"]
    assert written[1]["weights"] is None and written[1]["architecture"]["model_type"] == "siglip_vision_model"
    assert written[0] == ENCODERS.parse(CLIP, where="encoder").to_dict()


def test_padding_is_painted_with_the_mean_of_who_reads_it() -> None:
    small_clip = {**CLIP, "architecture": {**CLIP["architecture"], "patch_size": 8}}
    parts = {
        **VARY,
        "resolution": {**VIEWS, "sizes": [32, 64], "fit": "pad"},
        "encoder": {**PAIR, "encoders": [small_clip, SIGLIP]},
    }
    model: Any = toy_model(**parts)
    processor = processor_of(model.vlm.config, model.tokenizer)
    made = processor.image_processor(Image.new("RGB", (60, 10), "red"), return_tensors="pt")
    (clip, siglip), shapes = made["pixel_values"], made["view_shapes"]
    assert shapes.tolist() == [[32, 32, -1, -1, 0], [64, 64, -1, -1, 1]]
    # The large square is SigLIP's, so its mean, 127 of 255, is around the picture; CLIP sees the large square made small.
    for view, (mean, std) in ((clip, NORMALIZATIONS["clip"]), (siglip, NORMALIZATIONS["half"])):
        gray = torch.tensor(fill_color(NORMALIZATIONS["half"][0])) / 255
        assert torch.allclose(view[:, 0, 0], (gray - torch.tensor(mean)) / torch.tensor(std), atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"resolution": {**VIEWS, "sizes": [32, 32]}},
            "model.encoder.join: expected encoders that make one grid of features of their views, to be joined by channel, found"
            " 4 x 4 of 32 x 32 pixels and 2 x 2 of 32 x 32 pixels; change the sizes of the views, or join them by sequence.",
        ),
        (
            {"resolution": MODEL["resolution"]},
            "model.resolution: expected views for as many encoders as there are, 2, found pad-square, whose views are for 1; "
            "use a strategy and an encoder that belong together.",
        ),
        (
            {"encoder": {**PAIR, "join": "sequence"}},
            "model.encoder.join: expected encoders of one width, whose features can follow each other, found widths 32, 16; "
            "join them by channel, or use encoders of one width.",
        ),
        (
            {"encoder": {**PAIR, "encoders": [CLIP, {**SIGLIP, "tap": 3}]}},
            "model.encoder.encoders.1.tap: expected an index into 3 hidden states (the embeddings and 2 blocks), found 3; "
            "choose one between -3 and 2.",
        ),
        (
            {"encoder": {**PAIR, "encoders": [CLIP, PAIR]}},
            "model.encoder.encoders.1: expected a single encoder, found side-by-side; list all encoders in one place.",
        ),
        (
            {"encoder": {**PAIR, "encoders": [CLIP]}},
            "recipe field model.encoder.encoders: expected list should have at least 2 items after validation, not 1",
        ),
        (
            {"encoder": {**PAIR, "encoders": [CLIP, {**SIGLIP, "tapp": 1}]}},
            "recipe field model.encoder.encoders.1.tapp: expected a known field, found 'tapp'; did you mean tap?",
        ),
    ],
)
def test_pairs_that_do_not_fit(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadInput) as told:
        toy_model(**{**VARY, **changes})
    assert str(told.value).startswith(sentence)


def test_views_that_do_not_fit_each_other_are_never_joined() -> None:
    encoder = ENCODERS.parse(PAIR, where="encoder").build()
    with pytest.raises(ValueError, match=r"features are joined one by one, these views have \[3, 4\]"):
        encoder.join([torch.zeros(3, 32), torch.zeros(4, 16)], [0, 1])


def test_objectives_for_one_encoder_refuse_two() -> None:
    model = toy_model(resolution=VIEWS, encoder=PAIR, projector=None, backbone=None)
    sentence = r"model.encoder: expected an encoder .*, found side-by-side"
    for objective in ({"type": "masked-image"}, {"type": "self-distillation"}, {"type": "captioning"}):
        with pytest.raises(BadInput, match=sentence):
            OBJECTIVES.parse(objective, where="objective").build(model=model)


def test_the_memory_of_a_pair_is_estimated() -> None:
    recipe = toy_recipe(model=VARY, stages={"only": {**INSTRUCT, "learn": [{"pattern": "*", "rate": 1e-3}]}})
    parts = skeleton(recipe.model)
    both = training_memory("only", recipe.stages["only"], parts, 16).terms["activations"]
    single = toy_recipe(
        model={"encoder": CLIP}, stages={"only": {**INSTRUCT, "learn": [{"pattern": "*", "rate": 1e-3}]}}
    )
    assert both > training_memory("only", single.stages["only"], skeleton(single.model), 16).terms["activations"] > 0
