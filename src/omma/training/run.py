"""Runs: the stages of a recipe one after another, in a directory that can be resumed from anywhere.

    RUN/
      recipe.yaml             the resolved recipe
      run.json                what made it: versions, command, how far it is
      log.jsonl, tensorboard/, bad_samples.jsonl
      checkpoints/            of the stage that is under way
      stages/NAME/            the model after a finished stage, in float32
      model/                  the finished model
"""

from __future__ import annotations

import json
import platform
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

from omma import __version__
from omma.data.feature_cache import FeatureCache
from omma.errors import BadInput
from omma.model.composition import Composition, compose
from omma.model.saving import load_parts, save_composition
from omma.recipe import Recipe, StageRecipe, load_recipe
from omma.training.checkpoint import whole_directory
from omma.training.loop import Progress, StageRun, build_mixture, stage_steps, train_stage


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


def prepare_run(recipe: Recipe, directory: Path, *, command: list[str]) -> None:
    """Create a run directory, or check that an existing one belongs to the same recipe.

    Raises:
        BadInput: if the directory holds a run of another recipe.
    """
    file = directory / "recipe.yaml"
    text = recipe.to_yaml()
    if file.exists():
        if file.read_text(encoding="utf-8") != text:
            changed = _first_difference(file.read_text(encoding="utf-8"), text)
            raise BadInput(
                str(directory),
                expected="a new directory, or a run of the same recipe",
                found=f"a run of another recipe ({changed})",
                remedy="choose another directory, or delete this one",
            )
        return
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "run.json").write_text(json.dumps({"command": command, "environment": environment()}, indent=1))
    file.write_text(text, encoding="utf-8")


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
        raise BadInput(str(directory), expected="a run directory", found="no recipe.yaml in it", remedy="check the path")
    size = next(
        (line.removeprefix("size: ") for line in file.read_text().splitlines() if line.startswith("size: ")), "small"
    )
    return load_recipe(str(file.resolve()), size)


def train(
    recipe: Recipe,
    directory: Path,
    *,
    report: Callable[[Progress], None] = lambda progress: None,
    announce: Callable[[str], None] = lambda text: None,
    command: list[str] | None = None,
) -> Composition:
    """Run all stages that are not finished yet; the model as it is at the end.

    Raises:
        OmmaError: for bad input, a full disk or too many bad samples; the run can be resumed.
    """
    prepare_run(recipe, directory, command=command or sys.argv)
    torch.manual_seed(recipe.seed)
    model = compose(recipe.model)
    if torch.cuda.is_available():
        model.to("cuda")
    offset = 0
    for number, (name, stage) in enumerate(recipe.stages.items()):
        done = directory / "stages" / name
        seed = recipe.seed * 1000 + number
        if done.is_dir():
            announce(f"stage {name}: already done")
            load_parts(model, done)
            offset += json.loads((done / "stage.json").read_text())["steps"]
            continue
        seconds, steps = _run_stage(recipe, stage, name, model, directory, seed, offset, report)
        with whole_directory(done) as target:
            save_composition(model, target, dtype=torch.float32)
            (target / "stage.json").write_text(json.dumps({"steps": steps, "seconds": seconds}))
        shutil.rmtree(directory / "checkpoints", ignore_errors=True)
        offset += steps
    last = next(reversed(recipe.stages.values()), None)
    dtype = torch.bfloat16 if last is not None and last.precision == "bf16" else torch.float32
    with whole_directory(directory / "model") as target:
        save_composition(model, target, dtype=dtype)
    return model


def _run_stage(
    recipe: Recipe,
    stage: StageRecipe,
    name: str,
    model: Composition,
    directory: Path,
    seed: int,
    offset: int,
    report: Callable[[Progress], None],
) -> tuple[float, int]:
    started = time.monotonic()
    template = model.template
    model.template = stage.template or template
    model.feature_cache = None
    frozen = model.encoder is not None and not any(rate.pattern.startswith("encoder") for rate in stage.learn)
    if frozen and model.vlm is not None and recipe.feature_cache_gb:
        limit = int(recipe.feature_cache_gb * 1e9)
        name_of_encoder = f"{model.fingerprint()}-{stage.precision}"
        model.feature_cache = FeatureCache(directory / "features", name_of_encoder, limit)
    run = StageRun(
        name=name,
        recipe=stage,
        model=model,
        directory=directory,
        seed=seed,
        workers=recipe.workers,
        offset=offset,
        report=report,
    )
    train_stage(run)
    model.template = template
    model.feature_cache = None
    return time.monotonic() - started, stage_steps(stage, build_mixture(stage, seed))
