"""VQ-KD: features told from codes; codes that follow by averages, whatever the micro-batches; a tokenizer for the next stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from omma.errors import BadInput
from omma.model.composition import Composition, compose
from omma.objectives import OBJECTIVES
from omma.parts.tokenizers import IMAGE_TOKENIZERS
from omma.recipe import load_recipe
from omma.training.run import train
from toy_training import assert_close, gradients, samples, step_of

CONFIG = load_recipe("beit3", "debug").stages["tokenize"].objective.to_dict()
PATCHES = 16


@pytest.fixture
def model() -> Composition:
    torch.manual_seed(0)
    return compose(load_recipe("beit3", "debug").model)


def built(model: Composition, **config: Any) -> Any:
    torch.manual_seed(1)
    return OBJECTIVES.parse({**CONFIG, **config}, where="objective").build(model=model)


def pictures(count: int = 6) -> list[Any]:
    return samples(count, task="picture")


@torch.no_grad()
def test_the_loss_written_out(model: Composition) -> None:
    objective = built(model, crop=None, flip=0)
    step = step_of(objective, pictures(2))
    views = torch.from_numpy(step.micro_batches[0]["views"])
    found = objective.losses({"views": views})
    tokenizer, teacher = objective.visual_tokenizer, objective.teacher
    pixels = views.permute(0, 3, 1, 2) / 255
    features = tokenizer.encoder((pixels - 0.5) / 0.5)
    vectors = F.normalize(tokenizer.narrow(features), dim=2)
    codes = tokenizer.codebook.codes[(vectors @ tokenizer.codebook.codes.T).argmax(2)]
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in teacher.normalizations[0])
    angle = F.cosine_similarity(objective.decoder(codes), teacher((pixels - mean) / std), dim=2)
    assert objective.weights(step.micro_batches[0]) == {"features": 2.0 * PATCHES, "commitment": 2.0 * PATCHES}
    torch.testing.assert_close(found["features"], (1 - angle).sum(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found["commitment"], (vectors - codes).square().mean(2).sum(), rtol=1e-4, atol=1e-4)


def test_gradients_pass_the_codes(model: Composition) -> None:
    """To the tokenizer's encoder; not to the teacher, which is none of the objective's."""
    objective = built(model)
    _, found = gradients(model, objective, step_of(objective, pictures()), learn="objective.*")
    assert any(name.startswith("objective.visual_tokenizer.encoder.") and gradient.any() for name, gradient in found.items())
    assert not any("teacher" in name for name, _ in objective.named_parameters())


def test_micro_batches_do_not_matter(model: Composition) -> None:
    """Neither to gradients nor to the codes behind the step."""
    found, codes = [], []
    for size in (2, 64):
        objective = built(model, micro_samples=size)
        objective.visual_tokenizer.codebook.begun.fill_(1)
        step = step_of(objective, pictures())
        with objective.stepping(0.5):
            found.append(gradients(model, objective, step, learn="objective.*"))
        codes.append(objective.visual_tokenizer.codebook.codes.clone())
    (small, one), (large, other) = found
    assert small == pytest.approx(large, rel=1e-5)
    assert_close(one, other)
    torch.testing.assert_close(*codes)


def test_the_first_step_puts_codes_where_vectors_are(model: Composition) -> None:
    objective = built(model)
    step = step_of(objective, pictures())
    before = objective.visual_tokenizer.codebook.codes.clone()
    with objective.stepping(0.0):
        gradients(model, objective, step, learn="objective.*")
    book = objective.visual_tokenizer.codebook
    assert book.begun and not torch.equal(book.codes, before)
    with torch.no_grad():
        pixels = torch.from_numpy(np.concatenate([b["views"] for b in step.micro_batches])).permute(0, 3, 1, 2) / 127.5 - 1
        vectors = objective.visual_tokenizer.vectors(pixels).flatten(0, 1)
    assert float((vectors @ book.codes.T).amax(1).mean()) > float((vectors @ before.T).amax(1).mean())


def test_the_next_stage_reads_its_answers_from_it(tmp_path: Path) -> None:
    train(load_recipe("beit3", "debug"), tmp_path)
    before, after = (load_file(tmp_path / "stages" / stage / "objective.safetensors") for stage in ("tokenize", "pretrain"))
    own = {name for name in before if name.startswith("visual_tokenizer.")}
    assert own and "visual_tokenizer.codebook.codes" in own
    assert all(torch.equal(before[name], after[name]) for name in own)

    config = {**CONFIG["visual_tokenizer"], "weights": str(tmp_path / "stages" / "tokenize" / "objective.safetensors")}
    tokenizer = IMAGE_TOKENIZERS.parse(config, where="tokenizer").build(load_weights=True)
    assert all(torch.equal(before[f"visual_tokenizer.{name}"], tensor) for name, tensor in tokenizer.state_dict().items())
    config["codes"] = 25
    with pytest.raises(BadInput, match=r"expected codebook.codes of shape \(25, 8\), found shape \(24, 8\)"):
        IMAGE_TOKENIZERS.parse(config, where="tokenizer").build(load_weights=True)
    save_file({"other": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(BadInput, match=r"of shape .* found no such tensor"):
        IMAGE_TOKENIZERS.parse(config | {"weights": str(tmp_path / "other.safetensors")}, where="tokenizer").build(load_weights=True)
    with pytest.raises(BadInput, match=r"nowhere.safetensors: expected a safetensors file"):
        IMAGE_TOKENIZERS.parse(config | {"weights": str(tmp_path / "nowhere.safetensors")}, where="t").build(load_weights=True)


def test_a_teacher_with_other_patches(model: Composition) -> None:
    teacher = CONFIG["teacher"]
    other = {**teacher, "architecture": {**teacher["architecture"], "patch_size": 16}}
    with pytest.raises(BadInput, match=r"teacher: expected an encoder with the tokenizer's 4 x 4 features.*found 2 x 2"):
        built(model, teacher=other)
