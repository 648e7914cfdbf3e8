"""Dynamic tokens as an objective: the loss written out, micro-batches, the share that is kept, resuming, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from omma.errors import BadInput
from omma.model.composition import Composition, compose
from omma.objectives import OBJECTIVES
from omma.objectives.dynamic_tokens import DynamicTokens
from omma.parts.painters.base import Dice
from omma.parts.pixels import normalize
from omma.parts.tokenizers.dynamic import Dynamic
from omma.parts.tokenizers.merging import kept
from omma.recipe import Optimizer, Rate, Recipe
from omma.training.groups import learning_groups
from omma.training.optimizer import MasterOptimizer
from omma.training.run import train
from omma.training.step import take_step
from toy_drawing import DYNAMIC, drawing_model
from toy_training import assert_close, gradients, log_lines, samples, step_of, toy_recipe, weights

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")

PARTS = ("selector", "merger", "narrow", "rebuilder")
LEARN = [{"pattern": f"image_tokenizer.{part}.*", "rate": 2e-3} for part in PARTS]


def recipe_of(**stage: Any) -> Recipe:
    nothing = dict.fromkeys(("encoder", "projector", "backbone"))
    resolution = {"type": "stretch-square", "size": 16}
    learn = {
        "objective": {"type": "dynamic-tokens", "micro_samples": 3},
        "data": [{"source": {"type": "playground", "world": "shapes", "task": "picture"}}],
        "learn": LEARN, "batch": 4, "steps": 4, "checkpoint_every": 2, "precision": "fp32",
    }  # fmt: skip
    return toy_recipe(model={**nothing, "resolution": resolution, "image_tokenizer": DYNAMIC}, stages={"tokenize": learn | stage})


def model_of() -> Composition:
    torch.manual_seed(0)
    return compose(recipe_of().model)


def objective_of(model: Composition, **config: Any) -> DynamicTokens:
    objective: DynamicTokens = OBJECTIVES.parse({"type": "dynamic-tokens", **config}, where="objective").build(model=model)
    return objective


def pictures(count: int = 5) -> list[Any]:
    return samples(count, task="picture")


@torch.no_grad()
def test_the_loss_written_out() -> None:
    """With what is kept alone, packed, where the objective computes everything and masks."""
    model = model_of()
    objective = objective_of(model, keep=0.25)
    (batch,) = step_of(objective, pictures(4)).micro_batches
    tensors = {name: torch.from_numpy(array) for name, array in batch.items()}
    losses = objective.losses(tensors)
    tokenizer = objective.tokenizer
    features = tokenizer.features(normalize(tensors["views"], *tokenizer.normalization))
    noise = Dice(batch["seed"].tolist()).gumbel(16, 2)
    mask = kept(tokenizer.selector(features), noise) > 0.5
    apart, commitment, keeping = 0.0, 0.0, 0.0
    for number in range(4):
        tokens, _ = tokenizer.merger.packed(features[number : number + 1], mask[number : number + 1])
        vectors = F.normalize(tokenizer.narrow(tokens), dim=2)
        codes = (vectors @ tokenizer.quantizer.book().T).argmax(2)
        rebuilt = tokenizer.rebuilt(codes)
        apart += float((1 - F.cosine_similarity(rebuilt, features[number : number + 1], dim=2)).mean())
        commitment += 0.25 * float((vectors - tokenizer.quantizer.book()[codes]).square().mean())
        keeping += float((0.25 - mask[number].float().mean()) ** 2)
    assert float(losses["features"]) == pytest.approx(apart, rel=1e-4)
    assert float(losses["commitment"]) == pytest.approx(commitment, rel=1e-4)
    assert float(losses["keeping"]) == pytest.approx(keeping, rel=1e-4)
    assert float(losses["kept"]) == mask.sum()
    assert objective.weights(batch) == dict.fromkeys(objective.coefficients(), 4.0)
    assert objective.coefficients() == {"features": 1.0, "keeping": 2.0, "commitment": 1.0, "codebook": 1.0, "kept": 0.0}


def test_micro_batches_do_not_matter() -> None:
    """Neither to gradients nor to the codes behind the step."""
    found, books = [], []
    for size in (2, 64):
        model = model_of()
        objective = objective_of(model, micro_samples=size)
        objective.tokenizer.quantizer.uses.fill_(3.0)
        objective.tokenizer.quantizer.sums.copy_(objective.tokenizer.quantizer.book() * 3)
        with objective.stepping(0.5):
            found.append(gradients(model, objective, step_of(objective, pictures()), learn="image_tokenizer.[smnr]*"))
        books.append(objective.tokenizer.quantizer.book().clone())
    (losses, one), (others, other) = found
    assert losses == pytest.approx(others, rel=1e-5)
    assert {name.split(".")[1] for name, gradient in one.items() if gradient.any()} >= set(PARTS)
    assert_close(one, other, relative=1e-4)
    torch.testing.assert_close(*books)


@pytest.mark.parametrize("keep", [0.2, 0.7])
def test_the_share_that_is_kept_becomes_what_it_should_be(keep: float) -> None:
    model = model_of()
    objective = objective_of(model, keep=keep, keeping=20.0)
    trained = nn.ModuleDict({"image_tokenizer": model.image_tokenizer})
    groups = learning_groups(trained, [Rate(pattern="image_tokenizer.selector.*", rate=3e-3)])
    optimizer = MasterOptimizer(trained, groups, Optimizer(), torch.float32)
    collator, shown = objective.collator(), pictures(12)
    shares = []
    for number in range(40):
        step = collator.collate([collator.prepare(sample, number) for sample in shown])
        losses, _ = take_step(objective, optimizer, step, 1.0, model.device)
        shares.append(losses["kept"] / 16)
    assert shares[0] == pytest.approx(0.5, abs=0.1)
    assert sum(shares[-5:]) / 5 == pytest.approx(keep, abs=0.06)
    optimizer.finish()


def test_resumed_is_uninterrupted_and_what_paints_stays(tmp_path: Path) -> None:
    recipe = recipe_of()
    whole = train(recipe, tmp_path / "whole")

    def stop(progress: Any) -> None:
        if progress.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "parts", report=stop)
    train(recipe, tmp_path / "parts")
    assert weights(tmp_path / "whole") == weights(tmp_path / "parts")
    assert log_lines(tmp_path / "whole") == log_lines(tmp_path / "parts")
    assert all(1 <= line["kept"] <= 16 for line in log_lines(tmp_path / "whole"))
    before, after = model_of().image_tokenizer, whole.image_tokenizer
    assert isinstance(before, Dynamic) and isinstance(after, Dynamic)
    assert not torch.equal(before.quantizer.codebook, after.quantizer.codebook)
    for part in ("encoder", "network", "tell"):
        for name, tensor in getattr(before, part).state_dict().items():
            assert torch.equal(getattr(after, part).state_dict()[name], tensor), name


def test_the_network_learns_behind_it(tmp_path: Path) -> None:
    """Told what codes tell; what made them stays."""
    recipe = recipe_of()
    paint = recipe_of(
        objective={"type": "diffusion", "micro_samples": 3},
        learn=[{"pattern": "image_tokenizer.network.*", "rate": 1e-3}, {"pattern": "image_tokenizer.tell.*", "rate": 1e-3}],
    ).stages["tokenize"]
    model = train(recipe.model_copy(update={"stages": {**recipe.stages, "paint": paint}}), tmp_path)
    tokenizer, learned = model.image_tokenizer, train(recipe, tmp_path / "first").image_tokenizer
    assert isinstance(tokenizer, Dynamic) and isinstance(learned, Dynamic)
    for part in (*PARTS, "quantizer"):
        for name, tensor in getattr(learned, part).state_dict().items():
            assert torch.equal(getattr(tokenizer, part).state_dict()[name], tensor), name
    assert not torch.equal(tokenizer.tell.weight, learned.tell.weight)


def test_other_tokenizers_are_refused() -> None:
    with pytest.raises(BadInput, match=r"expected one of type dynamic, for the objective dynamic-tokens, found quantized-autoencoder"):
        objective_of(drawing_model("raster"))
