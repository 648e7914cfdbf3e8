"""`omma show --image`: a page that draws how strategies cut one picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from torch import nn

from omma.commands import show_painting
from omma.commands.show import skeleton
from omma.commands.show_painting import destination, opened, run_untrained
from omma.commands.what_paints import run_around
from omma.data.images import MemoryImage
from omma.errors import BadInput
from omma.evaluation.report.numbers import flops, memory
from omma.model.pixels import views_uint8
from omma.parts.base import PartConfig
from omma.parts.resolution import Resolution
from omma.parts.weights import ZOO
from omma.recipe import ModelRecipe, load_recipe, recipe_names
from omma.show import Cutting, Shown, comparison_page, cutting_of, drawing_of, recipe_page, write_page
from omma.show.systems import SYSTEMS
from omma.training.run import open_run

CANVAS_SIDE = 1600
"""Longest side of a canvas on the page of one recipe."""

SMALL_CANVAS_SIDE = 560
"""The same where systems are side by side."""


def is_saved(name: str | None) -> bool:
    """Whether it names a model, stage or run, and not a recipe."""
    return name is not None and (name.startswith(ZOO) or (name not in recipe_names() and Path(name).expanduser().is_dir()))


def check(
    recipe: str | None,
    image: Path | None,
    out: Path | None,
    prompt: str | None,
    *,
    everything: bool,
    changed: str | None,
) -> None:
    """See that the arguments of ``omma show`` go together.

    Args:
        everything: whether ``--all`` is given.
        changed: what of ``--size`` and fields to change is given, if anything is.

    Raises:
        BadInput: if not.
    """
    saved = is_saved(recipe)
    if everything and recipe is not None:
        raise BadInput("--all", expected="no RECIPE beside it", found=recipe, remedy="leave one of them out")
    if everything and changed == "--size":
        raise BadInput(
            "--all", expected="no --size beside it", found="one", remedy="it shows published sizes; leave it out"
        )
    if saved and changed is not None:
        raise BadInput(
            str(recipe), expected=f"no {changed} beside what is saved", found="one", remedy="leave it out, or name a recipe"
        )
    if prompt is not None and not saved:
        raise BadInput(
            "--prompt", expected="a run or model that draws before it", found=recipe or "none", remedy="name one, or leave it out"
        )
    if not everything and recipe is None:
        raise BadInput(
            "RECIPE", expected="the name of a recipe", found="none", remedy="see `omma recipes`, or use --all"
        )
    if image is None and prompt is None and (everything or saved or out is not None):
        option = "--all" if everything else str(recipe) if saved else "--out"
        raise BadInput(
            option, expected="--image and a picture beside it", found="none", remedy="name a picture to draw"
        )


def run_saved(source: str, image: Path | None, prompt: str | None, out: Path | None) -> None:
    """Write the page of a run or a saved model: what it paints and draws, or how it cuts the picture if it does neither.

    Raises:
        BadInput: for a model that cannot be loaded, or a picture that cannot be read.
    """
    place = run_around(source)
    parts = None if place is None else open_run(place)
    if parts is not None and image is not None and prompt is None and parts.model.image_tokenizer is None:
        assert place is not None
        run(str((place / "recipe.yaml").resolve()), parts.size, [], image, out)
    else:
        show_painting.run(source, image, prompt, out)


def run(name: str, size: str, overrides: list[str], image: Path, out: Path | None) -> None:
    """Write the page of a recipe and say in a line what is on it: how it cuts the picture, or what is painted of it.

    Raises:
        BadInput: for a bad recipe, one without pictures, or a picture that cannot be read.
    """
    recipe = load_recipe(name, size, overrides)
    if recipe.model.encoder is None:
        run_untrained(recipe, image, out)
        return
    picture = opened(image)
    page_path = destination(out, recipe.name, image.stem)
    shown = _shown(recipe.name, recipe.about, recipe.paper, recipe.model, picture, "one", CANVAS_SIDE)
    write_page(recipe_page(shown, recipe.size, picture.picture, image.name), page_path)
    _tell(f"{recipe.name}, size {recipe.size}: {image.name}, {_extent(picture)}", [shown], page_path)


def run_all(image: Path, out: Path | None) -> None:
    """Write the page that compares all strategies and print its table.

    Raises:
        BadInput: for a picture that cannot be read.
    """
    picture = opened(image)
    page_path = destination(out, "all", image.stem)
    shown = [
        _shown(s.name, s.about, s.published, s.resolved.model, picture, f"s{number}-", SMALL_CANVAS_SIDE)
        for number, s in enumerate(SYSTEMS)
    ]
    shown.sort(key=lambda one: one.cutting.tokens)
    write_page(comparison_page(shown, picture.picture, image.name), page_path)
    _tell(f"{image.name}, {_extent(picture)}", shown, page_path)


def _extent(picture: MemoryImage) -> str:
    return f"{picture.size[0]:,} x {picture.size[1]:,}"


def _shown(
    name: str, about: str, published: str, model: ModelRecipe, picture: MemoryImage, key: str, longest: int
) -> Shown:
    parts = skeleton(model)
    assert model.resolution is not None
    resolution: Resolution = model.resolution.build()
    cutting = cutting_of(resolution, parts, picture.size)
    return Shown(
        name=name,
        about=about,
        strategy=model.resolution.type,
        settings=_settings(model.resolution),
        published=published,
        parameters=_parameters(parts),
        cutting=cutting,
        drawing=drawing_of(cutting, _views(parts, picture, cutting), prefix=key, longest=longest),
        key=key,
    )


def _views(parts: Mapping[str, nn.Module], picture: MemoryImage, cutting: Cutting) -> list[np.ndarray]:
    encoder: Any = parts["encoder"]
    return views_uint8(picture, cutting.plan, encoder.normalizations)


def _settings(config: PartConfig) -> str:
    """What a strategy's config says, in words."""
    return ", ".join(_setting(name.replace("_", " "), value) for name, value in config if value != "")


def _setting(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return name if value else f"no {name}"
    return f"{name} {_words(value)}"


def _words(value: Any) -> str:
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(side, int) for side in value):
        return f"{value[0]} × {value[1]}"
    if isinstance(value, tuple):
        return ", ".join(map(_words, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _parameters(parts: Mapping[str, nn.Module]) -> int:
    return sum(p.numel() for part in parts.values() for p in part.parameters())


def _tell(what: str, shown: list[Shown], page_path: Path) -> None:
    console = Console(highlight=False)
    console.print(what, markup=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("system", overflow="fold")
    table.add_column("strategy", overflow="fold")
    for column in ("views", "tokens", "prefill", "cache"):
        table.add_column(column, justify="right")
    for one in shown:
        cutting = one.cutting
        table.add_row(
            one.name, one.strategy, str(len(cutting.views)), f"{cutting.tokens:,}", flops(cutting.cost.flops),
            memory(cutting.cost.cache) if cutting.cost.cache else "",
        )  # fmt: skip
    console.print(table)
    console.print(f"drawn in {page_path}", markup=False, soft_wrap=True)
