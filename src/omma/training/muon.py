"""Muon: momentum whose matrix is made nearly orthogonal before it is applied (Keller Jordan, 2024; Liu et al., arXiv 2502.16982).

`torch.optim.Muon` orthogonalizes in bfloat16 wherever it runs, matrix by matrix. This one computes in the precision that
the device multiplies, and matrices of the same shape together; otherwise the two agree (tests/training/test_muon.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from omma.training.precision import compute_dtype

COEFFICIENTS = 3.4445, -4.7750, 2.0315
"""Of the quintic that raises all singular values into (0.7, 1.2) within five steps."""
STEPS = 5
TOGETHER = 2**24
"""Numbers of equally shaped matrices that are stacked at a time: what bounds memory."""


class Muon(torch.optim.Optimizer):
    """For matrices [rows, columns], and kernels [rows, columns, height, width] as matrices of that many rows, with Nesterov
    momentum and decoupled weight decay.

    An update's root mean square is 0.2, as AdamW's usually is, so that the same rates serve for both (2502.16982, section 2.2).
    """

    def __init__(self, params: Iterable[Any], *, lr: float, weight_decay: float = 0.0, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for stack in _stacks([p for p in group["params"] if p.grad is not None]):
                directions = orthogonalized(torch.stack([self._momentum(p, group["momentum"]) for p in stack]))
                scale = 0.2 * max(directions.shape[1:]) ** 0.5
                for parameter, direction in zip(stack, directions, strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.add_(direction.view_as(parameter), alpha=-group["lr"] * scale)

    def _momentum(self, parameter: Tensor, momentum: float) -> Tensor:
        """The momentum after this gradient, looked at from one step ahead, as a matrix."""
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        if not state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        buffer = state["momentum_buffer"].lerp_(gradient, 1 - momentum)
        return gradient.lerp(buffer, momentum).flatten(1)


def orthogonalized(matrices_NRC: Tensor) -> Tensor:
    """Matrices [N, R, C] with their singular vectors kept and all singular values near 1, in the same precision."""
    dtype = compute_dtype("auto", matrices_NRC.device)
    tall = matrices_NRC.shape[1] > matrices_NRC.shape[2]
    found = (matrices_NRC.mT if tall else matrices_NRC).to(dtype)
    found = found / found.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(STEPS):
        gram = found @ found.mT
        found = torch.baddbmm(found, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), found, beta=a)
    return (found.mT if tall else found).to(matrices_NRC.dtype)


def _stacks(parameters: list[Tensor]) -> Iterator[list[Tensor]]:
    """Parameters of the same shape, as many at a time as memory is meant for."""
    by_shape: dict[tuple[torch.Size, torch.device], list[Tensor]] = defaultdict(list)
    for parameter in parameters:
        by_shape[parameter.shape, parameter.device].append(parameter)
    for (shape, _), alike in by_shape.items():
        size = max(1, TOGETHER // shape.numel())
        yield from (alike[i : i + size] for i in range(0, len(alike), size))
