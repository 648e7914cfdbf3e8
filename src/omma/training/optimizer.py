"""Optimizers: which parameters learn and how fast, in what precision, along what schedule."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from omma.errors import BadInput
from omma.recipe import Optimizer, Rate, Schedule


@dataclass(frozen=True)
class Group:
    """Parameters that learn at one rate."""

    pattern: str
    rate: float
    names: tuple[str, ...]


def learning_groups(module: nn.Module, rates: Iterable[Rate]) -> list[Group]:
    """Parameters by the first pattern that matches their path (shell wildcards; ``*`` crosses dots).

    Raises:
        BadInput: if a pattern matches no parameter at all: a typing error would otherwise freeze a part in silence.
    """
    names = [name for name, _ in module.named_parameters()]
    groups, taken = [], set[str]()
    for rate in rates:
        matching = [name for name in names if fnmatchcase(name, rate.pattern)]
        if not matching:
            raise BadInput(
                "recipe field learn",
                expected="patterns that match parameters",
                found=f"{rate.pattern!r}, which matches none of {len(names)}",
                remedy=f"parameter paths begin with {', '.join(sorted({name.split('.')[0] for name in names}))}",
            )
        groups.append(Group(rate.pattern, rate.rate, tuple(name for name in matching if name not in taken)))
        taken.update(matching)
    return [group for group in groups if group.names and group.rate > 0]


def rate_factor(schedule: Schedule, step: int, steps: int) -> float:
    """What the rate is multiplied with at a step (counted from 0) of a stage of ``steps`` steps."""
    warmup = max(1, round(schedule.warmup * steps)) if schedule.warmup else 0
    if step < warmup:
        return (step + 1) / warmup
    if schedule.shape == "constant":
        return 1.0
    start = warmup if schedule.shape != "trapezoid" else max(warmup, round((1 - schedule.decay) * steps))
    progress = max(0, step - start) / max(1, steps - start)
    fall = (1 + math.cos(math.pi * progress)) / 2 if schedule.shape == "cosine" else 1 - progress
    return schedule.final + (1 - schedule.final) * fall


class MasterOptimizer:
    """An optimizer over float32 copies of the learning parameters, whatever precision the module computes in.

    Gradients of micro-batches are added up in float32, divided already; `step` clips, updates the copies, and writes
    them back. In float32 the copies are the parameters themselves.

    Args:
        module: in float32; it is cast to ``dtype`` here, after the copies were taken.
        dtype: what the module computes in.
    """

    def __init__(self, module: nn.Module, groups: list[Group], settings: Optimizer, dtype: torch.dtype) -> None:
        learning = [name for group in groups for name in group.names]
        before = dict(module.named_parameters())
        if dtype == torch.float32:
            self.masters = {name: before[name] for name in learning}
        else:
            self.masters = {name: before[name].detach().clone().requires_grad_() for name in learning}
            # Parameters only: rounding buffers such as rotary frequencies would move positions.
            for parameter in module.parameters():
                parameter.data = parameter.data.to(dtype)
        for name, parameter in module.named_parameters():
            parameter.requires_grad_(name in self.masters)
        after = dict(module.named_parameters())
        self.parameters = {name: after[name] for name in learning}
        self.rates = {name: group.rate for group in groups for name in group.names}
        self.clip = settings.clip
        self.optimizers = _optimizers(groups, self.masters, settings)

    def accumulate(self) -> None:
        """Move the module's gradients into the float32 copies."""
        for name, parameter in self.parameters.items():
            master = self.masters[name]
            if master is parameter or parameter.grad is None:
                continue
            master.grad = parameter.grad.float() if master.grad is None else master.grad.add_(parameter.grad)
            parameter.grad = None

    def step(self, factor: float) -> float:
        """Update at ``factor`` times the rates; returns the gradient norm before clipping."""
        with_gradient = [m for m in self.masters.values() if m.grad is not None]
        norm = nn.utils.clip_grad_norm_(with_gradient, self.clip if self.clip is not None else math.inf)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["rate"] * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.write_back()
        return float(norm)

    def write_back(self) -> None:
        """Copy the float32 values into the module."""
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                if self.masters[name] is not parameter:
                    parameter.copy_(self.masters[name])

    def finish(self, module: nn.Module) -> None:
        """The module in float32 again, with the copies' full precision where it learned."""
        for parameter in module.parameters():
            parameter.data = parameter.data.float()
        self.write_back()

    def state(self) -> dict[str, Tensor]:
        """Everything to go on bit for bit: float32 copies and optimizer moments, flat, by parameter path."""
        state = {f"master/{name}": m.detach() for name, m in self.masters.items()}
        for optimizer in self.optimizers:
            for parameter, moments in optimizer.state.items():
                name = self._name(parameter)
                for key, value in moments.items():
                    state[f"{key}/{name}"] = torch.as_tensor(value)
        return state

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state` gave."""
        with torch.no_grad():
            for name, master in self.masters.items():
                master.copy_(state[f"master/{name}"])
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    name = self._name(parameter)
                    moments: dict[str, Any] = {}
                    for key, value in state.items():
                        kind, _, owner = key.partition("/")
                        if owner == name and kind != "master":
                            moments[kind] = value.clone()
                    if moments:
                        optimizer.state[parameter] = moments
        self.write_back()

    def _name(self, parameter: Tensor) -> str:
        return self._names()[id(parameter)]

    def _names(self) -> dict[int, str]:
        if not hasattr(self, "_by_id"):
            self._by_id = {id(m): name for name, m in self.masters.items()}
        return self._by_id


def _optimizers(groups: list[Group], masters: dict[str, Tensor], settings: Optimizer) -> list[torch.optim.Optimizer]:
    decay = settings.weight_decay
    matrices, others = [], []
    for group in groups:
        for name in group.names:
            # Muon is for the matrices of hidden layers; embeddings, heads and vectors stay with AdamW.
            hidden = masters[name].ndim == 2 and not any(w in name for w in ("embed", "wte", "wpe", "lm_head", "probe"))
            target = matrices if settings.type == "muon" and hidden else others
            target.append({"params": [masters[name]], "rate": group.rate, "weight_decay": decay if masters[name].ndim > 1 else 0.0})
    optimizers: list[torch.optim.Optimizer] = []
    if others:
        optimizers.append(torch.optim.AdamW(_joined(others), lr=0.0, betas=settings.betas, fused=True))
    if matrices:
        # "match_rms_adamw" scales the update so that AdamW's rates serve for both (Liu et al., arXiv 2502.16982).
        optimizers.append(torch.optim.Muon(_joined(matrices), lr=0.0, adjust_lr_fn="match_rms_adamw"))
    return optimizers


def _joined(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entries of equal settings as one group: fused kernels want long lists."""
    merged: dict[tuple[float, float], dict[str, Any]] = {}
    for entry in entries:
        group = merged.setdefault((entry["rate"], entry["weight_decay"]), {**entry, "params": []})
        group["params"] += entry["params"]
    return list(merged.values())
