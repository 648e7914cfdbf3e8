"""Checkpoints: directories that are either whole or not there.

Everything is written beside its final place, flushed to the disk, and renamed; a process killed at any moment leaves the
previous checkpoint as it was. Tensors are safetensors, the rest is JSON: nothing in a checkpoint can run code.

    checkpoints/step-00000200/
        state.json              stage, step, what was counted so far, provenance
        optimizer.safetensors   float32 copies of the learning parameters, optimizer moments
        module.safetensors      the rest of what changes besides them, such as an objective's own frozen buffers
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from omma.errors import BadInput, OmmaError

KEEP = 2
"""Checkpoints kept: the last one, and one before it should the disk itself fail."""


@contextmanager
def whole_directory(path: Path) -> Iterator[Path]:
    """A directory to fill, which takes its name only when everything in it is on the disk.

    Raises:
        OmmaError: if the disk is full, with nothing left behind.
    """
    temporary = path.with_name(f".{path.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        for file in temporary.rglob("*"):
            _sync(file)
        _sync(temporary)
        if path.exists():
            shutil.rmtree(path)
        temporary.rename(path)
        _sync(path.parent)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if is_full_disk(error):
            raise OmmaError(
                f"{path}: expected room on the disk, found it full; free some space and run the same command again, "
                "it goes on from the last checkpoint."
            ) from None
        raise


def is_full_disk(error: BaseException) -> bool:
    """Whether an error means that no more can be written."""
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def save_checkpoint(run: Path, step: int, tensors: Mapping[str, Mapping[str, torch.Tensor]], state: dict[str, Any]) -> None:
    """Write ``checkpoints/step-N`` under a run directory; older ones beyond `KEEP` are removed afterwards."""
    folder = run / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    with whole_directory(folder / f"step-{step:08d}") as target:
        for name, part in tensors.items():
            save_file({key: t.detach().cpu().contiguous() for key, t in part.items()}, target / f"{name}.safetensors")
        (target / "state.json").write_text(json.dumps(state, indent=1))
    for old in checkpoints(run)[:-KEEP]:
        shutil.rmtree(old, ignore_errors=True)


def checkpoints(run: Path) -> list[Path]:
    """Whole checkpoints of a run, oldest first."""
    return sorted((run / "checkpoints").glob("step-*"))


def load_checkpoint(path: Path) -> tuple[dict[str, dict[str, torch.Tensor]], dict[str, Any]]:
    """Tensors by file name, and the state.

    Raises:
        BadInput: naming the file that is missing, truncated or unreadable.
    """
    try:
        state = json.loads((path / "state.json").read_text())
    except (OSError, ValueError) as error:
        raise _unreadable(path / "state.json", error) from None
    tensors = {}
    for name in state["files"]:
        file = path / f"{name}.safetensors"
        try:
            tensors[name] = load_file(file)
        except (OSError, SafetensorError) as error:
            raise _unreadable(file, error) from None
    return tensors, state


def _unreadable(file: Path, error: Exception) -> BadInput:
    found = "no such file" if isinstance(error, FileNotFoundError) else f"one that cannot be read ({error})"
    return BadInput(
        str(file),
        expected="a whole file of the checkpoint",
        found=found,
        remedy=f"delete {file.parent} to go on from the checkpoint before it",
    )
