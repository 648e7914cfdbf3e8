"""Optimizers: in what precision parameters learn, by which rule, along what schedule."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from omma.recipe import Optimizer, Schedule
from omma.training.groups import Group
from omma.training.muon import Muon

PIXEL_CHANNELS = 3
"""A kernel that reads as many channels or fewer reads pixels, or one channel by itself."""


def rate_factor(schedule: Schedule, step: int, steps: int) -> float:
    """What the rate is multiplied with at a step (counted from 0) of a stage of ``steps`` steps."""
    warmup = max(1, round(schedule.warmup * steps)) if schedule.warmup else 0
    if step < warmup:
        return (step + 1) / warmup
    if schedule.shape == "constant":
        return 1.0
    if schedule.shape == "inverse-root":
        return math.sqrt(max(1, warmup) / (step + 1))
    start = warmup if schedule.shape != "trapezoid" else max(warmup, round((1 - schedule.decay) * steps))
    progress = max(0, step - start) / max(1, steps - start)
    fall = (1 + math.cos(math.pi * progress)) / 2 if schedule.shape == "cosine" else 1 - progress
    return schedule.final + (1 - schedule.final) * fall


class MasterOptimizer:
    """An optimizer over float32 copies of the learning parameters, whatever precision the module computes in.

    Gradients of micro-batches are added up in float32, divided already; `step` clips, updates the copies, and writes
    them back. In float32 the copies are the parameters themselves. Frozen parameters come out of it as they went in, to
    the last bit, even if they were rounded in between.

    Args:
        module: in float32; it is cast to ``dtype`` here, and back by `finish`.
        groups: the parameters that learn; all others are frozen.
        dtype: what the module computes in.
    """

    def __init__(self, module: nn.Module, groups: list[Group], settings: Optimizer, dtype: torch.dtype) -> None:
        learning = {name for group in groups for name in group.names}
        self.module = module
        self.masters: dict[str, Tensor] = {}
        self.parameters: dict[str, nn.Parameter] = {}
        self._frozen: dict[str, Tensor] = {}
        kept = _beside_statistics(module) | _exact_codes(module, learning)
        # Parameters only: rounding buffers such as rotary frequencies would move positions.
        for name, parameter in module.named_parameters():
            whole = parameter.data
            rounded = whole if name in kept else whole.to(dtype)
            if name in learning:
                self.parameters[name] = parameter
                self.masters[name] = parameter if rounded is whole else whole.requires_grad_()
            elif rounded is not whole and not torch.equal(rounded.float(), whole):
                self._frozen[name] = whole
            parameter.data = rounded
            parameter.requires_grad_(name in learning)
        self.clip = settings.clip
        self.optimizers = _optimizers(groups, self.masters, settings, hidden=_hidden_matrices(module))

    def accumulate(self) -> None:
        """Move the module's gradients into the float32 copies."""
        for name, parameter in self.parameters.items():
            master = self.masters[name]
            if master is parameter or parameter.grad is None:
                continue
            if master.grad is None:
                master.grad = parameter.grad.float()
            else:
                master.grad.add_(parameter.grad)
            parameter.grad = None

    def gradient_norm(self) -> Tensor:
        """Norm of the accumulated gradients of all learning parameters together, a scalar."""
        return nn.utils.get_total_norm([m.grad for m in self.masters.values() if m.grad is not None])

    def step(self, factor: float, norm: Tensor) -> None:
        """Clip by the gradient norm, update at ``factor`` times the rates, and forget the gradients."""
        if self.clip is not None:
            with_gradient = [m for m in self.masters.values() if m.grad is not None]
            nn.utils.clip_grads_with_norm_(with_gradient, self.clip, norm)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["rate"] * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.write_back()

    @torch.no_grad()
    def write_back(self) -> None:
        """Copy the float32 values into the module."""
        for name, parameter in self.parameters.items():
            if self.masters[name] is not parameter:
                parameter.copy_(self.masters[name])

    def finish(self) -> None:
        """The module in float32 again: what learned with the copies' full precision, what was frozen as it was."""
        for name, parameter in self.module.named_parameters():
            parameter.data = self._frozen.get(name, parameter.data).float()
        self.write_back()

    def state(self) -> dict[str, Tensor]:
        """Everything to go on bit for bit: float32 copies and optimizer moments, flat, by parameter path."""
        state = {f"master/{name}": master.detach() for name, master in self.masters.items()}
        for optimizer in self.optimizers:
            for name, parameter in self._named(optimizer):
                for kind, value in optimizer.state.get(parameter, {}).items():
                    state[f"{kind}/{name}"] = torch.as_tensor(value)
        return state

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state` gave."""
        moments: dict[str, dict[str, Tensor]] = defaultdict(dict)
        for key, value in state.items():
            kind, _, name = key.partition("/")
            moments[name][kind] = value
        for name, master in self.masters.items():
            master.copy_(moments[name].pop("master"))
        for optimizer in self.optimizers:
            for name, parameter in self._named(optimizer):
                if moments[name]:
                    optimizer.state[parameter] = {
                        kind: value.clone().to(parameter.device) for kind, value in moments[name].items()
                    }
        self.write_back()

    def _named(self, optimizer: torch.optim.Optimizer) -> Iterable[tuple[str, Tensor]]:
        names = {id(master): name for name, master in self.masters.items()}
        return [(names[id(p)], p) for group in optimizer.param_groups for p in group["params"]]


def _beside_statistics(module: nn.Module) -> set[str]:
    """Paths of the parameters of batch norms: they have the precision of the running statistics, which bfloat16 would stop."""
    return {
        f"{path}.{name}"
        for path, owner in module.named_modules()
        if isinstance(owner, nn.modules.batchnorm._BatchNorm)
        for name, _ in owner.named_parameters(recurse=False)
    }


def _exact_codes(module: nn.Module, learning: set[str]) -> set[str]:
    """Paths of the parameters of an image tokenizer that stays as it is: rounded, it would find other codes. An encoder's never
    learns."""
    names = {name for name, _ in module.named_parameters() if name.startswith("image_tokenizer.")}
    reads = {name for name, _ in module.named_parameters() if name.startswith("encoder.image_tokenizer.")}
    return reads if names & learning else names | reads


def is_matrix(parameter: nn.Parameter) -> bool:
    """Whether a parameter is a matrix or a kernel of several channels, which Muon can turn."""
    return parameter.ndim == 2 or (parameter.ndim == 4 and parameter.shape[1] > PIXEL_CHANNELS)


def _hidden_matrices(module: nn.Module) -> set[str]:
    """Paths of the matrices between hidden layers, which Muon is for, kernels of convolutions among them.

    Not among them are tables that are looked up, marks, output heads, and kernels that read pixels, or one channel each.
    """
    tables = {f"{path}.weight" for path, owner in module.named_modules() if isinstance(owner, nn.Embedding)}
    return {
        name
        for name, parameter in module.named_parameters()
        if is_matrix(parameter)
        and name not in tables
        and not name.endswith(("lm_head.weight", ".marks"))
    }


def _optimizers(
    groups: list[Group], masters: dict[str, Tensor], settings: Optimizer, *, hidden: set[str]
) -> list[torch.optim.Optimizer]:
    matrices: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for group in groups:
        for name in group.names:
            master = masters[name]
            decay = settings.weight_decay if master.ndim > 1 else 0.0
            target = matrices if settings.type == "muon" and name in hidden else others
            target.append({"params": [master], "rate": group.rate, "weight_decay": decay})
    optimizers: list[torch.optim.Optimizer] = []
    if others and settings.type == "adafactor":
        optimizers.append(torch.optim.Adafactor(_joined(others), lr=0.0))
    elif others:
        optimizers.append(torch.optim.AdamW(_joined(others), lr=0.0, betas=settings.betas, eps=settings.eps, fused=True))
    if matrices:
        optimizers.append(Muon(_joined(matrices), lr=0.0))
    return optimizers


def _joined(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entries of equal settings as one group: fused kernels want long lists."""
    merged: dict[tuple[float, float], dict[str, Any]] = {}
    for entry in entries:
        group = merged.setdefault((entry["rate"], entry["weight_decay"]), {**entry, "params": []})
        group["params"] += entry["params"]
    return list(merged.values())
