"""Kill a training at random moments, again and again, and resume it: what `test_resume` runs in a process of its own.

    python kill_and_resume.py DIRECTORY KILLS SEED

Everything slow (imports, tokenizers) happens once; every training is a fork of this process. Prints one JSON line: the
number of kills and of trainings that were finished, and how far each killed one had come by its checkpoints.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

import torch

from omma.training.checkpoint import checkpoints, read_state, read_tensors
from omma.training.run import train
from toy_training import ALIGN, INSTRUCT, log_lines, toy_recipe, weights

STAGES = {
    "align": {**ALIGN, "batch": 2, "steps": 3, "checkpoint_every": 1},
    "instruct": {**INSTRUCT, "batch": 2, "steps": 5, "checkpoint_every": 2},
}


def train_in_child(directory: Path, workers: int) -> int:
    """Begin (or go on with) the training in a new process; its id."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            train(toy_recipe(stages=STAGES, workers=workers), directory)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return child


def finished(child: int, seconds: float) -> bool:
    """Whether a process ends well by itself within a time; if it does not end at all it is killed."""
    stop = time.monotonic() + seconds
    while time.monotonic() < stop:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            if status != 0:
                sys.exit(f"a training failed with status {status}")
            return True
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return not os.WIFSIGNALED(status)


def place(directory: Path) -> str:
    """Where a killed training stands, after everything that it left was read."""
    stages = len(list((directory / "stages").glob("[!.]*")))
    step = 0
    for path in checkpoints(directory):
        state = read_state(path)
        read_tensors(path, state)
        step = state["step"]
    return f"{stages} stages and {step} steps"


def main(root: Path, kills: int, seed: int) -> None:
    torch.set_num_threads(1)
    chance = random.Random(seed)
    reference = root / "reference"
    began = time.monotonic()
    assert finished(train_in_child(reference, 0), 600)
    duration = time.monotonic() - began
    done, places, completed = 0, Counter[str](), 0
    directory = root / "run-0"
    while True:
        last = done >= kills
        child = train_in_child(directory, workers=chance.choice([0, 0, 1]))
        if finished(child, 600 if last else chance.uniform(0, duration)):
            assert log_lines(directory) == log_lines(reference), "the log differs"
            assert weights(directory) == weights(reference), "the weights differ"
            completed += 1
            directory = root / f"run-{completed}"
            if last:
                break
        else:
            done += 1
            places[place(directory)] += 1
    print(json.dumps({"kills": done, "completed": completed, "places": places}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
