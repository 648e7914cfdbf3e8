"""What a stage hands to the next one beside the model: what its objective learned.

A captioner or a text tower belongs to an objective and not to the model. If the next stage has the very same objective,
on other data or at other rates, it would be a waste to let it learn to speak again.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from omma.errors import BadInput
from omma.objectives.base import Objective

FILE = "objective.safetensors"


def save_objective(objective: Objective, directory: Path) -> None:
    """Write what an objective learned into a stage's directory; nothing if it has no parameters of its own."""
    tensors = {name: p.detach().to("cpu", torch.float32).contiguous() for name, p in objective.named_parameters()}
    if tensors:
        save_file(tensors, directory / FILE)


@torch.no_grad()
def load_objective(objective: Objective, directory: Path) -> None:
    """Give an objective what an equal one had learned at the end of its stage.

    Raises:
        BadInput: if the file is missing or damaged.
    """
    parameters = dict(objective.named_parameters())
    if not parameters:
        return
    file = directory / FILE
    try:
        tensors = load_file(file)
    except (OSError, SafetensorError) as error:
        found = "no such file" if isinstance(error, FileNotFoundError) else f"one that cannot be read ({error})"
        raise BadInput(
            str(file),
            expected="what the stage's objective learned, which the next stage goes on with",
            found=found,
            remedy=f"delete {directory} to train that stage again",
        ) from None
    for name, parameter in parameters.items():
        parameter.copy_(tensors[name])
