"""drawing.html: the scores of a model that draws, and its pictures. Self-contained, for screens of any width."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from omma.evaluation.drawing.evaluate import Asked
from omma.evaluation.drawing.results import DrawingResults, DrawnPrompt
from omma.evaluation.report.rendering import page_templates
from omma.storage import write_atomically

SHOWN = 24
"""Pictures of a task and split on the page, the first ones: nobody has chosen among them."""
LARGEST = 60_000
"""Bytes of a picture that goes into the page; larger ones are left to the folder."""

_TEMPLATES = page_templates("omma.evaluation.drawing")


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture with what was asked for."""

    drawn: DrawnPrompt
    picture: str


def drawing_page(results: DrawingResults, asked: Sequence[Asked], folder: Path) -> str:
    """The page.

    Args:
        asked: in the order of ``results.prompts``.
        folder: where the pictures lie.
    """
    groups: dict[tuple[str, str], list[Shown]] = {}
    for one, drawn in zip(asked, results.prompts, strict=True):
        group = groups.setdefault((drawn.task, drawn.split), [])
        data = (folder / one.file).read_bytes() if len(group) < SHOWN else b""
        if data and len(data) <= LARGEST:
            group.append(Shown(drawn, f"data:image/png;base64,{base64.b64encode(data).decode()}"))
    return _TEMPLATES.get_template("drawing.html.jinja").render(results=results, groups=groups)


def write_drawing_page(page: str, path: Path) -> None:
    """Raises BadInput if the place cannot be written."""
    write_atomically(path, page.encode("utf-8", "replace"))
