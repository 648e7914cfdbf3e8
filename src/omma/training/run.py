"""Runs: the stages of a recipe one after another, in a directory that can be resumed from anywhere.

    RUN/
      recipe.yaml             the resolved recipe
      run.json                what made it, how far it is, what each stage took
      log.jsonl, validation.jsonl, tensorboard/, bad_samples.jsonl
      checkpoints/            of the stage that is under way
      features/               what the frozen encoder made of the pictures, for all stages; safe to delete
      stages/NAME/            the model after a finished stage, in float32, and what its objective learned
      model/                  the finished model
"""

from __future__ import annotations

import json
import platform
import resource
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
import transformers
import yaml

from omma import __version__
from omma.data.feature_cache import FeatureCache
from omma.errors import BadInput, OmmaError
from omma.model.composition import Composition, compose
from omma.model.loading import model_directory
from omma.model.saving import load_parts, save_composition
from omma.recipe import Recipe, StageRecipe, load_recipe
from omma.storage import held, remove_directory, sweep, whole_directory, write_atomically
from omma.training.handover import handover, save_objective
from omma.training.loop import Progress, StageRun, train_stage
from omma.training.own_resolution import check_resolutions
from omma.training.precision import compute_dtype, storage_dtype

PATIENCE = 10.0
"""Seconds to wait for a process that was just killed to let go of its run."""

SAMPLES_OF_A_SEED = 1 << 32
"""How far apart the generated data of runs with different seeds lie: no two learn from the same."""

FREE_FIELDS = ("about", "paper", "evaluation", "workers", "feature_cache_gb")
FREE_STAGE_FIELDS = ("bad_samples", "checkpoint_every", "validation")
"""What may differ when a run is resumed: nothing that a step's numbers depend on."""


def environment() -> dict[str, Any]:
    """Versions and machine that a run was made with; no names, no paths."""
    return {
        "omma": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
    }


def peak_memory() -> int:
    """Most bytes that this process has used so far: of the accelerator where there is one."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes if sys.platform == "darwin" else kilobytes * 1024


def prepare_run(recipe: Recipe, directory: Path, *, command: Sequence[str]) -> None:
    """Create a run directory, or check that an existing one belongs to the same recipe.

    Fields that no number depends on may have changed: `FREE_FIELDS` and `FREE_STAGE_FIELDS`.

    Raises:
        BadInput: if the directory holds a run of another recipe.
    """
    file = directory / "recipe.yaml"
    if file.exists():
        before, now = _binding(open_run(directory)), _binding(recipe)
        if before != now:
            raise BadInput(
                str(directory),
                expected="a new directory, or a run of the same recipe",
                found=f"a run of another recipe ({_first_difference(before, now)})",
                remedy="choose another directory, or delete this one",
            )
    directory.mkdir(parents=True, exist_ok=True)
    record = read_record(directory) or {"stages": {}}
    write_record(directory, {**record, "command": list(command), "environment": environment(), "status": "training"})
    write_atomically(file, recipe.to_yaml())


def _binding(recipe: Recipe) -> str:
    data = recipe.model_dump(mode="json", exclude=set(FREE_FIELDS))
    for stage in data["stages"].values():
        for name in FREE_STAGE_FIELDS:
            del stage[name]
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)


def _first_difference(old: str, new: str) -> str:
    for a, b in zip(old.splitlines(), new.splitlines(), strict=False):
        if a != b:
            return f"there {a.strip()!r}, here {b.strip()!r}"
    return "one is longer"


def open_run(directory: Path) -> Recipe:
    """The recipe of an existing run.

    Raises:
        BadInput: if there is no run.
    """
    file = directory / "recipe.yaml"
    if not file.is_file():
        raise BadInput(
            str(directory), expected="a run directory", found="no recipe.yaml in it", remedy="check the path"
        )
    lines = file.read_text(encoding="utf-8").splitlines()
    size = next((line.removeprefix("size: ") for line in lines if line.startswith("size: ")), "small")
    return load_recipe(str(file.resolve()), size)


def read_record(directory: Path) -> dict[str, Any]:
    """A run's run.json, empty if there is none.

    Keys: ``command``; ``environment``; ``status``, one of "training" (also after a kill), "stopped" and "finished"; and
    ``stages``, by name of the finished ones: steps, seconds, samples, tokens, images, bad, peak_memory (bytes), precision.
    """
    try:
        record = json.loads((directory / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def write_record(directory: Path, record: dict[str, Any]) -> None:
    """Replace a run's run.json."""
    write_atomically(directory / "run.json", json.dumps(record, indent=1))


def build_model(recipe: Recipe) -> Composition:
    """The model that the first stage begins with, in float32.

    Raises:
        BadInput: if weights are missing, damaged or of other parts.
    """
    source = recipe.model.from_checkpoint
    model = compose(recipe.model, load_weights=source is None)
    if source is not None:
        load_parts(model, model_directory(source))
    return model


def train(
    recipe: Recipe,
    directory: Path,
    *,
    report: Callable[[Progress], None] = lambda progress: None,
    announce: Callable[[str], None] = lambda text: None,
    command: Sequence[str] = (),
) -> Composition:
    """Run all stages that are not finished yet; the model as it is at the end.

    Args:
        directory: of the run; one that holds a run of the same recipe is gone on with.
        report: called after every step.
        announce: called with a text before every stage.
        command: what the user typed, for the record.

    Raises:
        OmmaError: for bad input, a full disk or too many bad samples; the run can be resumed.
        KeyboardInterrupt: after Ctrl-C or SIGTERM; the run can be resumed.
    """
    with _alone(directory):
        prepare_run(recipe, directory, command=command)
        try:
            model = _train(recipe, directory, report, announce)
        except BaseException:
            with suppress(OSError, OmmaError):  # a full disk, say, is what is being reported already
                write_record(directory, read_record(directory) | {"status": "stopped"})
            raise
        write_record(directory, read_record(directory) | {"status": "finished"})
    return model


def _train(
    recipe: Recipe, directory: Path, report: Callable[[Progress], None], announce: Callable[[str], None]
) -> Composition:
    torch.manual_seed(recipe.seed)
    model = build_model(recipe)
    check_resolutions(recipe.stages, model)
    if torch.cuda.is_available():
        model.to("cuda")
    for folder in (directory, directory / "stages"):
        sweep(folder)
    offset = 0
    stages = list(recipe.stages.items())
    for number, (name, stage) in enumerate(stages):
        done = directory / "stages" / name
        previous = stages[number - 1] if number else None
        before = handover(previous[1].objective, stage.objective, directory / "stages" / previous[0]) if previous else None
        if done.is_dir():
            announce(f"Stage {name} is done already.")
            load_parts(model, done)
            offset += json.loads((done / "stage.json").read_text())["steps"]
            continue
        run = StageRun(
            name=name,
            recipe=stage,
            model=model,
            directory=directory,
            seed=recipe.seed * 1000 + number,
            workers=recipe.workers,
            offset=offset,
            begin=recipe.seed * SAMPLES_OF_A_SEED,
            report=report,
            announce=announce,
            before=before,
        )
        template, model.template = model.template, stage.template or model.template
        model.feature_cache = _feature_cache(recipe, stage, model, directory)
        steps, objective = train_stage(run)
        model.template, model.feature_cache = template, None
        dtype = str(compute_dtype(stage.precision, model.device)).removeprefix("torch.")
        took = {"steps": steps, **vars(run.counters), "peak_memory": peak_memory(), "precision": dtype}
        with whole_directory(done) as target:
            save_composition(model, target, dtype=torch.float32)
            save_objective(objective, target)
            (target / "stage.json").write_text(json.dumps(took, indent=1))
        record = read_record(directory)
        write_record(directory, {**record, "stages": {**record.get("stages", {}), name: took}})
        remove_directory(directory / "checkpoints")
        offset += steps
        remove_directory(directory / "model")
    if not (directory / "model").is_dir():
        last = next(reversed(recipe.stages.values()), None)
        with whole_directory(directory / "model") as target:
            save_composition(model, target, dtype=storage_dtype(last.precision if last else "fp32"))
    shutil.rmtree(directory / "features", ignore_errors=True)
    return model


def _feature_cache(recipe: Recipe, stage: StageRecipe, model: Composition, directory: Path) -> FeatureCache | None:
    """The cache of a stage whose encoder is frozen.

    It lies in the run and not in a place that runs share: a picture's key need not change when the code that draws it
    does, and the numbers of a run must not depend on what was run before.
    """
    if model.vlm is None or model.encoder is None or not recipe.feature_cache_gb:
        return None
    names = [f"encoder.{name}" for name, _ in model.encoder.named_parameters()]
    if not names:  # raw patches are made faster than read
        return None
    decided = (next((r.rate for r in stage.learn if fnmatchcase(name, r.pattern)), 0.0) for name in names)
    if any(decided):
        return None
    fingerprint = f"{model.fingerprint()}-{compute_dtype(stage.precision, model.device)}"
    return FeatureCache(directory / "features", fingerprint, int(recipe.feature_cache_gb * 1e9))


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Hold a run's directory against other processes.

    Raises:
        BadInput: if another one trains in it.
    """
    with held(directory / ".lock", PATIENCE) as alone:
        if not alone:
            raise BadInput(
                str(directory),
                expected="a run that nobody is training",
                found="another process at work in it",
                remedy="wait for it or stop it, or choose another directory",
            )
        yield
