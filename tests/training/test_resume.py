"""Resuming: whatever stopped a training, it goes on as if nothing had happened, bit for bit."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from omma.training.checkpoint import checkpoints
from omma.training.loop import Progress
from omma.training.run import read_record, train
from toy_training import ALIGN, INSTRUCT, SHAPES, log_lines, toy_recipe, weights

KILLS = 20


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("reference")
    train(toy_recipe(), directory)
    return directory


def interrupt_at(*moments: tuple[str, int], number: int = signal.SIGINT) -> Callable[[Progress], None]:
    """A report callback that sends this process a signal when a step of a stage was finished."""

    def report(progress: Progress) -> None:
        if (progress.stage, progress.step) in moments:
            os.kill(os.getpid(), number)

    return report


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_any_number_of_workers_gives_the_same_run(tmp_path: Path, reference: Path, workers: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(toy_recipe(workers=workers), tmp_path, report=interrupt_at(("instruct", 1)))
    train(toy_recipe(workers=workers), tmp_path)
    assert log_lines(tmp_path) == log_lines(reference)
    assert weights(tmp_path) == weights(reference)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_checkpoint_of_that_very_step(tmp_path: Path, reference: Path, number: int) -> None:
    before = signal.getsignal(number)
    for stage, step in (("align", 1), ("align", 3), ("align", 4), ("instruct", 3)):
        with pytest.raises(KeyboardInterrupt):
            train(toy_recipe(), tmp_path, report=interrupt_at((stage, step), number=number))
        assert signal.getsignal(number) is before
        assert read_record(tmp_path)["status"] == "stopped"
        assert json.loads((checkpoints(tmp_path)[-1] / "state.json").read_text())["step"] == step
        assert len((tmp_path / "log.jsonl").read_text().splitlines()) == step + (4 if stage == "instruct" else 0)
    train(toy_recipe(), tmp_path)
    assert read_record(tmp_path)["status"] == "finished"
    assert log_lines(tmp_path) == log_lines(reference)
    assert weights(tmp_path) == weights(reference)


CHANCE: dict[str, dict[str, Any]] = {
    # Dropout draws from the random state that a checkpoint holds.
    "lora": {**INSTRUCT, "lora": {"rank": 2, "alpha": 4, "dropout": 0.5}, "learn": [{"pattern": "*lora*", "rate": 1e-2}]},
    "muon, bf16": {**INSTRUCT, "optimizer": {"type": "muon", "weight_decay": 0.1}, "precision": "bf16"},
    "encoder": {**ALIGN, "learn": [{"pattern": "*", "rate": 1e-3}], "drop_path": 0.5},
    # Which sample stands where follows from the position, whatever the weights do.
    "data": {
        **INSTRUCT,
        "data": [
            {**INSTRUCT["data"][0], "begins": 0.0, "over": 0.5},
            {"source": {**SHAPES, "task": "caption"}, "begins": 2.0, "resolution": {"type": "pad-square", "size": 16}},
        ],
    },
}


@pytest.mark.parametrize("stage", CHANCE.values(), ids=CHANCE.keys())
def test_every_kind_of_state_is_in_the_checkpoint(tmp_path: Path, stage: dict[str, Any]) -> None:
    recipe = toy_recipe(stages={"only": {**stage, "checkpoint_every": 1}})
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(recipe, whole)
    for step in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            train(recipe, cut, report=interrupt_at(("only", step)))
    train(recipe, cut)
    assert log_lines(cut) == log_lines(whole)
    assert weights(cut) == weights(whole)


def test_lines_and_leftovers_of_a_killed_process_are_cleared(tmp_path: Path, reference: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(toy_recipe(), tmp_path, report=interrupt_at(("instruct", 2)))
    (tmp_path / "checkpoints" / ".step-00000099.partial").mkdir()
    with open(tmp_path / "log.jsonl", "a") as file:
        file.write('{"stage": "instruct", "step": 2, "loss": 99.0, "tokens_per_second": 1.0}\n{"stage": "inst')
    train(toy_recipe(), tmp_path)
    assert log_lines(tmp_path) == log_lines(reference)
    assert not (tmp_path / "checkpoints").exists()


def test_a_finished_run_is_left_alone(tmp_path: Path) -> None:
    recipe = toy_recipe(stages={"align": ALIGN})
    train(recipe, tmp_path)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "model").iterdir()}
    said: list[str] = []

    def report(progress: Progress) -> None:
        raise AssertionError("no step is left")

    train(recipe, tmp_path, announce=said.append, report=report)
    assert said == ["Stage align is done already."]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "model").iterdir()} == files


def test_killed_at_random_moments(tmp_path: Path) -> None:
    """kill -9, at least 20 times: no checkpoint is ever unreadable, and the loss curve goes on bit for bit."""
    seed = random.randrange(2**31)
    script = Path(__file__).with_name("kill_and_resume.py")
    paths = [str(Path(__file__).parents[1]), *sys.path]
    ended = subprocess.run(
        [sys.executable, str(script), str(tmp_path), str(KILLS), str(seed)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        timeout=600,
    )
    assert ended.returncode == 0, f"seed {seed}: {ended.stdout}\n{ended.stderr}"
    told = json.loads(ended.stdout.splitlines()[-1])
    assert told["kills"] >= KILLS and told["completed"] >= 1
