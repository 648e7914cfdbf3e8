"""Reconstruction: terms written out, two sides of a game under one optimizer, codes that follow, averages, and micro-batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from omma.errors import BadInput
from omma.model.composition import Composition, compose
from omma.objectives import OBJECTIVES
from omma.objectives.patch_discriminator import PatchDiscriminator, gradient_penalty, hinge
from omma.objectives.reconstruction import Reconstruction
from omma.recipe import load_recipe
from omma.training.run import train
from toy_training import assert_close, gradients, log_lines, samples, step_of, weights

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")

JUDGE = load_recipe("vq-tokenizer", "debug").stages["tokenize"].objective.judge.to_dict()
GAME = {"adversarial": 0.5, "adversarial_from": 0.0, "channels": 8, "layers": 1}


def model_of(name: str = "vq-tokenizer") -> Composition:
    torch.manual_seed(0)
    return compose(load_recipe(name, "debug").model)


def built(model: Composition, **config: Any) -> Reconstruction:
    torch.manual_seed(1)
    objective: Reconstruction = OBJECTIVES.parse({"type": "reconstruction", **config}, where="objective").build(model=model)
    return objective


def pictures(count: int = 6) -> list[Any]:
    return samples(count, task="picture")


def pixels_of(batch: Any) -> torch.Tensor:
    return torch.from_numpy(batch["views"]).permute(0, 3, 1, 2) / 127.5 - 1


@torch.no_grad()
def test_the_terms_written_out() -> None:
    model = model_of()
    objective = built(model, squared=0.5, perceptual=0.2, judge=JUDGE, **GAME)
    (batch,) = step_of(objective, pictures(3)).micro_batches
    pixels, tokenizer, judge = pixels_of(batch), objective.tokenizer, objective.judge
    assert objective.coefficients() == {
        "absolute": 1.0, "squared": 0.5, "perceptual": 0.2, "commitment": 1.0, "codebook": 1.0, "generator": 0.5, "discriminator": 1.0,
    }  # fmt: skip
    assert objective.weights(batch) == dict.fromkeys(objective.coefficients(), 3.0)
    losses = objective.losses({"views": torch.from_numpy(batch["views"])})
    encoded = tokenizer.encode(pixels)
    painted = tokenizer.decode(encoded.vectors)
    assert judge is not None
    states = [judge.encoder.hidden_states(picture)[1:-1] for picture in (painted, pixels)]
    distance = sum((F.normalize(a, dim=2) - F.normalize(b, dim=2)).square().sum(2).mean(1) for a, b in zip(*states, strict=True))
    real, fake = objective.discriminator(pixels), objective.discriminator(painted)
    expected = {
        "absolute": (painted - pixels).abs().mean() * 3,
        "squared": (painted - pixels).square().mean() * 3,
        "perceptual": distance.sum(),
        "commitment": encoded.losses["commitment"] * 3,
        "codebook": encoded.losses["codebook"] * 3,
        "generator": -fake.mean() * 3,
        "discriminator": 1.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean()),
    }
    assert losses.keys() == expected.keys()
    for term, value in expected.items():
        torch.testing.assert_close(losses[term], value, rtol=1e-4, atol=1e-5, msg=term)


@pytest.mark.parametrize("name", ["vq-tokenizer", "var-tokenizer"])
def test_gradients_do_not_depend_on_micro_batches(name: str) -> None:
    found = []
    for size in (2, 3, 6):
        model = model_of(name)
        objective = built(model, perceptual=0.2, judge=JUDGE, micro_samples=size, gradient_penalty=0.1, lecam=0.1, **GAME)
        losses, gradient = gradients(model, objective, step_of(objective, pictures()))
        assert "discriminator" in losses
        found.append(gradient)
    assert_close(found[0], found[2], relative=1e-4)
    assert_close(found[1], found[2], relative=1e-4)


def test_each_side_of_the_game_learns_from_its_own_term_alone() -> None:
    model = model_of()
    objective = built(model, absolute=1e-9, **GAME)
    views = {"views": torch.from_numpy(step_of(objective, pictures(2)).micro_batches[0]["views"])}
    losses = objective.losses(views)
    of_discriminator, of_tokenizer = list(objective.discriminator.parameters()), list(objective.tokenizer.parameters())

    def reached(term: str, parameters: list[Any]) -> int:
        found = torch.autograd.grad(losses[term], parameters, retain_graph=True, allow_unused=True)
        return sum(gradient is not None for gradient in found)

    assert reached("discriminator", of_discriminator) == len(of_discriminator) and not reached("discriminator", of_tokenizer)
    assert reached("generator", of_tokenizer) == len(of_tokenizer) and not reached("generator", of_discriminator)


def test_the_adaptive_share_makes_both_gradients_equal_at_the_last_layer() -> None:
    model = model_of()
    objective = built(model, adaptive=True, **GAME)
    losses = objective.losses({"views": torch.from_numpy(step_of(objective, pictures(2)).micro_batches[0]["views"])})
    near, doubt = (
        torch.autograd.grad(losses[term], objective.tokenizer.last_layer, retain_graph=True)[0].norm() for term in ("absolute", "generator")
    )
    torch.testing.assert_close(near, doubt, rtol=0.05, atol=0)


def test_the_game_begins_when_it_should_and_the_entropy_share_comes_down() -> None:
    objective = built(model_of("magvit2-tokenizer"), **GAME | {"adversarial_from": 0.5}, early_entropy=3.0, early=0.2)
    shares = []
    for done in (0.0, 0.1, 0.2, 0.49, 0.5):
        with objective.stepping(done):
            found = objective.coefficients()
            shares.append(found["entropy"])
            assert ("generator" in found) is ("discriminator" in found) is (done >= 0.5)
    assert shares == pytest.approx([3.0, 2.0, 1.0, 1.0, 1.0])


def test_codes_and_averages_follow_once_a_step() -> None:
    found = []
    for size in (2, 6):
        model = model_of()
        objective = built(model, micro_samples=size, average=0.9, lecam=0.1, **GAME)
        for _ in range(3):
            torch.manual_seed(2)
            with objective.stepping(0.0):
                gradients(model, objective, step_of(objective, pictures()))
        quantizer: Any = objective.tokenizer.quantizer  # type: ignore[attr-defined]
        assert quantizer.uses.sum() > 0 and objective.scores.abs().sum() > 0
        found.append((quantizer.codebook.clone(), objective.scores.clone()))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_what_is_left_is_the_average_and_the_codes_as_they_are() -> None:
    model = model_of()
    objective = built(model, average=0.5)
    layer, before = objective.tokenizer.last_layer, objective.tokenizer.last_layer.detach().clone()
    with torch.no_grad():
        layer.add_(1.0)
    with objective.stepping(0.5):
        pass
    quantizer: Any = objective.tokenizer.quantizer  # type: ignore[attr-defined]
    quantizer.codebook.fill_(0.25)
    objective.finish()
    torch.testing.assert_close(layer.detach(), before + 0.5)
    assert (quantizer.codebook == 0.25).all()


def test_learning_to_paint(tmp_path: Path) -> None:
    """Pictures come nearer in a few steps, and the run's directory can be read again."""
    steps = ["stages.tokenize.steps=40", "stages.tokenize.objective.adversarial=0", "stages.tokenize.precision=fp32"]
    steps += ["stages.tokenize.learn=[{pattern: 'image_tokenizer.*', rate: 3.0e-3}]"]
    recipe = load_recipe("vq-tokenizer", "debug", steps)
    lines: list[dict[str, float]] = []
    model = train(recipe, tmp_path, report=lambda progress: lines.append(dict(progress.losses)))
    assert lines[-1]["absolute"] < 0.85 * lines[0]["absolute"]
    again = recipe.model.image_tokenizer.model_copy(update={"weights": str(tmp_path / "model")}).build(load_weights=True)  # type: ignore[union-attr]
    pixels = torch.rand(2, 3, 16, 16) * 2 - 1
    assert model.image_tokenizer is not None
    assert torch.equal(again.eval().codes(pixels), model.image_tokenizer.codes(pixels))


def test_the_same_files_with_the_same_seed(tmp_path: Path) -> None:
    recipe = load_recipe("magvit2-tokenizer", "debug")
    for name in ("one", "two"):
        train(recipe, tmp_path / name)
    assert weights(tmp_path / "one") == weights(tmp_path / "two")


@pytest.mark.parametrize("name", ["vq-tokenizer", "magvit2-tokenizer"])
def test_resumed_is_uninterrupted(name: str, tmp_path: Path) -> None:
    """Codes that begin anew at random, moving averages of weights and of scores included."""
    recipe = load_recipe(name, "debug", ["stages.tokenize.checkpoint_every=1", "stages.tokenize.steps=5"])
    train(recipe, tmp_path / "whole")

    def stop(progress: Any) -> None:
        if progress.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "parts", report=stop)
    train(recipe, tmp_path / "parts")
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
    assert log_lines(tmp_path / "parts") == log_lines(tmp_path / "whole")


def test_the_discriminator_by_itself() -> None:
    torch.manual_seed(0)
    discriminator, real = PatchDiscriminator(8, 2), torch.randn(3, 3, 16, 16)
    torch.testing.assert_close(discriminator.as_it_is(real), discriminator(real))
    torch.testing.assert_close(discriminator(real)[:1], discriminator(real[:1]))
    assert torch.equal(hinge(torch.full((2, 1, 2, 2), 2.0), torch.full((2, 1, 2, 2), -2.0)), torch.zeros(2))
    # As pix2pix and VQGAN have it: each score is of 70 x 70 pixels.
    assert sum(parameter.numel() for parameter in PatchDiscriminator().parameters()) == 2_765_633
    linear = torch.nn.Conv2d(3, 1, 1, bias=False)
    pixels = real.clone().requires_grad_()
    penalty = gradient_penalty(pixels, linear(pixels))
    torch.testing.assert_close(penalty, 0.5 * linear.weight.square().sum() / 256 * torch.ones(3))


def test_bad_models_and_judges_are_refused() -> None:
    with pytest.raises(BadInput, match=r"model.image_tokenizer: expected one that can paint.*found none"):
        built(compose(load_recipe("encoder-small", "debug").model))
    with pytest.raises(BadInput, match=r"if and only if perceptual is above 0, found perceptual 0.5 and no judge"):
        built(model_of(), perceptual=0.5)
    with pytest.raises(BadInput, match=r"found perceptual 0 and a judge"):
        built(model_of(), judge=JUDGE)
    with pytest.raises(BadInput, match=r"whose layers can be read, found Patches"):
        built(model_of(), perceptual=0.5, judge={"type": "patches", "patch": 8})
    with pytest.raises(BadInput, match="a share above 0 of absolute, squared or perceptual"):
        built(model_of(), absolute=0)
    other = load_recipe("var-tokenizer", "debug", ["model.resolution.size=32"])
    with pytest.raises(BadInput, match=r"pictures of 8 x 8 vectors, as the last scale has, found 16 x 16"):
        built(compose(other.model))
