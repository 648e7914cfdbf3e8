"""Muon: the same as torch's, in the precision of the machine, whether matrices are computed alone or together."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from omma.training import muon
from omma.training.muon import Muon, orthogonalized

SHAPES = [(8, 8), (24, 8), (8, 24), (8, 8), (1, 8)]


def parameters(seed: int = 0) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def learn(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], steps: int = 4) -> None:
    generator = torch.Generator().manual_seed(7)
    for _ in range(steps):
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step()


def test_the_same_as_in_torch() -> None:
    ours, theirs = parameters(), parameters()
    learn(Muon(ours, lr=0.02, weight_decay=0.1), ours)
    learn(torch.optim.Muon(theirs, lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"), theirs)
    for one, other, start in zip(ours, theirs, parameters(), strict=True):
        moved = (other - start).norm()
        # Torch's iterates in bfloat16, of eight bits.
        assert (one - other).norm() < 0.03 * moved


@pytest.fixture
def exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(muon, "compute_dtype", lambda *_: torch.float32)


@pytest.mark.usefixtures("exactly")
@pytest.mark.parametrize("together", [1, 2**24])
def test_matrices_alone_and_together(together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(muon, "TOGETHER", together)
    all_at_once, one_by_one = parameters(), parameters()
    learn(Muon(all_at_once, lr=0.02), all_at_once)
    for number, parameter in enumerate(one_by_one):
        generator = torch.Generator().manual_seed(7)
        optimizer = Muon([parameter], lr=0.02)
        for _ in range(4):
            gradients = [torch.randn(shape, generator=generator) for shape in SHAPES]
            parameter.grad = gradients[number]
            optimizer.step()
    for one, other in zip(all_at_once, one_by_one, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


@given(seed=st.integers(0, 10**6), rows=st.integers(1, 12), columns=st.integers(1, 12), scale=st.floats(1e-4, 1e4))
@settings(max_examples=60, deadline=None)
def test_singular_vectors_stay_and_values_come_near_one(seed: int, rows: int, columns: int, scale: float) -> None:
    matrix = torch.randn(1, rows, columns, generator=torch.Generator().manual_seed(seed))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(muon, "compute_dtype", lambda *_: torch.float32)
        found = orthogonalized(matrix * scale)[0]
        transposed = orthogonalized(matrix.mT * scale)[0]
    left, values, right = torch.linalg.svd(matrix[0], full_matrices=False)
    inside: Tensor = left.mT @ found @ right.mT
    assert (inside - inside.diagonal().diag()).abs().max() < 1e-2
    # Values far below the largest need more than five steps.
    large = values > 0.1 * values.norm()
    assert ((inside.diagonal()[large] > 0.6) & (inside.diagonal()[large] < 1.3)).all()
    torch.testing.assert_close(transposed, found.mT, rtol=0, atol=1e-3)


@pytest.mark.usefixtures("exactly")
def test_kernels_learn_as_the_matrices_that_they_are() -> None:
    kernel = nn.Parameter(torch.randn(6, 4, 3, 3, generator=torch.Generator().manual_seed(1)))
    matrix = nn.Parameter(kernel.detach().flatten(1).clone())
    for parameter in (kernel, matrix):
        optimizer = Muon([parameter], lr=0.02, weight_decay=0.1)
        generator = torch.Generator().manual_seed(2)
        for _ in range(3):
            parameter.grad = torch.randn(6, 36, generator=generator).view_as(parameter)
            optimizer.step()
    assert torch.equal(kernel.detach().flatten(1), matrix.detach())


def test_no_gradient_no_step() -> None:
    with_gradient, without = parameters()[:2]
    before = without.detach().clone()
    with_gradient.grad = torch.ones_like(with_gradient)
    optimizer = Muon([with_gradient, without], lr=0.1, weight_decay=0.1)
    optimizer.step()
    assert torch.equal(without, before)
    assert list(optimizer.state) == [with_gradient]
