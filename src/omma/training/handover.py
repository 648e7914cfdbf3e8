"""What a stage hands to the next one beside the model: what its objective learned.

A captioner or a text tower belongs to an objective and not to the model. If the next stage has the very same objective,
on other data or at other rates, or beside others, it would be a waste to let it learn to speak again; and what a new one
asks of an encoder at first is noise. An image tokenizer that one objective taught is what another reads its answers from.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from omma.objectives.base import Objective
from omma.objectives.joint import Joint
from omma.parts.base import PartConfig
from omma.training.checkpoint import load_buffers, persistent_buffers, unreadable

FILE = "objective.safetensors"
TAUGHT = ("visual_tokenizer",)
"""Fields of objectives that hold a part which one of them teaches and another reads."""


def save_objective(objective: Objective, directory: Path) -> None:
    """Write what an objective learned into a stage's directory; nothing if it has neither parameters nor buffers."""
    tensors = dict(objective.named_parameters()) | persistent_buffers(objective)
    if tensors:
        save_file(
            {name: t.detach().to("cpu", torch.float32).contiguous() for name, t in tensors.items()}, directory / FILE
        )


@dataclass(frozen=True)
class Handover:
    """Where a stage's objective finds what earlier ones learned.

    Attributes:
        directory: of the finished stage before.
        prefixes: what the names of a term's parameters begin with, now and then.
    """

    directory: Path
    prefixes: dict[str, str]


def handover(before: PartConfig, now: PartConfig, directory: Path) -> Handover | None:
    """What the next stage's objective goes on with: itself, or those of its terms and parts that were there before; None if
    nothing."""
    known = {_comparable(config): prefix for prefix, config in _terms(before).items()}
    prefixes = {
        prefix: known[_comparable(config)] for prefix, config in _terms(now).items() if _comparable(config) in known
    }
    # What all of it goes on with, a part of it need not.
    if "" in prefixes:
        prefixes = {"": prefixes[""]}
    return Handover(directory, prefixes) if prefixes else None


def _terms(config: PartConfig) -> dict[str, PartConfig]:
    """What may go on by itself, by what the names of its parameters begin with."""
    if isinstance(config, Joint.Config):
        return {f"members.{term.type}.": term for term in config.parsed()}
    parts = {f"{name}.": part for name, part in config if isinstance(part, PartConfig) and name in TAUGHT}
    return {"": config, **parts}


def _comparable(config: PartConfig) -> str:
    """How many samples are computed at a time has no part in what is learned."""
    return json.dumps({key: value for key, value in config.to_dict().items() if key != "micro_samples"}, sort_keys=True)


@torch.no_grad()
def load_objective(objective: Objective, before: Handover) -> None:
    """Give an objective what equal ones had learned at the end of the stage before.

    Raises:
        BadInput: if the file is missing or damaged.
    """
    expected = dict(objective.named_parameters()) | persistent_buffers(objective)
    names = {
        now + name.removeprefix(now): then + name.removeprefix(now)
        for now, then in before.prefixes.items()
        for name in expected
        if name.startswith(now)
    }
    if not names:
        return
    file = before.directory / FILE
    try:
        tensors = load_file(file)
    except (OSError, SafetensorError) as error:
        raise unreadable(
            file,
            error,
            expected="what the stage's objective learned, which the next stage goes on with",
            remedy="to train that stage again",
        ) from None
    found: dict[str, Any] = {name: tensors[old] for name, old in names.items()}
    for name, parameter in objective.named_parameters():
        if name in found:
            parameter.copy_(found[name])
    load_buffers(objective, found)
