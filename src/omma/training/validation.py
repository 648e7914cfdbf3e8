"""Validation: the losses of a stage on data that it does not learn from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from omma.objectives.base import Objective, Step
from omma.recipe import ValidationRecipe
from omma.training.step import as_tensors


class Validation:
    """Held-out samples of every source, prepared once, and the mean losses on them whenever asked.

    Args:
        trained: all modules that the losses pass through; they are in evaluation mode meanwhile.
    """

    def __init__(self, recipe: ValidationRecipe, objective: Objective, trained: nn.Module, device: torch.device) -> None:
        self.recipe, self.objective, self.trained, self.device = recipe, objective, trained, device

    def due(self, done: int, steps: int) -> bool:
        """Whether to measure after ``done`` of ``steps`` steps: every so often, and at the end."""
        return bool(self.recipe.data) and (done % self.recipe.every == 0 or done == steps)

    @torch.no_grad()
    def losses(self) -> dict[str, dict[str, float]]:
        """Mean losses by source (`Sample.source`) and term. What learns next is the same as if nobody had asked.

        Raises:
            BadInput: if a held-out sample is at fault.
        """
        with _resting(self.trained):
            return {source: self._mean(step) for source, step in self._steps.items()}

    @cached_property
    def _steps(self) -> dict[str, Step]:
        collator = self.objective.collator()
        prepared: dict[str, list[Any]] = defaultdict(list)
        for config in self.recipe.data:
            source = config.build()
            count = self.recipe.samples if source.length is None else min(self.recipe.samples, source.length)
            for index in range(count):
                sample = source.sample(index)
                prepared[sample.source].append(collator.prepare(sample))
        return {source: collator.collate(samples) for source, samples in prepared.items()}

    def _mean(self, step: Step) -> dict[str, float]:
        sums: dict[str, Tensor | float] = defaultdict(float)
        divisors: dict[str, float] = defaultdict(float)
        for batch in step.micro_batches:
            for term, loss in self.objective.losses(as_tensors(batch, self.device)).items():
                sums[term] += loss
            for term, weight in self.objective.weights(batch).items():
                divisors[term] += weight
        return {term: float(total) / divisors[term] for term, total in sums.items() if divisors[term] > 0}


@contextmanager
def _resting(module: nn.Module) -> Iterator[None]:
    """All of a module in evaluation mode; afterwards modes and random state are as they were."""
    modes = {each: each.training for each in module.modules()}
    with torch.random.fork_rng():
        module.eval()
        try:
            yield
        finally:
            for each, mode in modes.items():
                each.training = mode
