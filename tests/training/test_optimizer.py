"""Optimizers: float32 copies behind any precision, exact round trips, frozen means frozen."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from omma.recipe import Optimizer, Rate, Schedule
from omma.training.groups import learning_groups
from omma.training.optimizer import MasterOptimizer, rate_factor


def network() -> nn.ModuleDict:
    torch.manual_seed(0)
    return nn.ModuleDict(
        {"embed": nn.Embedding(5, 8), "hidden": nn.Linear(8, 8), "head": nn.Linear(8, 3), "frozen": nn.Linear(8, 8)}
    )


def optimizer_of(module: nn.Module, dtype: torch.dtype, *, learn: str = "[!f]*", **settings: Any) -> MasterOptimizer:
    return MasterOptimizer(module, learning_groups(module, [Rate(pattern=learn, rate=0.1)]), Optimizer(**settings), dtype)


def learn(module: nn.ModuleDict, optimizer: MasterOptimizer, steps: int, *, start: int = 0) -> None:
    for step in range(start, start + steps):
        for micro in range(2):
            ids = torch.arange(5).roll(step + micro)
            output = module["head"](module["frozen"](torch.tanh(module["hidden"](module["embed"](ids)))))
            (output.float() ** 2).mean().backward()
            optimizer.accumulate()
        optimizer.step(1.0, optimizer.gradient_norm())


KINDS = pytest.mark.parametrize("kind", ["adamw", "muon", "adafactor"])
PRECISIONS = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])


@KINDS
@PRECISIONS
def test_state_round_trip(kind: str, dtype: torch.dtype) -> None:
    whole = network()
    optimizer = optimizer_of(whole, dtype, type=kind, weight_decay=0.1)
    learn(whole, optimizer, 3)
    state = {key: tensor.clone() for key, tensor in optimizer.state().items()}
    again = network()
    restored = optimizer_of(again, dtype, type=kind, weight_decay=0.1)
    restored.load(state)
    learn(whole, optimizer, 3, start=3)
    learn(again, restored, 3, start=3)
    for name, tensor in optimizer.state().items():
        assert torch.equal(tensor, restored.state()[name]), name
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))


def test_muon_is_for_hidden_matrices() -> None:
    module = network()
    optimizer = optimizer_of(module, torch.float32, type="muon")
    learn(module, optimizer, 1)
    moments = {key.partition("/")[::2] for key in optimizer.state()}
    assert {name for kind, name in moments if kind == "momentum_buffer"} == {"hidden.weight", "head.weight"}
    assert {name for kind, name in moments if kind == "exp_avg"} == {"embed.weight", "hidden.bias", "head.bias"}


def test_muon_is_for_kernels_between_hidden_maps() -> None:
    module = nn.ModuleDict(
        {"pixels": nn.Conv2d(3, 8, 3), "hidden": nn.Conv2d(8, 8, 3), "by_channel": nn.Conv2d(8, 8, 3, groups=8)}
    )
    optimizer = optimizer_of(module, torch.float32, type="muon")
    image = torch.randn(2, 3, 9, 9)
    for layer in module.values():
        image = layer(image)
    image.square().mean().backward()
    optimizer.accumulate()
    optimizer.step(1.0, optimizer.gradient_norm())
    assert {key for key in optimizer.state() if key.startswith("momentum_buffer")} == {"momentum_buffer/hidden.weight"}


def test_batch_norms_keep_their_statistics_in_float32() -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    optimizer = optimizer_of(module, torch.bfloat16)
    learned = module[1].weight.detach().clone()
    before = module[1].running_mean.clone()
    for _ in range(3):
        module(torch.randn(2, 3, 9, 9, dtype=torch.bfloat16) + 1).square().mean().backward()
        optimizer.accumulate()
        optimizer.step(1.0, optimizer.gradient_norm())
    assert [p.dtype for p in module.parameters()] == [torch.bfloat16] * 2 + [torch.float32] * 2
    assert module[1].running_mean.dtype == torch.float32 and not torch.equal(module[1].running_mean, before)
    assert not torch.equal(module[1].weight, learned)


def test_small_updates_are_not_lost_in_bf16() -> None:
    module = nn.ModuleDict({"a": nn.Linear(4, 4, bias=False)})
    module["a"].weight.data.fill_(1.0)
    optimizer = MasterOptimizer(
        module, learning_groups(module, [Rate(pattern="*", rate=1e-4)]), Optimizer(), torch.bfloat16
    )
    for _ in range(100):
        module["a"](torch.ones(1, 4, dtype=torch.bfloat16)).sum().backward()
        optimizer.accumulate()
        optimizer.step(1.0, optimizer.gradient_norm())
    assert module["a"].weight.dtype == torch.bfloat16
    optimizer.finish()
    # 1 - 1e-4 is 1 in bf16: without the copies nothing would ever have moved.
    torch.testing.assert_close(module["a"].weight.data, torch.full((4, 4), 0.99), rtol=0, atol=1e-4)


@KINDS
def test_frozen_parameters_come_back_to_the_last_bit(kind: str) -> None:
    module, before = network(), network()
    optimizer = optimizer_of(module, torch.bfloat16, type=kind)
    assert all(p.dtype == torch.bfloat16 for p in module.parameters())
    assert {name for name, p in module.named_parameters() if not p.requires_grad} == {"frozen.weight", "frozen.bias"}
    learn(module, optimizer, 2)
    optimizer.finish()
    assert all(p.dtype == torch.float32 for p in module.parameters())
    for name in ("weight", "bias"):
        assert torch.equal(getattr(module["frozen"], name), getattr(before["frozen"], name))
        assert not torch.equal(getattr(module["hidden"], name), getattr(before["hidden"], name))


def test_buffers_keep_their_precision() -> None:
    module = nn.ModuleDict({"norm": nn.BatchNorm1d(4)})
    optimizer_of(module, torch.bfloat16, learn="*")
    assert module["norm"].running_mean.dtype == torch.float32


def test_what_is_added_to_the_second_moment_is_the_recipe_s() -> None:
    found = []
    for eps in (1e-8, 1e3):
        module = nn.ModuleDict({"a": nn.Linear(2, 2, bias=False)})
        before = module["a"].weight.detach().clone()
        optimizer = optimizer_of(module, torch.float32, eps=eps)
        module["a"](torch.ones(1, 2)).sum().backward()
        optimizer.accumulate()
        optimizer.step(1.0, optimizer.gradient_norm())
        found.append(float((module["a"].weight.detach() - before).abs().max()))
    assert found[0] > 100 * found[1] > 0


def test_tied_weights_stay_tied() -> None:
    module = network()
    module["head"] = nn.Linear(8, 5, bias=False)
    module["head"].weight = module["embed"].weight
    optimizer = optimizer_of(module, torch.bfloat16)
    optimizer.finish()
    assert module["head"].weight is module["embed"].weight


def test_gradients_are_clipped_together() -> None:
    module = network()
    optimizer = optimizer_of(module, torch.float32, clip=0.5)
    (module["head"](module["hidden"].weight).sum() * 1e3).backward()
    norm = optimizer.gradient_norm()
    gradients = [p.grad.clone() for p in module.parameters() if p.grad is not None]
    assert float(norm) == pytest.approx(math.sqrt(sum(float((g**2).sum()) for g in gradients)), rel=1e-5)
    seen: list[float] = []
    optimizer.optimizers[0].register_step_pre_hook(
        lambda *args: seen.append(math.sqrt(sum(float((p.grad**2).sum()) for p in module.parameters() if p.grad is not None)))
    )
    optimizer.step(1.0, norm)
    assert seen == [pytest.approx(0.5, rel=1e-4)]


def test_without_any_gradient_nothing_moves() -> None:
    module, before = network(), network()
    optimizer = optimizer_of(module, torch.float32)
    norm = optimizer.gradient_norm()
    assert float(norm) == 0.0
    optimizer.step(1.0, norm)
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), before.parameters(), strict=True))


shapes = st.sampled_from(["constant", "inverse-root", "cosine", "linear", "trapezoid"])


@given(shapes, st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 1), st.integers(1, 300))
def test_schedules(shape: Any, warmup: float, final: float, decay: float, steps: int) -> None:
    schedule = Schedule(shape=shape, warmup=warmup, final=final, decay=decay)
    factors = [rate_factor(schedule, step, steps) for step in range(steps)]
    assert all(0 <= f <= 1 for f in factors)
    assert factors[0] > 0, "the first step is not wasted"
    top = factors.index(max(factors))
    assert all(a <= b + 1e-12 for a, b in zip(factors[:top], factors[1 : top + 1], strict=True))
    assert all(a >= b - 1e-12 for a, b in zip(factors[top:], factors[top + 1 :], strict=False))


def test_shapes_at_their_marks() -> None:
    cosine = Schedule(shape="cosine", warmup=0.1)
    assert [rate_factor(cosine, s, 100) for s in (0, 9, 10, 55)] == [0.1, 1.0, 1.0, pytest.approx(0.5)]
    trapezoid = Schedule(shape="trapezoid", warmup=0, decay=0.2, final=0.1)
    assert [rate_factor(trapezoid, s, 100) for s in (0, 80, 90)] == [1.0, 1.0, pytest.approx(0.55)]
    assert rate_factor(Schedule(shape="linear", warmup=0), 50, 100) == 0.5
    root = Schedule(shape="inverse-root", warmup=0.04)
    assert [rate_factor(root, s, 100) for s in (0, 3, 15, 99)] == [0.25, 1.0, 0.5, 0.2]
    assert rate_factor(Schedule(shape="inverse-root", warmup=0), 3, 100) == 0.5


def test_adafactor_is_torch_s() -> None:
    """At the rates of the groups, on gradients that are added up."""
    module, theirs = network(), network()
    learn(module, optimizer_of(module, torch.float32, type="adafactor", clip=None), 3)
    parameters = [p for name, p in theirs.named_parameters() if not name.startswith("frozen")]
    reference = torch.optim.Adafactor(parameters, lr=0.1)
    for step in range(3):
        for micro in range(2):
            ids = torch.arange(5).roll(step + micro)
            output = theirs["head"](theirs["frozen"](torch.tanh(theirs["hidden"](theirs["embed"](ids)))))
            (output**2).mean().backward()
        reference.step()
        reference.zero_grad()
    for (name, found), expected in zip(module.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(found, expected, msg=name)
