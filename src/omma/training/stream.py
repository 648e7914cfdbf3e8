"""The stream of steps: samples of a mixture, prepared in worker processes, in an order that only positions decide."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from functools import partial

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


PR_SET_PDEATHSIG = 1
"""Of Linux' prctl(2): the signal that a process gets when the one that made it dies."""


def _belong(parent: int, worker: int) -> None:
    """A worker ends with the training, however that ends, and leaves Ctrl-C to it.

    By itself it would not: it may be writing a step that nobody will ever read, and it has the training's own handlers, to
    which the first signal is but a wish.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # dead already, before it was asked
        os._exit(1)


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
            worker_init_fn=partial(_belong, os.getpid()),
            # Of its own: a loader draws a seed for its workers, and a resumed run must not draw once more than others.
            generator=torch.Generator(),
        )
    )
