"""The part of `omma evaluate` that is for models that draw: prompts, drawn and judged; drawing.json and drawing.html."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from omma import __version__
from omma.commands.progress import Clock, Display
from omma.commands.under_test import weights_digest
from omma.data.sample import Turn, user
from omma.data.sources import DRAW
from omma.errors import BadInput
from omma.evaluation.drawing.edits import EditPrompt
from omma.evaluation.drawing.evaluate import Asked, asked_for, draw_all, judge, task_scores
from omma.evaluation.drawing.page import drawing_page, write_drawing_page
from omma.evaluation.drawing.results import DrawingResults, write_drawing_results
from omma.evaluation.environment import Environment
from omma.model.class_painter import ClassDrawer
from omma.model.drawers import load_drawer
from omma.parts.painters.base import Sampling
from omma.recipe import DrawingRecipe


def evaluate_drawing(settings: DrawingRecipe, directory: Path, name: str, out: Path, console: Console) -> DrawingResults:
    """Draw all prompts with a saved model; an interrupted evaluation goes on where it was.

    Args:
        directory: of the model.
        out: where drawing.json, drawing.html and the folder ``drawn`` go.

    Raises:
        BadInput: for a model that does not draw, or a place that cannot be written.
    """
    drawer = load_drawer(directory, batch=settings.batch)
    if isinstance(drawer, ClassDrawer):
        raise BadInput(
            str(directory),
            expected="a model that draws what words ask for",
            found="one that draws classes",
            remedy="draw some of them with omma draw, or set evaluation.drawing=null",
        )
    chosen = Sampling(settings.guidance, settings.temperature, settings.top_k, settings.top_p)
    # What a way to draw does not know is not said of its pictures.
    sampling = drawer.painter.usable(chosen)
    drawer.model.to("cuda" if torch.cuda.is_available() else "cpu")
    asked = asked_for(settings.prompts, settings.edits)
    console.print(f"Drawing {len(asked):,} pictures, {settings.prompts:,} of each task.", highlight=False, soft_wrap=True)
    clock = Clock()
    with Display(console) as display:
        drawn = draw_all(
            drawer,
            asked,
            out / "drawn",
            identity=weights_digest(directory),
            sampling=sampling,
            turns_of=_turns,
            progress=lambda done, total: display.update("drawing", done, total, clock.left(done, total)),
        )
    judged = judge(asked, out / "drawn")
    tasks, score = task_scores(judged)
    used, perplexity = drawn.use(drawer.tokenizer.vocabulary)
    results = DrawingResults(
        model=name,
        command=shlex.join(["omma", *sys.argv[1:]]),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        omma=__version__,
        painter=drawer.way,
        size=_size(out / "drawn" / asked[0].file),
        codes=drawer.painter.codes,
        vocabulary=drawer.tokenizer.vocabulary,
        sampling=asdict(sampling),
        environment=Environment.current(accelerator=torch.cuda.get_device_name() if torch.cuda.is_available() else None),
        tasks=tasks,
        score=score,
        used=used,
        perplexity=perplexity,
        steps=drawn.steps / drawn.pictures if drawn.pictures else None,
        pictures_per_second=drawn.pictures / drawn.seconds if drawn.pictures else None,
        prompts=tuple(judged),
    )
    write_drawing_results(results, out / "drawing.json")
    write_drawing_page(drawing_page(results, asked, out / "drawn"), out / "drawing.html")
    _show(results, out, console)
    return results


def _size(file: Path) -> tuple[int, int]:
    with Image.open(file) as picture:
        return picture.size


def _turns(asked: Asked) -> tuple[Turn, ...]:
    """In the words of training."""
    prompt = asked.prompt
    return (user(prompt.before, f"\n{prompt.text}") if isinstance(prompt, EditPrompt) else user(f"{DRAW}{prompt.text}"),)


def _show(results: DrawingResults, out: Path, console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("task", "split"):
        table.add_column(column)
    for column in ("prompts", "drawn %", "95% interval"):
        table.add_column(column, justify="right")
    for one in results.tasks:
        interval = f"{100 * one.passed.low:.1f} to {100 * one.passed.high:.1f}"
        table.add_row(one.task, one.split, f"{one.prompts:,}", f"{100 * one.passed.value:.1f}", interval)
    interval = f"{100 * results.score.low:.1f} to {100 * results.score.high:.1f}"
    table.add_row("mean of six", "fresh", "", f"{100 * results.score.value:.1f}", interval, style="bold")
    console.print(table)
    speed = "" if results.pictures_per_second is None else f"{results.pictures_per_second:.2f} pictures per second. "
    console.print(
        f"{speed}The page is {out / 'drawing.html'}, the same figures are in {out / 'drawing.json'}, the pictures in "
        f"{out / 'drawn'}.",
        highlight=False,
        soft_wrap=True,
    )
