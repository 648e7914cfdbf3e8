"""`omma train`: run a recipe's stages, or go on with them."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from rich.console import Console

from omma.commands.progress import Display
from omma.recipe import Recipe, load_recipe
from omma.training.run import train


def run(name: str, size: str, out: Path | None, overrides: list[str]) -> None:
    """Train, and say where the model is. Raises BadInput for a bad recipe or a directory of another run."""
    console = Console()
    recipe = load_recipe(name, size, overrides)
    directory = out or Path("runs") / f"{recipe.name}-{recipe.size}"
    train_with_progress(recipe, directory, console)
    console.print(f"The model is in {directory / 'model'}.", highlight=False, soft_wrap=True)
    if recipe.model.complete:
        console.print(f"Chat with it:  omma chat {directory} PICTURE", highlight=False, soft_wrap=True, markup=False)
    if recipe.model.complete and recipe.evaluation.benchmarks:
        console.print(f"Measure it:    omma evaluate {directory}", highlight=False, soft_wrap=True, markup=False)


def train_with_progress(recipe: Recipe, directory: Path, console: Console) -> None:
    """Train with a progress line per stage.

    Raises:
        OmmaError: as `omma.training.run.train`.
        KeyboardInterrupt: after Ctrl-C, saying how to go on.
    """

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    say(f"Training {recipe.name} at size {recipe.size}: {', '.join(recipe.stages)}. Everything goes to {directory}.")
    try:
        with Display(console) as display:
            train(recipe, directory, report=display.step, announce=say, command=["omma", *sys.argv[1:]])
    except KeyboardInterrupt:
        again = shlex.join(["omma", *sys.argv[1:]])
        raise KeyboardInterrupt(
            f"stopped; everything up to here is in {directory}. To go on, run the same command again: {again}"
        ) from None
