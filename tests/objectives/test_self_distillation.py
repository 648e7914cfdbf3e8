"""Self-distillation: the formulas of the paper written out, a teacher that only follows, and what it sees."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from omma.errors import BadInput
from omma.model.composition import Composition
from omma.objectives import OBJECTIVES
from omma.objectives.moving_average import MovingAverage
from omma.objectives.self_distillation import PrototypeHead
from omma.parts.encoders import ENCODERS
from omma.parts.pixels import normalize
from toy_training import FLAT, assert_close, gradients, samples, step_of, toy_model

SMALL = {"type": "self-distillation", "prototypes": 12, "hidden": 20, "bottleneck": 8, "small_crops": 3}

HEADLESS = {"siglip_vision_model": {"vision_use_head": False}}


def encoder_alone(model_type: str = "vit") -> Composition:
    encoder = {
        "type": "transformers",
        "architecture": {"model_type": model_type, **FLAT, **HEADLESS.get(model_type, {})},
        "tap": -1,
        "normalization": "imagenet",
    }
    encoder["cls"] = "none" if model_type == "siglip_vision_model" else "drop"
    return toy_model(encoder=encoder, projector=None, backbone=None)


def objective_of(model: Composition, **config: Any) -> Any:
    torch.manual_seed(1)
    objective = OBJECTIVES.parse({**SMALL, **config}, where="objective").build(model=model)
    with torch.no_grad():  # a teacher and a centre of their own
        for buffer in objective.teacher.state_dict().values():
            buffer.add_(0.1 * torch.randn_like(buffer))
        objective.center.normal_(std=0.1)
    return objective


def tensors_of(objective: Any, count: int = 4) -> dict[str, Tensor]:
    (batch,) = step_of(objective, samples(count)).micro_batches
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in batch.items()}


def score(encoder: Any, head: PrototypeHead, view_HW3: Tensor) -> Tensor:
    """Scores [K] of one view, written out."""
    last = encoder.model(normalize(view_HW3[None], *encoder.normalizations[0]), **encoder.any_size).last_hidden_state
    if "clip_vision" in encoder.model.config.model_type:
        last = encoder.model.post_layernorm(last)
    feature = last[0].mean(0) if encoder.config.cls == "none" else last[0, 0]
    unit = head.mlp(feature)
    unit = unit / unit.norm()
    weight = head.prototypes.weight
    return torch.stack([unit @ row / row.norm() for row in weight])


@pytest.mark.parametrize("model_type", ["vit", "clip_vision_model", "siglip_vision_model", "dinov2"])
@torch.no_grad()
def test_the_loss_by_hand(model_type: str) -> None:
    objective = objective_of(encoder_alone(model_type))
    objective.done = 0.15
    batch = tensors_of(objective)
    total, pairs = 0.0, 0
    for large, small in zip(batch["large"], batch["small"], strict=True):
        views = [*large, *small]
        teacher = objective.teacher.module
        for t in range(2):
            answer = (score(teacher["encoder"], teacher["head"], large[t]) - objective.center) / 0.055
            p = answer.exp() / answer.exp().sum()
            for v, view in enumerate(views):
                if v != t:
                    s = score(objective.encoder, objective.head, view) / 0.1
                    total -= float((p * (s - s.exp().sum().log())).sum())
                    pairs += 1
    assert float(objective.losses(batch)["self-distillation"]) == pytest.approx(total, rel=1e-4)
    assert objective.weights({k: v.numpy() for k, v in batch.items()})["self-distillation"] == pairs == 4 * 2 * 4


@pytest.mark.parametrize("small_crops", [0, 3])
def test_it_does_not_depend_on_its_micro_batches(small_crops: int) -> None:
    model = encoder_alone()
    chosen = [*samples(5), *samples(1, world="panels", task="describe")]
    results = []
    for micro, batches in ((64, 1), (3, 3), (1, 8)):
        objective = objective_of(model, micro_samples=micro, small_crops=small_crops)
        step = step_of(objective, chosen)
        assert len(step.micro_batches) == batches
        with objective.stepping(0.5):
            losses, found = gradients(model, objective, step)
        results.append((losses, found, objective.center.clone()))
    for losses, found, center in results[1:]:
        assert losses == pytest.approx(results[0][0], rel=1e-5)
        assert_close(results[0][1], found)
        assert torch.allclose(center, results[0][2], atol=1e-6)


def test_the_teacher_gets_no_gradient_and_nothing_can_learn_it() -> None:
    model = encoder_alone("siglip_vision_model")
    objective = objective_of(model)
    _, found = gradients(model, objective, step_of(objective, samples(4)))
    assert not [name for name, _ in objective.named_parameters() if "teacher" in name or "center" in name]
    assert not any(buffer.requires_grad or buffer.grad is not None for buffer in objective.buffers())
    learning = {name for name, gradient in found.items() if gradient.abs().max() > 0}
    frozen = {"objective.head.prototypes.weight"}  # at the very beginning
    assert (
        learning
        == {f"encoder.{n}" for n, _ in model.encoder.named_parameters()}
        | {f"objective.{n}" for n, _ in objective.named_parameters()} - frozen
    )


def test_prototypes_learn_after_the_first_steps() -> None:
    model = encoder_alone()
    objective = objective_of(model, frozen=0.25)
    step = step_of(objective, samples(4))
    for done, learns in ((0.0, False), (0.2, False), (0.25, True), (0.9, True)):
        with objective.stepping(done):
            _, found = gradients(model, objective, step)
        assert ("objective.head.prototypes.weight" in found) == learns
    assert "objective.head.mlp.0.weight" in found


def test_schedules() -> None:
    objective = objective_of(encoder_alone())
    found = []
    for done in (0.0, 0.15, 0.3, 0.5, 1.0):
        objective.done = done
        found.append((objective.teacher_temperature, objective.teacher_momentum))
    temperatures, momenta = zip(*found, strict=True)
    assert temperatures == pytest.approx((0.04, 0.055, 0.07, 0.07, 0.07))
    assert momenta == pytest.approx(
        (
            0.996,
            1 - 0.004 * (1 + math.cos(0.15 * math.pi)) / 2,
            1 - 0.004 * (1 + math.cos(0.3 * math.pi)) / 2,
            0.998,
            1.0,
        )
    )
    objective = objective_of(encoder_alone(), warmup=0.0)
    assert objective.teacher_temperature == 0.07


@torch.no_grad()
def test_what_a_step_leaves_behind() -> None:
    """Centre and teacher move once a step, by its mean and what was learned in it."""
    model = encoder_alone()
    objective = objective_of(model, micro_samples=2)
    batches = step_of(objective, samples(5)).micro_batches
    center = objective.center.clone()
    before = {name: buffer.clone() for name, buffer in objective.teacher.module.named_buffers()}
    teacher = objective.teacher.module
    tensors = [{k: torch.from_numpy(np.ascontiguousarray(a)) for k, a in batch.items()} for batch in batches]
    scores = torch.stack(
        [score(teacher["encoder"], teacher["head"], v) for b in tensors for large in b["large"] for v in large]
    )
    assert len(scores) == 10
    with objective.stepping(0.5):
        for batch in tensors:
            objective.losses(batch)
            assert torch.equal(objective.center, center), "not before the step is over"
        for parameter in (*model.encoder.parameters(), *objective.head.parameters()):
            parameter.add_(torch.randn_like(parameter))  # a step of the optimizer
    assert torch.allclose(objective.center, 0.9 * center + 0.1 * scores.mean(0), atol=1e-5)
    learner = {f"encoder.{n}": p for n, p in model.encoder.named_parameters()} | {
        f"head.{n}": p for n, p in objective.head.named_parameters()
    }
    assert before.keys() >= learner.keys()
    for name, parameter in learner.items():
        expected = 0.998 * before[name] + 0.002 * parameter
        assert torch.allclose(dict(teacher.named_buffers())[name], expected, atol=1e-6), name


@torch.no_grad()
def test_looking_leaves_nothing_behind() -> None:
    """Losses are also computed on held-out samples, and steps may hold no sample at all."""
    objective = objective_of(encoder_alone())
    center = objective.center.clone()
    objective.losses(tensors_of(objective))
    assert torch.equal(objective.center, center)
    with objective.stepping(0.5):
        pass
    assert torch.equal(objective.center, center)


def test_a_step_that_fails_leaves_nothing_behind() -> None:
    objective = objective_of(encoder_alone())
    before = {name: buffer.clone() for name, buffer in objective.named_buffers()}
    with pytest.raises(RuntimeError), objective.stepping(0.5):
        objective.losses(tensors_of(objective))
        raise RuntimeError
    assert all(torch.equal(buffer, before[name]) for name, buffer in objective.named_buffers())


@torch.no_grad()
def test_small_crops_are_for_the_student_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    objective = objective_of(encoder_alone())
    seen: dict[str, list[tuple[int, ...]]] = {"student": [], "teacher": []}
    for name, encoder in (("student", objective.encoder), ("teacher", objective.teacher.module["encoder"])):
        original = encoder.hidden_states
        monkeypatch.setattr(
            encoder,
            "hidden_states",
            lambda pixels, name=name, original=original: (seen[name].append(tuple(pixels.shape)), original(pixels))[1],
        )
    objective.losses(tensors_of(objective))
    assert seen == {"teacher": [(8, 3, 32, 32)], "student": [(8, 3, 32, 32), (12, 3, 16, 16)]}


def test_the_teacher_rests_whatever_the_rest_does() -> None:
    objective = objective_of(encoder_alone()).train()
    assert objective.head.training and not any(module.training for module in objective.teacher.modules())


def test_crops_are_of_their_sizes_and_shares() -> None:
    objective = objective_of(encoder_alone(), colors=False, flip=0.0, large_scale=[1.0, 1.0], small_crops=2)
    collator = objective.collator()
    (sample,) = samples(1)
    made = collator.prepare(sample, 3)[0]
    assert made["large"].shape == (2, 32, 32, 3) and made["small"].shape == (2, 16, 16, 3)
    assert np.array_equal(made["large"][0], made["large"][1]), "both show the whole picture"
    again, other = collator.prepare(sample, 3)[0], collator.prepare(sample, 4)[0]
    assert all(np.array_equal(made[name], again[name]) for name in made)
    assert not np.array_equal(made["small"], other["small"])
    colored = objective_of(encoder_alone(), flip=0.0, large_scale=[1.0, 1.0]).collator().prepare(sample, 3)[0]
    assert not np.array_equal(colored["large"][0], colored["large"][1])
    assert "small" not in objective_of(encoder_alone(), small_crops=0).collator().prepare(sample)[0]


@pytest.mark.parametrize(
    ("side", "patch", "small"), [(224, 16, 96), (224, 14, 98), (128, 16, 48), (32, 8, 16), (32, 32, 32)]
)
def test_usual_sizes_of_small_crops(side: int, patch: int, small: int) -> None:
    encoder = {
        "type": "transformers",
        "architecture": {"model_type": "vit", **FLAT, "image_size": side, "patch_size": patch},
    }
    model = toy_model(resolution={"type": "pad-square", "size": side}, encoder=encoder, projector=None, backbone=None)
    assert objective_of(model).small_side == small


def test_defaults_are_the_papers() -> None:
    config = OBJECTIVES.parse({"type": "self-distillation"}, where="objective")
    head = PrototypeHead(384, hidden=config.hidden, bottleneck=config.bottleneck, prototypes=config.prototypes)
    assert [tuple(p.shape) for name, p in head.named_parameters() if name.endswith("weight")] == [
        (2048, 384), (2048, 2048), (256, 2048), (65_536, 256),
    ]  # fmt: skip
    assert (config.small_crops, config.large_scale, config.small_scale) == (8, (0.4, 1.0), (0.05, 0.4))
    assert (config.student_temperature, config.teacher_temperatures) == (0.1, (0.04, 0.07))
    assert (config.momentum, config.center_momentum) == (0.996, 0.9)


def test_an_average_is_the_same_function() -> None:
    torch.manual_seed(0)
    original = ENCODERS.parse(
        {
            "type": "transformers",
            "architecture": {"model_type": "siglip_vision_model", **FLAT, "vision_use_head": True},
            "cls": "none",
        },
        where="encoder",
    ).build()
    average = MovingAverage(original)
    pixels = torch.randn(1, 3, 32, 32)
    assert torch.equal(average.module.hidden_states(pixels)[-1], original.eval().hidden_states(pixels)[-1])
    assert not list(average.parameters())
    assert {f"module.{name}" for name, _ in original.named_parameters()} <= set(average.state_dict())
    original.model.embeddings.position_embedding.weight.requires_grad_(False)
    with torch.no_grad():
        for parameter in original.parameters():
            parameter.add_(1.0)
    average.follow(original, 0.75)
    still = dict(average.module.named_buffers())["model.embeddings.position_embedding.weight"]
    assert torch.allclose(still, original.model.embeddings.position_embedding.weight - 1, atol=1e-6), (
        "it does not learn"
    )
    moved = dict(average.module.named_buffers())["model.post_layernorm.bias"]
    assert torch.allclose(moved, original.model.post_layernorm.bias - 0.75)
    average.hand_over(original)
    assert torch.equal(original.model.post_layernorm.bias, moved)


def test_encoders_that_cannot_read_small_crops() -> None:
    model = encoder_alone()

    def complain(size: tuple[int, int]) -> None:
        raise ValueError(f"Input image size ({size[0]}*{size[1]}) doesn't match model (32*32).")

    model.encoder.shapes_of = complain  # a model that does not know how to interpolate
    sentence = (
        "model.encoder: expected an encoder that reads small crops, 16 x 16 pixels, too, found vit, which does not (Input image "
        "size (16*16) doesn't match model (32*32)); use one that interpolates its positions (ViT, CLIP, SigLIP, DINOv2), or set "
        "objective.small_crops=0."
    )
    with pytest.raises(BadInput) as told:
        objective_of(model)
    assert str(told.value) == sentence
    objective_of(model, small_crops=0)


def test_convolutions_learn_too() -> None:
    focal = {
        "model_type": "focalnet",
        "image_size": 32,
        "patch_size": 4,
        "embed_dim": 8,
        "hidden_sizes": [8, 16],
        "depths": [1, 1],
        "focal_levels": [2, 2],
        "focal_windows": [3, 3],
    }
    model = toy_model(
        encoder={"type": "transformers", "architecture": focal, "cls": "none", "tap": -1}, projector=None, backbone=None
    )
    objective = objective_of(model)
    losses, found = gradients(model, objective, step_of(objective, samples(3)))
    assert math.isfinite(losses["self-distillation"]) and any(name.startswith("encoder.") for name in found)
