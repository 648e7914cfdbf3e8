"""One optimizer step: forward, backward and update, over as many micro-batches as it is cut into."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from omma.objectives.base import MicroBatch, Objective, Step
from omma.training.optimizer import MasterOptimizer


def take_step(
    objective: Objective, optimizer: MasterOptimizer, step: Step, factor: float, device: torch.device
) -> tuple[dict[str, float], float]:
    """Forward, backward and update.

    Args:
        factor: what all rates are multiplied with.

    Returns:
        Mean losses of the terms that the step has anything for, and the gradient norm before clipping. If that is not
        finite, nothing was updated.
    """
    coefficients = objective.coefficients()
    divisors = dict.fromkeys(coefficients, 0.0)
    for batch in step.micro_batches:
        for term, weight in objective.weights(batch).items():
            divisors[term] += weight
    present = [term for term, divisor in divisors.items() if divisor > 0]
    sums: dict[str, Tensor | float] = dict.fromkeys(present, 0.0)
    for batch in step.micro_batches:
        losses = objective.losses(as_tensors(batch, device))
        means = {term: losses[term] / divisors[term] for term in present if term in losses}
        total = sum(coefficients[term] * mean for term, mean in means.items())
        # Nothing learns from text where only the projector does.
        if isinstance(total, Tensor) and total.requires_grad:
            total.backward()
            optimizer.accumulate()
        for term, mean in means.items():
            sums[term] += mean.detach()
    norm = optimizer.gradient_norm()
    if bool(norm.isfinite()):
        optimizer.step(factor, norm)
    return {term: float(total) for term, total in sums.items()}, float(norm)


def as_tensors(batch: MicroBatch, device: torch.device) -> dict[str, Any]:
    """What a micro-batch holds, as the objective takes it: tensors on the device, and texts as they are."""
    return {
        key: array if array.dtype.kind == "U" else torch.from_numpy(np.ascontiguousarray(array)).to(device)
        for key, array in batch.items()
    }
