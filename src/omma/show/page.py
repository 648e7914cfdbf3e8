"""The pages: how one recipe cuts a picture, and how all published strategies do. Self-contained, for screens of any width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from omma import __version__
from omma.evaluation.report.numbers import big, flops, memory, percent
from omma.evaluation.report.pictures import data_uri
from omma.evaluation.report.rendering import page_templates
from omma.evaluation.report.view import Headline
from omma.show.cost import FORMULAS
from omma.show.cutting import Cutting
from omma.show.drawing import Drawing
from omma.storage import write_atomically

PICTURE_SIDE = 1200
"""Longest side of the picture itself on a page."""

AREA = 260_000
"""Pixels that the sequence covers on a wide screen, about."""

TALLEST = 640
"""Pixels of height that a piece of it has at most."""

LARGEST_UNIT = 12.0
"""Pixels of a token's side at most."""

COMMON_UNIT = 3.0
"""Pixels of a token's side where systems are compared."""

_TEMPLATES = page_templates("omma.show")


@dataclass(frozen=True, slots=True)
class Shown:
    """One system and what it makes of the picture.

    Attributes:
        strategy: registered name of its resolution strategy.
        settings: of that strategy, in words.
        published: where it was published; empty if it was not.
        parameters: of all its parts.
        key: identifies it on the page.
    """

    name: str
    about: str
    strategy: str
    settings: str
    published: str
    parameters: int
    cutting: Cutting
    drawing: Drawing
    key: str


def recipe_page(shown: Shown, size: str, picture: Image.Image, picture_name: str) -> str:
    """The page of one recipe.

    Args:
        size: of the recipe: debug, small or paper.
        picture: RGB, upright.
    """
    return _render(
        "recipe.html.jinja", picture, picture_name, shown=shown, size=size, headlines=headlines(shown.cutting),
        unit=_unit(shown.drawing),
    )  # fmt: skip


def comparison_page(systems: Sequence[Shown], picture: Image.Image, picture_name: str) -> str:
    """The page of several systems side by side, few tokens first."""
    ordered = sorted(systems, key=lambda system: system.cutting.tokens)
    widest = max(system.drawing.widest for system in systems)
    return _render("comparison.html.jinja", picture, picture_name, systems=ordered, unit=COMMON_UNIT, widest=widest)


def headlines(cutting: Cutting) -> list[Headline]:
    """The numbers to remember."""
    cost, sharpest = cutting.cost, max(cutting.views, key=lambda view: view.detail)
    width, height = sharpest.size
    count = len(cutting.views)
    views = f"from {count} views" if count > 1 else "from one view"
    found = [Headline("Image tokens", big(cutting.tokens), "", views)]
    if cutting.texts:
        found[0] = replace(found[0], detail=f"{views}, and {cutting.texts} texts between them")
    amount, _, unit = flops(cost.flops).partition(" ")
    if cost.language_model:
        detail = f"{percent(cost.language_model / cost.flops)} % of it in the language model"
        found.append(Headline("Prefill", amount, unit, detail))
        amount, _, unit = memory(cost.cache).partition(" ")
        found.append(
            Headline("Cache", amount, unit, f"keys and values of {big(cutting.tokens + cutting.texts)} tokens in bf16")
        )
    else:
        found.append(Headline("Encoding", amount, unit, "there is no language model in this recipe"))
    detail = f"of the picture's own along a side, in its sharpest view of {width} × {height}"
    found.append(Headline("Resolution", f"{100 * cutting.detail:.0f}", "%", detail))
    return found


def _unit(drawing: Drawing) -> float:
    """Pixels of a token's side, so that all of them cover about `AREA` and none is drawn higher than `TALLEST`."""
    area = sum(block.width * block.height for block in drawing.blocks)
    tallest = max(block.height for block in drawing.blocks)
    return round(min(LARGEST_UNIT, math.sqrt(AREA / max(area, 1)), TALLEST / max(tallest, 1)), 2)


def write_page(page: str, path: Path) -> None:
    """Raises BadInput if the place cannot be written."""
    write_atomically(path, page.encode("utf-8", "replace"))


def _render(template: str, picture: Image.Image, picture_name: str, **context: object) -> str:
    return _TEMPLATES.get_template(template).render(
        context,
        picture=data_uri(picture, PICTURE_SIDE),
        picture_size=picture.size,
        picture_name=picture_name,
        formulas=FORMULAS,
        version=__version__,
    )
