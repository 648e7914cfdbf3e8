"""Checkpoints: whole or not there, whatever happens to the process or the disk."""

from __future__ import annotations

import errno
import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from omma import storage
from omma.errors import BadInput, OmmaError
from omma.storage import is_full_disk, remove_directory, sweep, whole_directory, write_atomically
from omma.training.checkpoint import checkpoints, read_state, read_tensors, save_checkpoint
from omma.training.run import train
from toy_training import ALIGN, log_lines, toy_recipe

STATE = {"stage": "s", "step": 1, "counters": {}}


def tensors(value: float) -> dict[str, dict[str, torch.Tensor]]:
    return {"optimizer": {"a": torch.full((100,), value), "n": torch.tensor(3)}, "random": {"torch": torch.get_rng_state()}}


def test_round_trip_and_pruning(tmp_path: Path) -> None:
    for step in (1, 2, 3, 10):
        save_checkpoint(tmp_path, step, tensors(step), {**STATE, "step": step})
    assert [path.name for path in checkpoints(tmp_path)] == ["step-00000003", "step-00000010"]
    last = checkpoints(tmp_path)[-1]
    state = read_state(last)
    assert state["step"] == 10
    found = read_tensors(last, state)
    assert torch.equal(found["optimizer"]["a"], torch.full((100,), 10.0)) and found["optimizer"]["n"] == 3
    assert sorted(os.listdir(tmp_path / "checkpoints")) == ["step-00000003", "step-00000010"]


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "other"])
@pytest.mark.parametrize("name", ["state.json", "optimizer.safetensors"])
def test_damage_is_named(tmp_path: Path, name: str, damage: str) -> None:
    save_checkpoint(tmp_path, 1, tensors(1), STATE)
    path = checkpoints(tmp_path)[-1]
    data = (path / name).read_bytes()
    if damage == "missing":
        (path / name).unlink()
    else:
        (path / name).write_bytes({"empty": b"", "cut": data[:-5], "other": b"{}" * 40}[damage])
    with pytest.raises(BadInput) as told:
        read_tensors(path, read_state(path))
    assert name in str(told.value) and f"delete {path}" in str(told.value)


def test_nothing_takes_its_name_before_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "model"
    with pytest.raises(RuntimeError), whole_directory(target) as folder:
        (folder / "half").write_text("half")
        raise RuntimeError
    assert not target.exists()
    for text in ("old", "new"):
        with whole_directory(target) as folder:
            (folder / "file").write_text(text)
    assert (target / "file").read_text() == "new"
    assert os.listdir(tmp_path) == ["model"]


def test_a_removal_cut_short_leaves_no_half_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path, 1, tensors(1), STATE)
    monkeypatch.setattr(storage.shutil, "rmtree", lambda *args, **kwargs: None)
    remove_directory(checkpoints(tmp_path)[0])
    monkeypatch.undo()
    assert checkpoints(tmp_path) == []
    assert len(os.listdir(tmp_path / "checkpoints")) == 1
    sweep(tmp_path / "checkpoints")
    assert os.listdir(tmp_path / "checkpoints") == []


def test_text_is_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomically(tmp_path / "run.json", "one")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            write_atomically(tmp_path / "run.json", "two")
    assert (tmp_path / "run.json").read_text() == "one"


def test_which_errors_mean_a_full_disk() -> None:
    assert is_full_disk(OSError(errno.ENOSPC, "No space left on device"))
    assert is_full_disk(SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"))
    assert not is_full_disk(OSError(errno.EACCES, "Permission denied"))
    assert not is_full_disk(SafetensorError("I/O error: Permission denied (os error 13)"))
    assert not is_full_disk(ValueError("os error 28"))


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may grow beyond that size: the kernel then refuses as it does when a disk is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_costs_one_sentence_and_no_checkpoint(tmp_path: Path) -> None:
    recipe = toy_recipe(stages={"align": {**ALIGN, "checkpoint_every": 1}})
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(recipe, whole)

    def stop(progress: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, cut, report=stop)
    before = {file: file.read_bytes() for path in checkpoints(cut) for file in path.iterdir()}
    assert before
    with largest_file(20_000), pytest.raises(OmmaError, match=r"step-00000002: expected room on the disk, found none") as told:
        train(recipe, cut)
    assert told.value.exit_code == 2
    assert {file: file.read_bytes() for path in checkpoints(cut) for file in path.iterdir()} == before
    assert not list((cut / "checkpoints").glob(".*"))
    assert json.loads((cut / "run.json").read_text())["status"] == "stopped"
    train(recipe, cut)
    assert log_lines(cut) == log_lines(whole)
