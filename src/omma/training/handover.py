"""What a stage hands to the next one beside the model: what its objective learned.

A captioner or a text tower belongs to an objective and not to the model. If the next stage has the very same objective,
on other data or at other rates, it would be a waste to let it learn to speak again.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from omma.objectives.base import Objective
from omma.training.checkpoint import load_buffers, persistent_buffers, unreadable

FILE = "objective.safetensors"


def save_objective(objective: Objective, directory: Path) -> None:
    """Write what an objective learned into a stage's directory; nothing if it has neither parameters nor buffers."""
    tensors = dict(objective.named_parameters()) | persistent_buffers(objective)
    if tensors:
        save_file(
            {name: t.detach().to("cpu", torch.float32).contiguous() for name, t in tensors.items()}, directory / FILE
        )


@torch.no_grad()
def load_objective(objective: Objective, directory: Path) -> None:
    """Give an objective what an equal one had learned at the end of its stage.

    Raises:
        BadInput: if the file is missing or damaged.
    """
    parameters = dict(objective.named_parameters())
    if not parameters and not persistent_buffers(objective):
        return
    file = directory / FILE
    try:
        tensors = load_file(file)
    except (OSError, SafetensorError) as error:
        raise unreadable(
            file,
            error,
            expected="what the stage's objective learned, which the next stage goes on with",
            remedy="to train that stage again",
        ) from None
    for name, parameter in parameters.items():
        parameter.copy_(tensors[name])
    load_buffers(objective, tensors)
