"""The stream of steps: samples of a mixture, prepared in worker processes, in an order that only positions decide."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, Dataset

from omma.data.mixture import Mixture
from omma.errors import BadInput
from omma.objectives.base import BadSample, Collator, Step

PREFETCH = 4
"""Steps that each worker prepares ahead."""


class StepDataset(Dataset[Step]):
    """Item s is everything that optimizer step s eats: samples s * batch to (s + 1) * batch of the mixture."""

    def __init__(self, mixture: Mixture, collator: Collator, batch: int, steps: int) -> None:
        self.mixture, self.collator, self.batch, self.steps = mixture, collator, batch, steps

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Step:
        prepared, bad = [], []
        for position in range(step * self.batch, (step + 1) * self.batch):
            try:
                prepared.append(self.collator.prepare(self.mixture.sample(position), position))
            except BadInput as error:
                bad.append(BadSample(position, str(error)))
        result = self.collator.collate(prepared) if prepared else Step([])
        result.bad = bad
        return result


def _only(steps: list[Step]) -> Step:
    return steps[0]


def stream_steps(dataset: StepDataset, start: int, workers: int) -> Iterator[Step]:
    """Steps from ``start`` to the end, in order, whatever the number of workers."""
    return iter(
        DataLoader(
            dataset,
            batch_size=1,
            sampler=range(start, len(dataset)),
            num_workers=workers,
            collate_fn=_only,
            prefetch_factor=PREFETCH if workers else None,
            # Of its own: a loader draws a seed for its workers, and a resumed run must not draw once more than others.
            generator=torch.Generator(),
        )
    )
