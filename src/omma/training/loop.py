"""The training loop: one loop for every objective.

A run is a directory. Its log holds one line per step; its checkpoints hold everything that a step depends on, so a run
that was killed anywhere goes on bit for bit. Data need no state of their own: a step's samples follow from its number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel

from omma.data.mixture import Mixture, Ramp
from omma.errors import OmmaError
from omma.model.composition import Composition
from omma.objectives.base import Objective, Step
from omma.recipe import StageRecipe, WeightedSource
from omma.storage import sweep
from omma.training import heap
from omma.training.checkpoint import (
    checkpoints,
    load_buffers,
    persistent_buffers,
    read_state,
    read_tensors,
    save_checkpoint,
)
from omma.training.drop_path import dropping_paths
from omma.training.groups import learn_table, learning_groups
from omma.training.handover import Handover, load_objective
from omma.training.interruption import Interruption
from omma.training.log import StepLog
from omma.training.lora import add_adapters
from omma.training.optimizer import MasterOptimizer, rate_factor
from omma.training.own_resolution import collator_of
from omma.training.precision import compute_dtype
from omma.training.speed import Speed
from omma.training.step import take_step
from omma.training.stream import StepDataset, stream_steps
from omma.training.validation import Validation

PARTS = ("encoder", "projector", "language_model", "expert", "image_tokenizer", "painter")
"""What the paths of parameters begin with, beside ``objective``."""


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


class Diverged(OmmaError):
    """The gradients are not finite any more."""


@dataclass
class StageRun:
    """One stage of one run: what `train_stage` needs.

    Attributes:
        directory: of the run; it exists.
        offset: steps of the run's earlier stages: checkpoints are numbered through.
        begin: where generated data begin.
        report: called after every step.
        announce: called with what is worth reading before the first one.
        before: what the stage before learned that this one's objective goes on with.
    """

    name: str
    recipe: StageRecipe
    model: Composition
    directory: Path
    seed: int
    workers: int
    offset: int = 0
    begin: int = 0
    report: Callable[[Progress], None] = lambda progress: None
    announce: Callable[[str], None] = lambda text: None
    before: Handover | None = None
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


def build_mixture(recipe: StageRecipe, seed: int, begin: int = 0) -> Mixture:
    """The stage's data, interleaved by weight.

    Args:
        begin: where generated data begin.
    """
    return Mixture([(entry.source.build(), _weight(recipe, entry)) for entry in recipe.data], seed, begin)


def _weight(recipe: StageRecipe, entry: WeightedSource) -> float | Ramp:
    if entry.begins is None:
        return entry.weight
    assert recipe.steps is not None
    return Ramp(entry.begins, entry.weight, max(1, round(entry.over * recipe.steps * recipe.batch)))


def train_stage(run: StageRun) -> tuple[int, Objective]:
    """Run a stage to its end, from its last checkpoint if there is one; its number of steps, and its objective.

    The model is in float32 before and after; parts that do not learn stay in evaluation mode and come out unchanged.

    Raises:
        TooManyBadSamples: beyond the recipe's limit; a checkpoint from before the step in question was written.
        Diverged: if a gradient is not finite.
        KeyboardInterrupt: after Ctrl-C or SIGTERM, with a checkpoint written.
        OmmaError: for patterns, data or checkpoints that are at fault, and for a full disk.
    """
    recipe, model = run.recipe, run.model
    torch.manual_seed(run.seed)
    adapters = None
    if recipe.lora is not None and model.language_model is not None:
        adapters = add_adapters(model.language_model, recipe.lora)
    objective: Objective = recipe.objective.build(model=model).to(model.device)
    if run.before is not None:
        load_objective(objective, run.before)
    trained = nn.ModuleDict({"objective": objective})
    trained.update({name: getattr(model, name) for name in PARTS if getattr(model, name) is not None})
    groups = learning_groups(trained, recipe.learn)
    run.announce(f"Stage {run.name} learns:\n{learn_table(trained, groups)}")
    dtype = compute_dtype(recipe.precision, model.device)
    optimizer = MasterOptimizer(trained, groups, recipe.optimizer, dtype)
    for part in trained.children():
        part.train(any(parameter.requires_grad for parameter in part.parameters()))
    checkpointed = model.language_model if recipe.gradient_checkpointing else None
    if checkpointed is not None:
        # Layers recompute their activations in training mode only, and gradients may pass through a frozen one.
        checkpointed.train()
        _activation_checkpointing(checkpointed, "enable")({"use_reentrant": False})
    with dropping_paths(model.encoder, recipe.drop_path):
        steps = _train(run, objective, optimizer)
    if checkpointed is not None:
        _activation_checkpointing(checkpointed, "disable")()
    optimizer.finish()
    objective.finish()
    if adapters is not None:
        adapters.merge_and_unload()
    trained.eval()
    return steps, objective


def _activation_checkpointing(model: PreTrainedModel, action: str) -> Callable[..., None]:
    """The model's method under its name of today, or under the one it had in older versions of `transformers`."""
    return getattr(model, f"activation_checkpointing_{action}", None) or getattr(model, f"gradient_checkpointing_{action}")


def _train(run: StageRun, objective: Objective, optimizer: MasterOptimizer) -> int:
    """All steps that are left, with the log and the checkpoints; the number of all."""
    recipe = run.recipe
    mixture = build_mixture(recipe, run.seed, run.begin)
    steps = stage_steps(recipe, mixture)
    sweep(run.directory / "checkpoints")
    done = saved = _resume(run, optimizer)
    top = max(group["rate"] for one in optimizer.optimizers for group in one.param_groups)
    dataset = StepDataset(mixture, collator_of(recipe, objective, run.model, mixture), recipe.batch, steps)
    log = StepLog(run.directory, run.name, done)
    heap.give_back()
    stream = stream_steps(dataset, done, run.workers)
    validation = Validation(recipe.validation, objective, optimizer.module, run.model.device)
    speed = Speed()
    with Interruption() as interruption, objective.running(), heap.kept(run.model.device):
        try:
            while done < steps:
                with interruption.safe():
                    step = next(stream)
                log.bad(done, step.bad)
                _check_bad(run, step)
                factor = rate_factor(recipe.schedule, done, steps)
                with objective.stepping(done / steps):
                    losses, norm = take_step(objective, optimizer, step, factor, run.model.device)
                    if not math.isfinite(norm):
                        raise Diverged(_diverged(run, done))
                speed.after(step)
                _count(run.counters, step, speed.last)
                log.write(done, {**losses, "rate": top * factor, "gradient_norm": norm}, speed.tokens)
                done += 1
                if done % heap.BETWEEN == 0:
                    heap.give_back()
                if validation.due(done, steps):
                    log.validation(done - 1, validation.losses())
                run.report(
                    Progress(
                        run.name, done, steps, losses, top * factor, speed.tokens, speed.images, speed.left(steps - done)
                    )
                )
                if done % recipe.checkpoint_every == 0 or done == steps:
                    _save(run, optimizer, done)
                    saved = done
        except (KeyboardInterrupt, TooManyBadSamples):
            if done > saved and not interruption.forced:
                _save(run, optimizer, done)
            raise
        finally:
            log.close()
    return steps


def _count(counters: Counters, step: Step, seconds: float) -> None:
    counters.samples += step.samples
    counters.tokens += step.tokens
    counters.images += step.images
    counters.bad += len(step.bad)
    counters.seconds += seconds


def _check_bad(run: StageRun, step: Step) -> None:
    """Stop before a step whose bad samples are too many. The first hundred samples count as a hundred."""
    counters = run.counters
    bad = counters.bad + len(step.bad)
    seen = counters.samples + counters.bad + step.samples + len(step.bad)
    if step.bad and bad > run.recipe.bad_samples * max(seen, 100):
        raise TooManyBadSamples(
            f"stage {run.name}: expected at most {run.recipe.bad_samples:.1%} bad samples, found {bad} among {seen} "
            f"(the last: {step.bad[-1].reason.rstrip('.')}); correct them (all are listed in "
            f"{run.directory / 'bad_samples.jsonl'}) or raise stages.{run.name}.bad_samples, then run the same command "
            "again, it goes on where it stopped."
        )


def _diverged(run: StageRun, step: int) -> str:
    return (
        f"stage {run.name}, step {step}: expected finite gradients, found others; lower the rates or the gradient norm "
        "(optimizer.clip), or lengthen the warm-up, and train in a new directory."
    )


def _resume(run: StageRun, optimizer: MasterOptimizer) -> int:
    """The step to go on from, with everything restored that steps depend on."""
    for path in reversed(checkpoints(run.directory)):
        state = read_state(path)
        if state["stage"] != run.name:
            continue
        tensors = read_tensors(path, state)
        optimizer.load(tensors["optimizer"])
        load_buffers(optimizer.module, tensors.get("buffers", {}))
        random = tensors["random"]
        torch.set_rng_state(random["torch"])
        if "cuda" in random and torch.cuda.is_available():
            torch.cuda.set_rng_state(random["cuda"])
        run.counters = Counters(**state["counters"])
        return int(state["step"])
    return 0


def _save(run: StageRun, optimizer: MasterOptimizer, step: int) -> None:
    random = {"torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        random["cuda"] = torch.cuda.get_rng_state()
    tensors = {"optimizer": optimizer.state(), "random": random}
    if buffers := persistent_buffers(optimizer.module):
        tensors["buffers"] = buffers
    state = {"stage": run.name, "step": step, "counters": asdict(run.counters)}
    save_checkpoint(run.directory, run.offset + step, tensors, state)
