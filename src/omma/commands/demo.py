"""`omma demo`: from nothing to a small model that answers about pictures, measured, in one go."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console

from omma.commands.evaluate import benchmark_items, evaluate_model, show_scores
from omma.commands.train import train_with_progress
from omma.evaluation import Results
from omma.evaluation.report.numbers import seconds
from omma.recipe import Benchmark, Recipe, load_recipe

EXAMPLES = 6
"""Answers that are shown at the end."""


def run(recipe_name: str, size: str, out: Path) -> None:
    """Train all stages, evaluate, write the report, and say how to chat.

    Raises:
        OmmaError: for a bad recipe, a directory of another run, a full disk.
    """
    console = Console()
    started = time.monotonic()
    recipe = load_recipe(recipe_name, size)
    _say(
        console,
        "A language model that has never seen a picture and a vision encoder that has never heard a question are about "
        "to be joined. First a projector between them learns to hand on what is where; then it and the language model "
        "learn to answer questions.",
    )
    train_with_progress(recipe, out, console)
    results = evaluate_model(recipe, str(out), out, out, console)
    show_scores(results, out, console)
    _show_examples(results, console)
    pictures = save_pictures(recipe, out / "pictures")
    _say(console, f"Done in {seconds(time.monotonic() - started)}. Now ask it something yourself:")
    _say(console, f"  omma chat {out} {pictures[0] if pictures else 'PICTURE'}")
    if pictures:
        _say(console, f"More pictures that it has never seen are in {pictures[0].parent}; or give it one of your own.")


def save_pictures(recipe: Recipe, folder: Path) -> list[Path]:
    """One held-out picture of every generated world of the evaluation, as PNG files to chat about."""
    paths = []
    for benchmark in recipe.evaluation.benchmarks:
        if not isinstance(benchmark, Benchmark) or benchmark.world is None:
            continue
        first = benchmark_items(benchmark.model_copy(update={"pictures": 1}), recipe.evaluation.seed)[0]
        for number, image in enumerate(first.images, start=1):
            name = benchmark.world if len(first.images) == 1 else f"{benchmark.world}-{number}"
            folder.mkdir(parents=True, exist_ok=True)
            paths.append(folder / f"{name}.png")
            image.load().save(paths[-1])
    return paths


def _show_examples(results: Results, console: Console) -> None:
    """A few questions with its answers, of as many worlds as possible, right and wrong as they come."""
    by_world: dict[str, list[str]] = {}
    for item in results.items:
        if item.pictures:
            verdict = "right" if item.sighted.right else f"wrong, it is {item.answer}"
            by_world.setdefault(item.world, []).append(f"  {item.question}  {item.sighted.text}  ({verdict})")
    _say(console, "Some of the questions about pictures that it had never seen, with its answers:")
    for number in range(EXAMPLES):
        worlds = list(by_world)
        lines = by_world[worlds[number % len(worlds)]] if worlds else []
        if number // max(1, len(worlds)) < len(lines):
            _say(console, lines[number // len(worlds)])


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
