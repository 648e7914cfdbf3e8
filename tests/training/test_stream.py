"""The stream of steps: its workers end when the training does, even if that is killed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any, cast

import numpy as np

from omma.objectives.base import Step
from omma.training.stream import StepDataset, stream_steps

MORE_THAN_A_PIPE_HOLDS = 1 << 20


class Endless:
    """A mixture and a collator whose steps are too large to be handed over before somebody reads them."""

    def sample(self, position: int) -> int:
        return position

    def prepare(self, sample: int, position: int) -> int:
        return sample

    def collate(self, prepared: list[int]) -> Step:
        return Step([{"numbers": np.full(MORE_THAN_A_PIPE_HOLDS, prepared[0], dtype=np.uint8)}])


def steps(number: int) -> StepDataset:
    return StepDataset(cast(Any, Endless()), cast(Any, Endless()), batch=1, steps=number)


def test_workers_hand_over_steps_in_order() -> None:
    stream = stream_steps(steps(9), 4, 2)
    assert [int(step.micro_batches[0]["numbers"][0]) for step in stream] == [4, 5, 6, 7, 8]


def children(process: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def alive(process: int) -> bool:
    """Whether it runs: one that ended, and is not waited for, does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_worker_does_not_outlive_a_killed_training() -> None:
    training = os.fork()
    if training == 0:
        stream = stream_steps(steps(100), 0, 1)
        next(stream)
        time.sleep(600)
        os._exit(0)
    stop = time.monotonic() + 60
    while not children(training) and time.monotonic() < stop:
        time.sleep(0.05)
    # By then it blocks: its next step is larger than the pipe, and nobody reads.
    time.sleep(1.0)
    workers = children(training)
    os.kill(training, signal.SIGKILL)
    os.waitpid(training, 0)
    stop = time.monotonic() + 60
    while any(map(alive, workers)) and time.monotonic() < stop:
        time.sleep(0.05)
    assert workers and not any(map(alive, workers))
