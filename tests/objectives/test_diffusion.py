"""Diffusion as an objective: the loss written out, micro-batches, resuming, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from omma.errors import BadInput
from omma.model.composition import Composition, compose
from omma.objectives import OBJECTIVES
from omma.objectives.diffusion import Diffusion
from omma.parts.tokenizers import IMAGE_TOKENIZERS
from omma.parts.tokenizers.text_diffusion import TextDiffusion
from omma.recipe import Recipe
from omma.training.run import train
from parts.tokenizers.test_diffusion import ENCODER, UNET
from toy_drawing import TEXTS
from toy_training import assert_close, gradients, log_lines, samples, step_of, toy_recipe, weights

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")

TOKENIZER = {"type": "diffusion", "encoder": ENCODER, "pool": 2, "network": UNET, "steps": 3}


def recipe_of(**stage: Any) -> Recipe:
    nothing = dict.fromkeys(("encoder", "projector", "backbone"))
    resolution = {"type": "stretch-square", "size": 16}
    learn = {
        "objective": {"type": "diffusion", "micro_samples": 3},
        "data": [{"source": {"type": "playground", "world": "shapes", "task": "picture"}}],
        "learn": [{"pattern": "image_tokenizer.network.*", "rate": 1e-3}],
        "batch": 4, "steps": 4, "checkpoint_every": 2, "precision": "fp32",
    }  # fmt: skip
    return toy_recipe(model={**nothing, "resolution": resolution, "image_tokenizer": TOKENIZER}, stages={"paint": learn | stage})


def model_of() -> Composition:
    torch.manual_seed(0)
    return compose(recipe_of().model)


def objective_of(model: Composition, **config: Any) -> Diffusion:
    objective: Diffusion = OBJECTIVES.parse({"type": "diffusion", **config}, where="objective").build(model=model)
    return objective


def pictures(count: int = 5) -> list[Any]:
    return samples(count, task="picture")


@torch.no_grad()
def test_the_loss_written_out() -> None:
    model = model_of()
    objective = objective_of(model, untold=0.5, min_snr=5.0)
    (batch,) = step_of(objective, pictures(12)).micro_batches
    told = batch["told"]
    assert 0 < told.sum() < 12 and len(set(batch["seed"].tolist())) == 12
    tensors = {name: torch.from_numpy(array) for name, array in batch.items()}
    tokenizer = objective.tokenizer
    vectors = tokenizer.read(tensors["views"])
    vectors[~tensors["told"]] = 0
    whole = tokenizer.whole(tensors["views"])
    expected = tokenizer.denoising_losses(whole, vectors, batch["seed"].tolist(), min_snr=5.0).sum()
    torch.testing.assert_close(objective.losses(tensors)["diffusion"], expected)
    assert objective.weights(batch) == {"diffusion": 12.0}


@torch.no_grad()
def test_told_by_texts() -> None:
    """A picture that is to be drawn by what asks for it, others by what is said of them; at times by a text without words."""
    recipe = recipe_of()
    parts = recipe.model.model_copy(update={"image_tokenizer": IMAGE_TOKENIZERS.parse(TEXTS, where="tokenizer")})
    torch.manual_seed(0)
    model = compose(parts)
    objective, tokenizer = objective_of(model, untold=0.4), model.image_tokenizer
    assert isinstance(tokenizer, TextDiffusion)
    asked, described = samples(4, task="draw"), samples(4, task="describe")
    (batch,) = step_of(objective, [*asked, *described]).micro_batches
    words = tokenizer.config.text.words()
    texts = [sample.turns[0].text for sample in asked] + [str(sample.meta["caption"]) for sample in described]
    assert batch["words"].tolist() == [words(text).tolist() for text in texts]
    tensors = {name: torch.from_numpy(array) for name, array in batch.items()}
    assert 0 < tensors["told"].sum() < 8
    read = torch.where(tensors["told"][:, None], tensors["words"], torch.from_numpy(words("")))
    whole, seeds = tokenizer.whole(tensors["views"]), batch["seed"].tolist()
    expected = tokenizer.denoising_losses(whole, tokenizer.vectors(read), seeds).sum()
    torch.testing.assert_close(objective.losses(tensors)["diffusion"], expected)
    (several,) = samples(1, world="panels", task="describe")
    with pytest.raises(BadInput, match=r"expected one picture, which its text tells, found \d pictures"):
        objective.collator().prepare(several)


def test_a_text_model_learns_with_the_network_if_it_is_to() -> None:
    recipe = recipe_of()
    torch.manual_seed(0)
    model = compose(recipe.model.model_copy(update={"image_tokenizer": IMAGE_TOKENIZERS.parse(TEXTS, where="tokenizer")}))
    objective, step = objective_of(model), samples(4, task="draw")
    for learn, expected in (("image_tokenizer.network.*", False), ("image_tokenizer.*", True)):
        _, found = gradients(model, objective, step_of(objective, step), learn=learn)
        assert any(name.startswith("image_tokenizer.text_model.") for name in found) == expected
        assert all(gradient.abs().max() > 0 for name, gradient in found.items() if name.endswith("q_proj.weight"))


def test_micro_batches_do_not_matter() -> None:
    model = model_of()
    found = []
    for size in (2, 64):
        objective = objective_of(model, micro_samples=size)
        found.append(gradients(model, objective, step_of(objective, pictures()), learn="image_tokenizer.network.*"))
    (losses, one), (others, other) = found
    assert losses == pytest.approx(others, rel=1e-5)
    assert_close(one, other, relative=1e-4)


def test_resumed_is_uninterrupted_and_the_encoder_stays(tmp_path: Path) -> None:
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
    before: Any = model_of().image_tokenizer
    after: Any = whole.image_tokenizer
    for name, tensor in before.encoder.state_dict().items():
        assert torch.equal(after.encoder.state_dict()[name], tensor), name
    saved = compose(
        recipe.model.model_copy(update={"image_tokenizer": recipe.model.image_tokenizer.model_copy(
            update={"weights": str(tmp_path / "whole" / "model")})})
    ).image_tokenizer  # fmt: skip
    assert saved is not None
    views = torch.zeros(1, 16, 16, 3, dtype=torch.uint8)
    assert (saved.paint(saved.read(views), (16, 16), [3]).int() - after.paint(after.read(views), (16, 16), [3]).int()).abs().max() <= 1


def test_other_tokenizers_are_refused() -> None:
    from toy_drawing import drawing_model

    with pytest.raises(BadInput, match=r"expected one of type diffusion, text-diffusion or dynamic, for the objective diffusion, found quantized-autoencoder"):
        objective_of(drawing_model("raster"))
