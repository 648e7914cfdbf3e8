"""Root mean square norms in fewer passes over memory, for training on CPUs.

As they are written in `transformers`, forward and backward of one norm pass over the tokens some twenty times, in float32
whatever the model is in: a small language model spends a good part of a step on them. Half of the passes are enough.
(Zhang and Sennrich, Root Mean Square Layer Normalization, arXiv 1910.07467.)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

EPSILON_NAMES = ("variance_epsilon", "eps")


class _RmsNorm(torch.autograd.Function):
    """``weight * (x / rms(x))``, the quotient rounded to the type of ``x`` first, as the modules of `transformers` round it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.promote_types(x.dtype, torch.float32))
        inverse = norm.square_().div_(x.shape[-1]).add_(epsilon).rsqrt_()
        unit = (x * inverse).to(x.dtype)
        ctx.save_for_backward(unit, inverse, weight)
        return unit * weight

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None, None]:  # type: ignore[override]
        unit, inverse, weight = ctx.saved_tensors
        product = gradient * unit
        of_weight = None
        if ctx.needs_input_grad[1]:
            of_weight = product.sum(tuple(range(product.ndim - 1)), dtype=inverse.dtype).to(weight.dtype)
        along = product.mul_(weight).sum(-1, keepdim=True, dtype=inverse.dtype).div_(unit.shape[-1])
        of_x = torch.addcmul(gradient * weight, unit, along.to(unit.dtype), value=-1).mul_(inverse.to(unit.dtype))
        return of_x, of_weight, None


@contextmanager
def fewer_passes(model: nn.Module) -> Iterator[None]:
    """Inside, the model's root mean square norms are computed so on CPUs; other norms, and other devices, as ever.

    Which modules those are is found by what they compute: `transformers` has a class of its own for nearly every model.
    """
    found = [(module, epsilon) for module in model.modules() if (epsilon := _epsilon(module)) is not None]
    for module, epsilon in found:
        module.forward = partial(_forward, module, type(module).forward, epsilon)
    try:
        yield
    finally:
        for module, _ in found:
            del module.forward


def _forward(module: nn.Module, usual: Any, epsilon: float, x: Tensor) -> Tensor:
    weight: Tensor = module.weight  # type: ignore[assignment]
    if x.device.type != "cpu" or x.dtype != weight.dtype:
        return usual(module, x)
    return _RmsNorm.apply(x, weight, epsilon)


def _epsilon(module: nn.Module) -> float | None:
    """Of a root mean square norm with a plain factor; None for every other module."""
    weight = getattr(module, "weight", None)
    epsilon = next((getattr(module, name) for name in EPSILON_NAMES if isinstance(getattr(module, name, None), float)), None)
    if not type(module).__name__.endswith("RMSNorm") or not isinstance(weight, nn.Parameter) or epsilon is None:
        return None
    if weight.ndim != 1 or weight.device.type != "cpu" or "forward" in vars(module):
        return None
    with torch.no_grad():
        probe = torch.linspace(-3, 2, 2 * len(weight), dtype=weight.dtype).view(2, -1)
        try:
            made = module(probe)
        except TypeError:  # it wants more than the hidden states
            return None
        return epsilon if torch.allclose(made, _RmsNorm.apply(probe, weight, epsilon), rtol=1e-2) else None
