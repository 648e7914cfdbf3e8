"""reconstruction.html: the numbers of an image tokenizer, and pictures beside what it paints of them. Self-contained, for screens
of any width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from omma.evaluation.reconstruction.measure import Measured, Pair
from omma.evaluation.reconstruction.results import MeasuredPicture, ReconstructionResults
from omma.evaluation.report.numbers import big, percent
from omma.evaluation.report.pictures import COARSE, data_uri
from omma.evaluation.report.rendering import page_templates
from omma.evaluation.report.view import Headline
from omma.storage import write_atomically

LARGEST = 512
"""Longest side in pixels of a picture on the page."""

_TEMPLATES = page_templates("omma.evaluation.reconstruction")


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture beside what was painted of it."""

    picture: MeasuredPicture
    original: str
    painted: str


def reconstruction_page(results: ReconstructionResults, measured: Measured) -> str:
    """The page."""
    groups = {
        world: (_shown(measured.worst[world]), _shown(sorted(measured.first[world], key=lambda pair: pair.picture.scene)))
        for world in measured.first
    }
    return _TEMPLATES.get_template("reconstruction.html.jinja").render(
        results=results, groups=groups, headlines=_headlines(results), coarse=max(results.size) < COARSE
    )


def _shown(pairs: Sequence[Pair]) -> list[Shown]:
    def uri(pixels: object) -> str:
        return data_uri(Image.fromarray(pixels), LARGEST)  # type: ignore[arg-type]

    return [Shown(pair.picture, uri(pair.original), uri(pair.painted)) for pair in pairs]


def _headlines(results: ReconstructionResults) -> list[Headline]:
    first = results.worlds[0]
    interval = f"{first.psnr.low:.2f} to {first.psnr.high:.2f}, mean of {big(first.pictures)} pictures of {first.world}"
    found = [Headline("PSNR", f"{first.psnr.value:.1f}", "dB", interval)]
    if results.reading is not None:
        reading = results.reading
        detail = f"of {big(reading.scenes)} scenes; of the originals, {percent(reading.originals.value)} %"
        found.append(Headline("Read back exactly", percent(reading.painted.value), "%", detail))
    if results.use:
        whole = results.use[0]
        detail = f"{big(whole.dead)} of {big(results.vocabulary)} never occur"
        found.append(Headline("Codes in use", percent(whole.used), "%", detail))
    speed = f"{results.pictures_per_second:.1f}" if results.pictures_per_second < 100 else big(results.pictures_per_second)
    found.append(Headline("Speed", speed, "pictures/s", f"read and painted again, {results.batch} at a time"))
    return found


def write_reconstruction_page(page: str, path: Path) -> None:
    """Raises BadInput if the place cannot be written."""
    write_atomically(path, page.encode("utf-8", "replace"))
