"""Alignment place by place: the projector is to make what the language model was told in, and nothing else learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from omma.errors import BadInput
from omma.model.composition import Composition
from omma.model.pixels import views_uint8
from omma.objectives import OBJECTIVES
from omma.parts.pixels import normalize
from omma.training.run import train
from toy_training import ALIGN, FLAT, MODEL, gradients, log_lines, samples, step_of, toy_model, toy_recipe


def objective_of(model: Composition, **config: Any) -> Any:
    torch.manual_seed(1)
    return OBJECTIVES.parse({"type": "aligned-by-place", **config}, where="objective").build(model=model)


def codes_of(objective: Any, batch: dict[str, Any]) -> torch.Tensor:
    """What is said of all views of a micro-batch."""
    tensors = {name: torch.from_numpy(array) for name, array in batch.items()}
    return objective.codes(objective.seen(tensors), torch.ones(len(tensors["views"]), dtype=torch.bool))


PAGES = samples(3, world="documents", task="describe")


def test_what_it_aims_at_is_what_the_language_model_was_told(monkeypatch: Any) -> None:
    model = toy_model()
    objective = objective_of(model)
    teller = toy_model(resolution=None, encoder=None, projector=None)
    teller.language_model.load_state_dict(model.language_model.state_dict())
    told = OBJECTIVES.parse({"type": "told-by-place", "rows": 4}, where="objective").build(model=teller)
    (batch,) = step_of(told, PAGES).micro_batches
    is_place = torch.from_numpy(batch["input_ids"] == told.image_token_id)
    places = told.embed({name: torch.from_numpy(array) for name, array in batch.items()})[is_place].view(3, 16, -1)
    (own,) = step_of(objective, PAGES).micro_batches
    held, share = (torch.from_numpy(own[f"aligned-by-place.{name}"]) for name in ("held", "share"))
    monkeypatch.setattr(model.projector, "project", lambda features, grid, branch, cells: places)
    codes = objective.codes((torch.zeros(3, 16, 32),), torch.ones(3, dtype=torch.bool))
    wanted = objective.code(held.where(held >= 0, objective.nothing), share, objective.table)
    # Packing puts samples in another order.
    order = [int((wanted - one).pow(2).sum((1, 2)).argmin()) for one in codes]
    assert sorted(order) == [0, 1, 2]
    torch.testing.assert_close(codes, wanted[order], rtol=1e-3, atol=1e-4)


def test_the_projector_is_read_as_it_will_be() -> None:
    model = toy_model()
    objective = objective_of(model)
    (batch,) = step_of(objective, PAGES).micro_batches
    with torch.no_grad():
        codes = codes_of(objective, batch)
        tokens = model.projector(model.encoder(torch.from_numpy(batch["views"]).permute(0, 3, 1, 2) / 127.5 - 1))
    torch.testing.assert_close(codes * objective.length + objective.mean, tokens, rtol=1e-3, atol=1e-4)


PAIR = {
    "encoder": {"type": "side-by-side", "encoders": [MODEL["encoder"], {
        "type": "transformers", "tap": -1, "cls": "drop", "normalization": "clip",
        "architecture": {"model_type": "clip_vision_model", **FLAT, "image_size": 64, "patch_size": 16},
    }]},
    "resolution": {"type": "two-branches", "sizes": [32, 64]},
}  # fmt: skip


@pytest.mark.parametrize("model", [PAIR, {"encoder": {"type": "patches", "patch": 8}}], ids=["pair", "patches"])
def test_whatever_sees_is_read_as_the_language_model_reads_it(model: dict[str, Any]) -> None:
    composed = toy_model(**model)
    objective = objective_of(composed)
    (batch,) = step_of(objective, PAGES).micro_batches
    images = [page.images[0] for page in PAGES]
    prepared = [composed.arranger.of(image.size)[0] for image in images]  # type: ignore[union-attr]
    pixels = [
        normalize(torch.from_numpy(view)[None], *composed.encoder.normalizations[one.branch])  # type: ignore[union-attr]
        for image, plan in zip(images, prepared, strict=True)
        for one, view in zip(plan.views, views_uint8(image, plan, composed.encoder.normalizations), strict=True)  # type: ignore[union-attr]
    ]
    branches = [view.branch for plan in prepared for view in plan.views]
    with torch.no_grad():
        codes = codes_of(objective, batch)
        features = [composed.encoder.read(one, branch, torch.full((1, 2), -1))[0] for one, branch in zip(pixels, branches, strict=True)]  # type: ignore[union-attr]
        joined = [one for one in composed.encoder.join(features, branches) if len(one)]  # type: ignore[union-attr]
        tokens = composed.projector(torch.stack(joined))  # type: ignore[misc]
    assert tokens.shape == (3, 16, 32)
    torch.testing.assert_close(codes * objective.length + objective.mean, tokens, rtol=1e-3, atol=1e-4)
    _, found = gradients(composed, objective, step_of(objective, PAGES), learn="projector.*")
    assert found and all(gradient.abs().max() > 0 for gradient in found.values())


def test_encoders_with_grids_of_their_own_are_refused() -> None:
    chain = {**PAIR, "encoder": {**PAIR["encoder"], "join": "sequence"}}
    with pytest.raises(BadInput, match=r"model.encoder: expected features in one grid, .*, found side-by-side, .*; join them by channel"):
        objective_of(toy_model(**chain))


def test_the_projector_alone_learns(tmp_path: Path) -> None:
    model = toy_model()
    objective = objective_of(model)
    losses, found = gradients(model, objective, step_of(objective, PAGES), learn="projector.*")
    assert losses["aligned-by-place"] > 0
    assert found and all(name.startswith("projector.") and gradient.abs().max() > 0 for name, gradient in found.items())
    stage = ALIGN | {
        "objective": {"type": "aligned-by-place"},
        "data": [{"source": {"type": "playground", "world": "documents", "task": "describe", "count": 12}}],
        "steps": 30,
    }
    train(toy_recipe(stages={"align": stage}), tmp_path)
    steps = [line["aligned-by-place"] for line in log_lines(tmp_path)]
    assert sum(steps[-5:]) < 0.8 * sum(steps[:5])


def test_an_encoder_by_itself_is_refused() -> None:
    with pytest.raises(BadInput, match=r"model: expected encoder, projector and language model, .* use transcription for an encoder"):
        objective_of(toy_model(projector=None, backbone=None))


def test_a_projector_that_joins_features_is_refused() -> None:
    with pytest.raises(BadInput, match=r"model\.projector: expected .* one token of each .* found pixel-shuffle.*, which makes 2 x 2 of 4 x 4"):
        objective_of(toy_model(projector={"type": "pixel-shuffle"}))
