"""`omma draw`: pictures of what is asked for, as a PNG."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from torch import Tensor

from omma.data.images import FileImage
from omma.data.sample import user
from omma.data.sources import DRAW
from omma.errors import BadInput
from omma.model.class_painter import ClassDrawer, is_class_painter, load_class_painter
from omma.model.drawing import PictureDrawer
from omma.model.loading import load_model, model_directory
from omma.parts.painters.base import Sampling
from omma.storage import write_atomically

GAP = 4
"""Pixels between the pictures of a grid."""
LONGEST_NAME = 60


def run(
    model: str,
    prompt: str,
    out: Path | None,
    images: Sequence[Path],
    count: int,
    seed: int,
    settings: Mapping[str, Any],
) -> None:
    """Draw, and write one file. Raises BadInput for a model that does not draw, or what cannot be drawn or written."""
    sampling = Sampling(**settings)
    target = _target(out, prompt)
    shown = [FileImage(path.expanduser()) for path in images]
    for picture in shown:
        picture.load()
    directory = model_directory(model)
    asked: Any
    drawer: ClassDrawer | PictureDrawer
    if is_class_painter(directory):
        asked, drawer = _class(prompt, shown), ClassDrawer(load_class_painter(directory))
    else:
        asked, drawer = (user(*shown, f"{DRAW}{prompt}"),), PictureDrawer(*load_model(directory))
    drawer.model.to("cuda" if torch.cuda.is_available() else "cpu")
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("reading what is asked for")
        steps = 0

        def watch(first: int, codes: Tensor) -> None:
            nonlocal steps
            steps += 1
            done = first + len(codes)
            told = f"{codes.shape[1]} of {drawer.painter.codes} codes" if codes.shape[1] else "nothing settled yet"
            progress.update(task, description=f"step {steps}, picture {first + 1} to {done} of {count}: {told}")

        pictures = drawer.draw([asked] * count, seeds=range(seed, seed + count), sampling=sampling, watch=watch)
    encoded = io.BytesIO()
    grid(pictures).save(encoded, "PNG")
    write_atomically(target, encoded.getvalue())
    named = "The picture is" if count == 1 else f"The {count} pictures are"
    Console(soft_wrap=True).print(f"{named} {target}.", markup=False, highlight=False)


def _class(prompt: str, shown: Sequence[FileImage]) -> int:
    if not prompt.strip().isdecimal() or shown:
        raise BadInput(
            "PROMPT",
            expected="the number of a class, and no picture: this model draws classes",
            found=repr(prompt) + (f" and {len(shown)} pictures" if shown else ""),
            remedy="give a number",
        )
    return int(prompt)


def _target(out: Path | None, prompt: str) -> Path:
    if not prompt.strip():
        raise BadInput("PROMPT", expected="what is to be drawn, in words", found="nothing", remedy="say what to draw")
    if out is None:
        return Path(re.sub(r"[^\w]+", "-", prompt.lower()).strip("-")[:LONGEST_NAME] or "picture").with_suffix(".png")
    if out.suffix.lower() != ".png":
        raise BadInput("--out", expected="a file name that ends in .png", found=str(out), remedy="change it")
    return out.expanduser()


def grid(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures of one size, row by row, in about as many rows as columns; one alone as it is."""
    if len(pictures) == 1:
        return pictures[0]
    columns = ceil(len(pictures) ** 0.5)
    width, height = (side + GAP for side in pictures[0].size)
    sheet = Image.new("RGB", (columns * width - GAP, ceil(len(pictures) / columns) * height - GAP), "white")
    for number, picture in enumerate(pictures):
        sheet.paste(picture, (number % columns * width, number // columns * height))
    return sheet
