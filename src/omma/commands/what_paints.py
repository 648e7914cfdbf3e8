"""What paints in a saved model or a run: its image tokenizer, how pictures are cut for it, and what draws with it, if
anything does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from omma.errors import BadInput
from omma.model.class_painter import ClassDrawer, is_class_painter, load_class_painter
from omma.model.drawing import PictureDrawer
from omma.model.loading import is_saved_image_tokenizer, load_model, load_saved_image_tokenizer, model_directory
from omma.parts.quantizers.multi_scale import MultiScale
from omma.parts.resolution import RESOLUTIONS, Resolution
from omma.parts.tokenizers import ImageTokenizer
from omma.parts.tokenizers.diffusion import build_beside
from omma.parts.weights import ZOO
from omma.recipe import ModelRecipe
from omma.training.run import open_run

USUAL_SIDE = 256
"""Of the pictures of an image tokenizer that was not made by a run, in pixels: published ones are measured at it."""


@dataclass(frozen=True, slots=True, eq=False)
class WhatPaints:
    """An image tokenizer ready to read and paint, and what draws with it.

    Attributes:
        resolution: how pictures are cut, into one view of the whole.
        name: of the run or model.
    """

    tokenizer: ImageTokenizer
    resolution: Resolution
    drawer: PictureDrawer | ClassDrawer | None
    name: str

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the pictures."""
        return self.resolution.plan(1, 1).views[0].size


def what_paints(source: str) -> WhatPaints:
    """What a saved model paints with, on the accelerator if there is one.

    Args:
        source: ``zoo:NAME``, or the directory of a model, a stage or a run.

    Raises:
        BadInput: if there is no model, or it does not paint.
    """
    directory = model_directory(source)
    run = run_around(source)
    name = (run or directory).resolve().name
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if is_saved_image_tokenizer(directory):
        tokenizer = load_saved_image_tokenizer(directory)
        cut = None if run is None else open_run(run).model.resolution
        resolution = usual_resolution(tokenizer) if cut is None else cut.build()
        return WhatPaints(painting(tokenizer.to(device), source), whole_view(resolution, source), None, name)
    drawer: PictureDrawer | ClassDrawer
    if is_class_painter(directory):
        drawer = ClassDrawer(load_class_painter(directory))
    else:
        drawer = PictureDrawer(*load_model(directory))
    drawer.model.to(device)
    return WhatPaints(drawer.tokenizer, drawer.painter.canvas, drawer, name)


def untrained(model: ModelRecipe, name: str) -> WhatPaints:
    """The image tokenizer of a recipe, with random weights that are always the same.

    Raises:
        BadInput: if it has none, or one that does not paint.
    """
    if model.image_tokenizer is None:
        raise BadInput(
            f"recipe {name}",
            expected="one that takes pictures",
            found="a language model alone",
            remedy="leave --image out, or name another recipe",
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        tokenizer = build_beside(model.image_tokenizer, None if model.encoder is None else model.encoder.build()).eval()
    cut = model.resolution if model.painter is None else model.painter.canvas
    resolution = usual_resolution(tokenizer) if cut is None else cut.build()
    return WhatPaints(painting(tokenizer, f"recipe {name}"), whole_view(resolution, f"recipe {name}"), None, name)


def run_around(source: str) -> Path | None:
    """The run that a model lies in, if it lies in one: as RUN, RUN/model or RUN/stages/NAME."""
    if source.startswith(ZOO):
        return None
    place = Path(source).expanduser().resolve()
    if place.name == "model":
        place = place.parent
    elif place.parent.name == "stages":
        place = place.parents[1]
    return place if (place / "recipe.yaml").is_file() else None


def painting(tokenizer: ImageTokenizer, where: str) -> ImageTokenizer:
    """The same. Raises BadInput for one that reads and does not paint."""
    if not (tokenizer.paints and tokenizer.reads):
        raise BadInput(
            where,
            expected="an image tokenizer that can paint what it has read",
            found=f"{tokenizer.config.type}, which {'only reads' if tokenizer.reads else 'is told texts'}",
            remedy="name another",
        )
    return tokenizer


def whole_view(resolution: Resolution, where: str) -> Resolution:
    """The same. Raises BadInput for a strategy that does not show the whole picture in one view of one size."""
    if not resolution.is_plain:
        raise BadInput(
            f"{where}, model.resolution",
            expected="a strategy that shows the whole picture in one view of one size",
            found=resolution.config.type,
            remedy="use stretch-square, crop-square or pad-square",
        )
    return resolution


def usual_resolution(tokenizer: ImageTokenizer) -> Resolution:
    """How pictures are cut for one of which nobody has said it: as published ones are measured, or as its scales want it."""
    quantizer = getattr(tokenizer, "quantizer", None)
    side = USUAL_SIDE
    if isinstance(quantizer, MultiScale):
        network = tokenizer.network
        side = quantizer.config.scales[-1] * int(network.factor)  # type: ignore[arg-type, union-attr]
    config = RESOLUTIONS.parse({"type": "crop-square", "size": side}, where="resolution")
    resolution: Resolution = config.build()
    return resolution
