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

from omma.commands.progress import Display
from omma.data.images import FileImage
from omma.data.sample import user
from omma.data.sources import DRAW
from omma.errors import BadInput
from omma.model.class_painter import ClassDrawer
from omma.model.drawers import load_drawer
from omma.model.emerging import Stand, emerging
from omma.model.loading import model_directory
from omma.parts.painters.base import Sampling
from omma.storage import write_atomically

GAP = 4
"""Pixels between the pictures of a grid."""
LONGEST_NAME = 60
MOST_STEPS = 32
"""Steps that are shown at most, evenly chosen, the last one always among them."""


def run(
    model: str,
    prompt: str,
    out: Path | None,
    images: Sequence[Path],
    count: int,
    seed: int,
    settings: Mapping[str, Any],
    *,
    steps: bool,
) -> None:
    """Draw, and write one file, or two.

    Args:
        steps: whether a second one shows the pictures after every step.

    Raises:
        BadInput: for a model that does not draw, or what cannot be drawn or written.
    """
    sampling = Sampling(**settings)
    target = _target(out, prompt)
    shown = [FileImage(path.expanduser()) for path in images]
    for picture in shown:
        picture.load()
    directory = model_directory(model)
    drawer = load_drawer(directory)
    asked: Any = class_number(prompt, shown) if isinstance(drawer, ClassDrawer) else (user(*shown, f"{DRAW}{prompt}"),)
    drawer.model.to("cuda" if torch.cuda.is_available() else "cpu")
    stands: dict[int, list[Stand]] = {}
    with Display(Console(stderr=True)) as display:
        for stand in emerging(drawer, [asked] * count, seeds=range(seed, seed + count), sampling=sampling):
            stands.setdefault(stand.first, []).append(stand)
            which = f" {stand.first + 1} to {stand.first + stand.count} of {count}" if count > 1 else ""
            display.update(f"{stand.doing}{which}", stand.done, stand.total, stand.words)
    rows = [row for batch in stands.values() for row in after_steps(evenly_chosen(batch, MOST_STEPS if steps else 1))]
    console = Console(soft_wrap=True)
    _write(grid([row[-1] for row in rows]), target)
    named = "The picture is" if count == 1 else f"The {count} pictures are"
    console.print(f"{named} {target}.", markup=False, highlight=False)
    if steps:
        beside = target.with_name(f"{target.stem}-steps.png")
        _write(sheet(rows), beside)
        which = "it" if count == 1 else "each"
        console.print(f"From left to right, how {which} came about: {beside}.", markup=False, highlight=False)


def evenly_chosen(stands: Sequence[Stand], most: int) -> list[Stand]:
    """The steps of a batch after which there is anything to be seen, or so many of them, the last one among them."""
    seen = [stand for stand in stands if stand.views is not None]
    count = min(most, len(seen))
    return [seen[-1 - (len(seen) - 1) * number // max(count - 1, 1)] for number in range(count)][::-1]


def after_steps(stands: Sequence[Stand]) -> list[list[Image.Image]]:
    """The pictures of a batch, one row each, after each of these steps."""
    columns = [[Image.fromarray(view) for view in stand.views().cpu().numpy()] for stand in stands if stand.views is not None]
    return [list(row) for row in zip(*columns, strict=True)]


def _write(picture: Image.Image, target: Path) -> None:
    encoded = io.BytesIO()
    picture.save(encoded, "PNG")
    write_atomically(target, encoded.getvalue())


def class_number(prompt: str, shown: Sequence[FileImage] = ()) -> int:
    """The class that is asked for. Raises BadInput if it is none, or pictures are shown with it."""
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
    columns = ceil(len(pictures) ** 0.5)
    return sheet([pictures[start : start + columns] for start in range(0, len(pictures), columns)])


def sheet(rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Rows of pictures of one size, the first row the longest."""
    width, height = (side + GAP for side in rows[0][0].size)
    whole = Image.new("RGB", (len(rows[0]) * width - GAP, len(rows) * height - GAP), "white")
    for down, row in enumerate(rows):
        for across, picture in enumerate(row):
            whole.paste(picture, (across * width, down * height))
    return whole
