"""The training loop: one loop for every objective.

A run is a directory. Its log holds one line per step; its checkpoints hold everything that a step depends on, so a run
that was killed anywhere goes on bit for bit. Data need no state of their own: a step's samples follow from its number.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from omma.data.mixture import Mixture
from omma.errors import OmmaError
from omma.model.composition import Composition
from omma.objectives.base import BadSample, MicroBatch, Objective, Step
from omma.recipe import StageRecipe
from omma.training.checkpoint import checkpoints, load_checkpoint, save_checkpoint
from omma.training.log import StepLog
from omma.training.optimizer import MasterOptimizer, learning_groups, rate_factor
from omma.training.stream import StepDataset, stream_steps


@dataclass
class Progress:
    """What is shown after every step."""

    stage: str
    step: int
    steps: int
    losses: dict[str, float]
    rate: float
    tokens_per_second: float
    images_per_second: float
    seconds_left: float


@dataclass
class Counters:
    """What has been seen since the stage began; part of every checkpoint."""

    samples: int = 0
    tokens: int = 0
    images: int = 0
    bad: int = 0
    seconds: float = 0.0


class TooManyBadSamples(OmmaError):
    """More samples than the recipe allows could not be used."""


@dataclass
class StageRun:
    """One stage of one run: what `train_stage` needs."""

    name: str
    recipe: StageRecipe
    model: Composition
    directory: Path
    seed: int
    workers: int
    offset: int = 0
    """Steps of the run's earlier stages: checkpoints are numbered through."""
    report: Callable[[Progress], None] = lambda progress: None
    counters: Counters = field(default_factory=Counters)


def stage_steps(recipe: StageRecipe, mixture: Mixture) -> int:
    """Optimizer steps of a stage.

    Raises:
        OmmaError: if it is given in epochs but its data never end.
    """
    if recipe.steps is not None:
        return recipe.steps
    length = mixture.epoch_length()
    if length is None:
        raise OmmaError("recipe field epochs: expected data that end, found endless ones; give steps instead.")
    assert recipe.epochs is not None
    return max(1, round(length * recipe.epochs / recipe.batch))


def build_mixture(recipe: StageRecipe, seed: int) -> Mixture:
    """The stage's data, interleaved by weight."""
    return Mixture([(entry.source.build(), entry.weight) for entry in recipe.data], seed)


def train_stage(run: StageRun) -> Objective:
    """Run a stage to its end, from its last checkpoint if there is one.

    Raises:
        TooManyBadSamples: beyond the recipe's limit; the run can be resumed.
    """
    recipe, model = run.recipe, run.model
    torch.manual_seed(run.seed)
    objective: Objective = recipe.objective.build(model=model)
    dtype = torch.bfloat16 if recipe.precision == "bf16" else torch.float32
    trained = nn.ModuleDict({"objective": objective})
    for name in ("encoder", "projector", "language_model"):
        if getattr(model, name) is not None:
            trained[name] = getattr(model, name)
    groups = learning_groups(trained, recipe.learn)
    optimizer = MasterOptimizer(trained, groups, recipe.optimizer, dtype)
    if recipe.gradient_checkpointing and model.language_model is not None:
        model.language_model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    trained.train()
    mixture = build_mixture(recipe, run.seed)
    steps = stage_steps(recipe, mixture)
    start = _resume(run, optimizer, steps)
    log = StepLog(run.directory, run.name, start)
    dataset = StepDataset(mixture, objective.collator(), recipe.batch, steps)
    speed = _Speed(run.counters)
    try:
        for number, step in enumerate(stream_steps(dataset, start, run.workers), start=start):
            losses, norm = _one_step(objective, optimizer, step, rate_factor(recipe.schedule, number, steps), model.device)
            _count(run, step, log)
            rate = max(group.rate for group in groups) * rate_factor(recipe.schedule, number, steps)
            shown = speed.after(step)
            log.write(number, {**losses, "rate": rate, "gradient_norm": norm}, shown)
            run.report(Progress(run.name, number + 1, steps, losses, rate, *shown, speed.left(steps - number - 1)))
            if (number + 1) % recipe.checkpoint_every == 0 or number + 1 == steps:
                _save(run, optimizer, number + 1)
    finally:
        log.close()
    if recipe.gradient_checkpointing and model.language_model is not None:
        model.language_model.gradient_checkpointing_disable()
    optimizer.finish(trained)
    trained.eval()
    return objective


def _one_step(
    objective: Objective, optimizer: MasterOptimizer, step: Step, factor: float, device: torch.device
) -> tuple[dict[str, float], float]:
    """Forward, backward and update; mean losses by term, and the gradient norm."""
    coefficients = objective.coefficients()
    divisors = {term: 0.0 for term in coefficients}
    for batch in step.micro_batches:
        for term, weight in objective.weights(batch).items():
            divisors[term] += weight
    sums = {term: 0.0 for term in coefficients}
    for batch in step.micro_batches:
        losses = objective.losses(_tensors(batch, device))
        total = sum(
            (coefficients[term] / divisors[term]) * loss for term, loss in losses.items() if divisors[term] > 0
        )
        if isinstance(total, torch.Tensor):
            total.backward()
            optimizer.accumulate()
        for term, loss in losses.items():
            sums[term] += float(loss.detach())
    norm = optimizer.step(factor)
    return {term: sums[term] / divisors[term] if divisors[term] else 0.0 for term in sums}, norm


def _tensors(batch: MicroBatch, device: torch.device) -> dict[str, Any]:
    return {
        key: array if array.dtype.kind == "U" else torch.from_numpy(np.ascontiguousarray(array)).to(device)
        for key, array in batch.items()
    }


def _count(run: StageRun, step: Step, log: StepLog) -> None:
    counters = run.counters
    counters.samples += step.samples
    counters.tokens += step.tokens
    counters.images += step.images
    counters.bad += len(step.bad)
    log.bad(step.bad)
    allowed = run.recipe.bad_samples * max(counters.samples + counters.bad, 100)
    if counters.bad > allowed:
        raise TooManyBadSamples(_complaint(run, step.bad))


def _complaint(run: StageRun, bad: list[BadSample]) -> str:
    counters = run.counters
    return (
        f"stage {run.name}: expected at most {run.recipe.bad_samples:.1%} bad samples, found {counters.bad} among "
        f"{counters.samples + counters.bad} (the last: {bad[-1].reason}); correct them (all are listed in "
        f"{run.directory / 'bad_samples.jsonl'}) or raise bad_samples in the recipe, then run the same command again."
    )


def _resume(run: StageRun, optimizer: MasterOptimizer, steps: int) -> int:
    """The step to go on from, with everything restored that steps depend on."""
    for path in reversed(checkpoints(run.directory)):
        tensors, state = load_checkpoint(path)
        if state["stage"] != run.name:
            continue
        optimizer.load(tensors["optimizer"])
        torch.set_rng_state(tensors["random"]["torch"])
        run.counters = Counters(**state["counters"])
        return int(state["step"])
    return 0


def _save(run: StageRun, optimizer: MasterOptimizer, step: int) -> None:
    tensors = {"optimizer": optimizer.state(), "random": {"torch": torch.get_rng_state()}}
    state = {"files": list(tensors), "stage": run.name, "step": step, "counters": vars(run.counters)}
    save_checkpoint(run.directory, run.offset + step, tensors, json.loads(json.dumps(state)))


class _Speed:
    """Tokens and pictures per second over the last steps, and the time left."""

    def __init__(self, counters: Counters) -> None:
        self.counters = counters
        self.times = [time.monotonic()]
        self.tokens: list[int] = []
        self.images: list[int] = []

    def after(self, step: Step) -> tuple[float, float]:
        now = time.monotonic()
        self.counters.seconds += now - self.times[-1]
        self.times = [*self.times[-20:], now]
        self.tokens = [*self.tokens[-19:], step.tokens]
        self.images = [*self.images[-19:], step.images]
        elapsed = self.times[-1] - self.times[0]
        return sum(self.tokens) / elapsed, sum(self.images) / elapsed

    def left(self, steps: int) -> float:
        return steps * (self.times[-1] - self.times[0]) / (len(self.times) - 1)
