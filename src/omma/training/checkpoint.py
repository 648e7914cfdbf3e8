"""Checkpoints: directories that are either whole or not there.

Everything is written beside its final place, flushed to the disk, and renamed; a process killed at any moment leaves the
previous checkpoint as it was. Tensors are safetensors, the rest is JSON: nothing in a checkpoint can run code.

    checkpoints/step-00000200/
        state.json              stage, step, what was counted so far, and the names of the tensor files
        optimizer.safetensors   float32 copies of the learning parameters, optimizer moments
        random.safetensors      states of the random generators
        buffers.safetensors     buffers that change with training, if the model has any
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from omma.errors import BadInput
from omma.storage import remove_directory, whole_directory

KEEP = 2
"""Checkpoints kept: the last one, and one before it should the disk itself fail."""


def save_checkpoint(
    run: Path, step: int, tensors: Mapping[str, Mapping[str, torch.Tensor]], state: Mapping[str, Any]
) -> None:
    """Write ``checkpoints/step-N`` under a run directory; older ones beyond `KEEP` are removed afterwards.

    Args:
        step: counted through all stages of the run.
        tensors: by file name and tensor name.
        state: plain data.

    Raises:
        OmmaError: if the disk is full; the checkpoints before it are as they were.
    """
    with whole_directory(run / "checkpoints" / f"step-{step:08d}") as target:
        for name, part in tensors.items():
            save_file({key: t.detach().cpu().contiguous() for key, t in part.items()}, target / f"{name}.safetensors")
        (target / "state.json").write_text(json.dumps({"files": list(tensors), **state}, indent=1))
    for old in checkpoints(run)[:-KEEP]:
        remove_directory(old)


def checkpoints(run: Path) -> list[Path]:
    """Whole checkpoints of a run, oldest first."""
    return sorted((run / "checkpoints").glob("step-*"))


def read_state(path: Path) -> dict[str, Any]:
    """What a checkpoint's state.json says.

    Raises:
        BadInput: if it is missing or is not what `save_checkpoint` writes.
    """
    file = path / "state.json"
    try:
        state = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise unreadable(file, error) from None
    if not isinstance(state, dict) or not {"files", "stage", "step", "counters"} <= state.keys():
        raise unreadable(file, ValueError("fields are missing"))
    return state


def read_tensors(path: Path, state: Mapping[str, Any]) -> dict[str, dict[str, torch.Tensor]]:
    """A checkpoint's tensors by file name and tensor name.

    Raises:
        BadInput: naming the file that is missing, truncated or unreadable.
    """
    tensors = {}
    for name in state["files"]:
        file = path / f"{name}.safetensors"
        try:
            tensors[name] = load_file(file)
        except (OSError, SafetensorError) as error:
            raise unreadable(file, error) from None
    return tensors


def persistent_buffers(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Buffers that change with training, such as the running statistics of batch norms, and moving averages."""
    names = {name for name, _ in module.named_buffers()}
    return {name: tensor for name, tensor in module.state_dict().items() if name in names}


@torch.no_grad()
def load_buffers(module: torch.nn.Module, buffers: Mapping[str, torch.Tensor]) -> None:
    """Take over what `persistent_buffers` gave."""
    for name, buffer in module.named_buffers():
        if name in buffers:
            buffer.copy_(buffers[name])


def unreadable(
    file: Path,
    error: Exception,
    *,
    expected: str = "a whole file of the checkpoint",
    remedy: str = "to go on from the checkpoint before it",
) -> BadInput:
    """What to say of a file of a run that is missing or damaged: delete its directory, and what that is good for."""
    found = "no such file" if isinstance(error, FileNotFoundError) else f"one that cannot be read ({error})"
    return BadInput(str(file), expected=expected, found=found, remedy=f"delete {file.parent} {remedy}")
