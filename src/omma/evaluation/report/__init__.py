"""One self-contained HTML page per run: no request leaves it, and everything that data or models said is escaped.

The page refuses to load anything from elsewhere by its own content security policy; pictures are embedded as PNG.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from omma.evaluation.report.curves import stage_charts
from omma.evaluation.report.gallery import gallery_cards
from omma.evaluation.report.rendering import page_templates
from omma.evaluation.report.view import doubts, headlines, plot_splits, worlds_by_name
from omma.evaluation.results import Results
from omma.storage import write_atomically

Pictures = Mapping[str, Image.Image | tuple[Image.Image, ...]]
"""Item id -> the picture or pictures that the item showed."""

PAGE_LIMIT = 3_000_000
"""Bytes of a page, pictures included: pictures are left out of the gallery rather than exceed it."""

_TEMPLATES = page_templates()


def report_html(results: Results, pictures: Pictures) -> str:
    """The page as text; see `write_report`."""
    template = _TEMPLATES.get_template("page.html.jinja")
    context = {
        "results": results,
        "worlds": worlds_by_name(results),
        "headlines": headlines(results),
        "splits": plot_splits(results),
        "doubts": doubts(results),
        "stages": stage_charts(results.curves),
    }
    bare = template.render(context, cards=[])
    cards = gallery_cards(results.items, pictures, room=PAGE_LIMIT - len(bare.encode()))
    return template.render(context, cards=cards)


def write_report(results: Results, pictures: Pictures, path: Path) -> None:
    """Writes the page of a run.

    Args:
        pictures: item id -> its picture or pictures. A gallery of up to 60 of them is shown, spread over worlds and over
            right and wrong replies; ids that the results do not have are ignored.

    Raises:
        BadInput: if the place cannot be written.
    """
    write_atomically(path, report_html(results, pictures).encode("utf-8", "replace"))
