"""`omma show --image` of what paints: a page with what an image tokenizer makes of a picture, and how a model draws one."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from omma.commands.draw import after_steps, class_number, evenly_chosen
from omma.commands.evaluate_reconstruction import in_words
from omma.commands.what_paints import WhatPaints, untrained, what_paints
from omma.data.images import FileImage, MemoryImage
from omma.data.sample import user
from omma.data.sources import DRAW
from omma.errors import BadInput
from omma.evaluation.reconstruction.measure import painted_again
from omma.model.class_painter import ClassDrawer
from omma.model.emerging import emerging
from omma.model.pixels import views_uint8
from omma.parts.painters.base import Sampling
from omma.recipe import Recipe
from omma.show.page import write_page
from omma.show.painting import Painting, moments_of, painting_of, painting_page

MOST_STEPS = 16
"""Steps of drawing that are shown at most, where scales do not say which."""
GUIDANCE = 2.0
"""What `omma draw` draws with."""


def run(source: str, image: Path | None, prompt: str | None, out: Path | None) -> None:
    """Write the page of a run or a saved model: of a picture that it reads, of one that it draws, or of both.

    Raises:
        BadInput: for what does not paint, a picture that cannot be read, or a prompt for what does not draw.
    """
    picture = None if image is None else opened(image)
    paints = what_paints(source)
    shown = []
    if picture is not None and image is not None:
        shown.append(_read(paints, picture, image.name))
    if prompt is not None:
        shown.append(_drawn(paints, prompt))
    stem = image.stem if image is not None else str(prompt)
    _finish(paints, "", shown, destination(out, paints.name, stem), trained=True)


def run_untrained(recipe: Recipe, image: Path, out: Path | None) -> None:
    """Write the page of a recipe's image tokenizer, with random weights.

    Raises:
        BadInput: for a recipe without one that paints, or a picture that cannot be read.
    """
    paints = untrained(recipe.model, recipe.name)
    picture = opened(image)
    page_path = destination(out, recipe.name, image.stem)
    _finish(paints, recipe.about, [_read(paints, picture, image.name)], page_path, trained=False)


def opened(image: Path) -> MemoryImage:
    """The picture, upright and decoded once. Raises BadInput."""
    return MemoryImage(FileImage(image).load(), key=str(image))


def destination(out: Path | None, name: str, what: str) -> Path:
    """Where the page goes. Raises BadInput for a name that a page should not have: a picture's, say."""
    path = out if out is not None else Path(re.sub(r"[^\w.-]+", "-", f"{name}-{what}")[:100] + ".html")
    if path.suffix.lower() not in (".html", ".htm"):
        raise BadInput("--out", expected="the name of a page, ending in .html", found=str(path), remedy="change the name")
    return path


def _read(paints: WhatPaints, picture: MemoryImage, name: str) -> Painting:
    """A picture, read and painted again."""
    (view,) = views_uint8(picture, paints.resolution.plan(*picture.size), [paints.tokenizer.normalization])
    read, painted = painted_again(paints.tokenizer, torch.from_numpy(view)[None], seeds=[0])
    read = read.to(next(paints.tokenizer.parameters()).device)
    return painting_of(paints.tokenizer, name, read, Image.fromarray(painted[0].numpy()), Image.fromarray(view))


def _drawn(paints: WhatPaints, prompt: str) -> Painting:
    """A picture that is drawn."""
    drawer = paints.drawer
    if drawer is None:
        raise BadInput(
            "--prompt",
            expected="a model that draws",
            found="an image tokenizer alone",
            remedy="leave it out, or name a model that draws with this one",
        )
    asked: Any = class_number(prompt) if isinstance(drawer, ClassDrawer) else (user(f"{DRAW}{prompt}"),)
    stands = list(emerging(drawer, [asked], seeds=[0], sampling=Sampling(guidance=GUIDANCE)))
    read = next(stand.read for stand in reversed(stands) if stand.read is not None)
    chosen = evenly_chosen(stands, MOST_STEPS)
    (frames,) = after_steps(chosen)
    one = painting_of(paints.tokenizer, f"“{prompt}”", read, frames[-1])
    # Scales say more of how it came about than steps do.
    return one if one.moments else replace(one, moments=moments_of([stand.words for stand in chosen], frames))


def _finish(paints: WhatPaints, about: str, shown: list[Painting], page_path: Path, *, trained: bool) -> None:
    words = in_words(paints.tokenizer)
    write_page(painting_page(paints.name, about, words, shown, untrained=not trained), page_path)
    console = Console(highlight=False)
    width, height = paints.size
    weights = "" if trained else ", with random weights"
    console.print(f"{paints.name}{weights}: {words}; pictures of {width} x {height}", markup=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("picture", overflow="fold")
    table.add_column("after")
    for column in ("PSNR", "SSIM"):
        table.add_column(column, justify="right")
    table.add_column("codes", justify="right")
    for one in shown:
        for moment in one.moments:
            table.add_row(one.name, moment.title, _decibels(moment.psnr), "", moment.detail)
        similar = "" if one.ssim is None else f"{one.ssim:.3f}"
        codes = f"{one.length:,} vectors" if one.bits is None else f"{one.length:,} codes, {math.ceil(one.bits):,} bits"
        table.add_row(one.name, "all", _decibels(one.psnr), similar, codes)
    console.print(table)
    console.print(f"drawn in {page_path}", markup=False, soft_wrap=True)


def _decibels(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
