"""`omma evaluate`: the questions of a recipe, put to a saved model; results.json and report.html."""

from __future__ import annotations

import math
import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from omma import __version__
from omma.commands.evaluate_drawing import evaluate_drawing
from omma.commands.evaluate_reconstruction import evaluate_reconstruction
from omma.commands.history import peak_of_training, stage_curves, stage_phases
from omma.commands.progress import Clock, Display
from omma.commands.under_test import is_directory, under_test
from omma.commands.what_paints import what_paints, whole_view
from omma.data.playground import WORLDS
from omma.errors import BadInput
from omma.evaluation import (
    Environment,
    Estimate,
    Item,
    Phase,
    Results,
    Run,
    Timing,
    evaluate,
    items_from_samples,
    judged,
    playground_items,
    score,
    write_report,
    write_results,
)
from omma.evaluation.benchmarks import BenchmarkConfig, PublishedBenchmark
from omma.evaluation.items import SCENES_OF_A_SEED
from omma.evaluation.models.remote import RemoteModel
from omma.evaluation.report.numbers import figure_span, figure_value
from omma.model.loading import is_saved_image_tokenizer, model_directory, saved_image_tokenizer
from omma.recipe import Benchmark, DrawingRecipe, EvaluationRecipe, Recipe, ReconstructionRecipe, load_recipe
from omma.training.run import open_run, peak_memory

DEFAULT_RECIPE = "llava-1.5"

PICTURES = 100
"""Scenes of each split where a benchmark does not say how many."""

GALLERY = 40
"""Pictures of each world and split that the report's gallery may choose from."""

GALLERY_SIDE = 640
"""Longest side of those pictures in pixels."""


def run(
    model: str,
    recipe_name: str | None,
    size: str,
    out: Path | None,
    overrides: list[str],
    chosen: list[str],
    replies: Path | None,
) -> None:
    """Evaluate, and print a table. Raises BadInput for a bad model or recipe, or a recipe without questions."""
    run_directory = None
    label = model.replace(":", "-").replace("/", "-")
    if is_directory(model):
        label = model_directory(model).resolve().name
        place = Path(model).expanduser()
        run_directory = place if (place / "recipe.yaml").is_file() else None
    if recipe_name is None and run_directory is not None:
        recipe = load_recipe(str((run_directory / "recipe.yaml").resolve()), open_run(run_directory).size, overrides)
    else:
        recipe = load_recipe(recipe_name or DEFAULT_RECIPE, size, overrides)
    if out is None:
        out = run_directory or Path("runs") / f"evaluate-{label}"
    drawing, reconstruction = recipe.evaluation.drawing, recipe.evaluation.reconstruction
    if is_directory(model) and is_saved_image_tokenizer(model_directory(model)):
        if not saved_image_tokenizer(model_directory(model)).part.reads:  # type: ignore[attr-defined]
            evaluate_drawing(drawing or DrawingRecipe(), model_directory(model), out.resolve().name, out, Console())
            return
        paints = what_paints(model)
        if recipe.model.resolution is not None and (recipe_name is not None or run_directory is not None):
            paints = replace(paints, resolution=whole_view(recipe.model.resolution.build(), f"recipe {recipe.name}"))
        evaluate_reconstruction(reconstruction or ReconstructionRecipe(), recipe.evaluation.seed, paints, out, Console())
        return
    if recipe.evaluation.benchmarks or (drawing is None and reconstruction is None):
        results = evaluate_model(recipe, model, out, run_directory, Console(), settings_of(chosen), replies)
        show_scores(results, out, Console())
    cases = (("drawing", drawing, "prompts to draw"), ("reconstruction", reconstruction, "pictures to paint"))
    for field, settings, found in cases:
        if settings is not None and not is_directory(model):
            raise BadInput(
                f"recipe {recipe.name}, field evaluation.{field}",
                expected="nothing for a model that is no directory, run or zoo:NAME",
                found=found,
                remedy=f"set evaluation.{field}=null",
            )
    if drawing is not None:
        evaluate_drawing(drawing, model_directory(model), out.resolve().name, out, Console())
    if reconstruction is not None:
        evaluate_reconstruction(reconstruction, recipe.evaluation.seed, what_paints(model), out, Console())


def settings_of(chosen: list[str]) -> dict[str, str]:
    """``key=value`` as a mapping. Raises BadInput for anything else."""
    settings = {}
    for entry in chosen:
        key, equals, value = entry.partition("=")
        if not key or not equals:
            raise BadInput("--with", expected="key=value", found=repr(entry), remedy="write for instance --with concurrency=4")
        settings[key] = value
    return settings


def evaluate_model(
    recipe: Recipe,
    model: str,
    out: Path,
    run_directory: Path | None,
    console: Console,
    chosen: Mapping[str, str] = MappingProxyType({}),
    replies: Path | None = None,
) -> Results:
    """Ask all questions of a recipe's evaluation; an interrupted evaluation goes on where it was.

    Args:
        model, chosen, replies: as `under_test` takes them.
        out: where predictions.jsonl, results.json and report.html go.
        run_directory: the run that made the model, whose curves and times the results then hold.

    Raises:
        BadInput: if the recipe asks nothing, or the model or the data cannot be read.
    """
    items = evaluation_items(recipe.evaluation)
    if not items:
        raise BadInput(
            f"recipe {recipe.name}, field evaluation.benchmarks",
            expected="questions to ask",
            found="none",
            remedy="give the recipe benchmarks, or name one that has some with --recipe",
        )
    settings = recipe.evaluation
    pictures = len({item.cluster for item in items})
    console.print(
        f"Asking {len(items):,} questions about {pictures:,} held-out pictures, each {', '.join(settings.conditions)}.",
        highlight=False,
        soft_wrap=True,
    )
    started = time.monotonic()
    asked = under_test(model, items, settings, chosen, replies)
    clock, began = Clock(), time.monotonic()
    progressed: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        progressed.append((done, total))
        display.update("evaluation", done, total, clock.left(done, total))

    with Display(console) as display:
        predictions = evaluate(
            asked.answerer,
            items,
            conditions=settings.conditions,
            variants=settings.variants,
            batch_size=asked.batch,
            predictions_path=out / "predictions.jsonl",
            model=asked.identity,
            progress=progress,
        )
    # Replies of an earlier run, or of a cache, took no time now: speed is that of the others.
    cached = asked.answerer.spent.cached if isinstance(asked.answerer, RemoteModel) else 0
    given = progressed[-1][0] - progressed[0][0] - cached
    speed = given / (time.monotonic() - began) if given > 0 else None
    if cost := asked.cost():
        console.print(cost, highlight=False, soft_wrap=True)
    judgements = judged(items, predictions, settings.conditions)
    accelerator = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    results = Results(
        run=Run(
            name=out.resolve().name,
            recipe=recipe.name,
            size=recipe.size,
            seeds=({"training": recipe.seed} if run_directory is not None else {}) | {"evaluation": settings.seed},
            version=__version__,
            command=shlex.join(["omma", *sys.argv[1:]]),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            parameters=asked.parameters,
            recipe_yaml=recipe.to_yaml(),
        ),
        environment=Environment.current(accelerator=accelerator),
        timing=Timing(
            phases=(
                *(stage_phases(run_directory) if run_directory is not None else ()),
                Phase(name="evaluation", seconds=time.monotonic() - started, replies_per_second=speed),
            ),
            peak_memory_bytes=max(peak_memory(), peak_of_training(run_directory) if run_directory is not None else 0),
        ),
        curves=stage_curves(run_directory) if run_directory is not None else (),
        scores=score(judgements),
        items=tuple(judgements),
    )
    write_results(results, out / "results.json")
    write_report(results, _gallery(items), out / "report.html")
    return results


def evaluation_items(evaluation: EvaluationRecipe) -> list[Item]:
    """All questions, benchmark by benchmark."""
    return [item for benchmark in evaluation.benchmarks for item in benchmark_items(benchmark, evaluation.seed)]


def benchmark_items(benchmark: Benchmark | BenchmarkConfig, seed: int = 0) -> list[Item]:
    """The questions of one benchmark: its own, about so many scenes of each split of a seed, or the first so many samples."""
    if isinstance(benchmark, BenchmarkConfig):
        published: PublishedBenchmark = benchmark.build(seed=seed)
        return published.items()
    count = benchmark.pictures or PICTURES
    if benchmark.world is not None:
        start = seed * SCENES_OF_A_SEED
        world = WORLDS.get(benchmark.world, where="recipe field evaluation.benchmarks.world").Config().build()
        return [item for split in benchmark.splits for item in playground_items(world, split, count, start=start)]
    assert benchmark.source is not None
    source = benchmark.source.build()
    if source.length is not None:
        count = min(benchmark.pictures or source.length, source.length)
    return items_from_samples(source.sample(i) for i in range(count))


def show_scores(results: Results, out: Path, console: Console) -> None:
    """A table of every world and split, and where the report is."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("world")
    table.add_column("split")
    for name in ("questions", "right %", "95% interval", "blind %", "swapped %"):
        table.add_column(name, justify="right")
    for cell in results.scores.cells:
        if cell.kind is None:
            interval = f"{100 * cell.accuracy.low:.1f} to {100 * cell.accuracy.high:.1f}"
            others = (_percent(cell.blind), _percent(cell.swapped))
            table.add_row(cell.world, cell.split, f"{cell.items:,}", _percent(cell.accuracy), interval, *others)
    console.print(table)
    if results.scores.figures:
        console.print(_figures(results))
    if not results.scores.complete:
        totals = [cell for cell in results.scores.cells if cell.kind is None]
        failed, asked = sum(cell.failed for cell in totals), sum(cell.items for cell in totals)
        console.print(
            f"{failed:,} of {asked:,} questions failed: these are not the model's scores yet. Run the same command again to ask "
            "those that failed.",
            style="bold",
            highlight=False,
            soft_wrap=True,
        )
    console.print(
        f"The report is {out / 'report.html'}, the same figures are in {out / 'results.json'}.",
        highlight=False,
        soft_wrap=True,
    )


def _figures(results: Results) -> Table:
    """What published benchmarks report beside their accuracy."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("benchmark", "split", "figure"):
        table.add_column(name)
    for name in ("value", "95% interval", "blind", "swapped"):
        table.add_column(name, justify="right")
    for figure in results.scores.figures:
        others = ("" if e is None else figure_value(e.value, figure.unit) for e in (figure.blind, figure.swapped))
        value = figure_value(figure.value.value, figure.unit)
        table.add_row(figure.world, figure.split, figure.name, value, figure_span(figure.value, figure.unit), *others)
    return table


def _percent(estimate: Estimate | None) -> str:
    return f"{100 * estimate.value:.1f}" if estimate is not None and not math.isnan(estimate.value) else ""


def _gallery(items: list[Item]) -> dict[str, tuple[Image.Image, ...]]:
    """Pictures that the report may choose from, by item: some of every world and split, not all of thousands; small."""
    chosen: dict[tuple[str, str], dict[str, tuple[Image.Image, ...]]] = {}
    pictures = {}
    for item in items:
        group = chosen.setdefault((item.world, item.split), {})
        if item.images and item.cluster not in group and len(group) < GALLERY:
            group[item.cluster] = tuple(_small(image.load()) for image in item.images)
        if item.cluster in group:
            pictures[item.id] = group[item.cluster]
    return pictures


def _small(picture: Image.Image) -> Image.Image:
    picture.thumbnail((GALLERY_SIDE, GALLERY_SIDE))
    return picture

