"""Where the pictures of questions come from: results.json has none, so they are drawn again, or read from the data they were of.

A picture is shown only where it is certain that it is the one: the scene must still ask the same question, with the same
answer, at the same place. Each is written once, whatever models were asked about it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from omma.data.playground import SPLITS, WORLDS
from omma.data.sample import ImageSource
from omma.errors import OmmaError
from omma.evaluation import ItemResult
from omma.evaluation.report.gallery import small_png

Pictures = Callable[[ItemResult], Sequence[ImageSource]]
"""From a question to the pictures that it showed; none if they are not to be had."""

INDEX_DIGITS = 18


def playground_pictures(item: ItemResult) -> Sequence[ImageSource]:
    """The pictures of a question about a generated world, if this version of omma still asks it there."""
    place, _, number = item.id.rpartition("/")
    index = place.removeprefix(f"{item.world}/{item.split}/")
    if item.world not in WORLDS.names() or item.split not in SPLITS or place != f"{item.world}/{item.split}/{index}":
        return ()
    if not (_is_number(index) and _is_number(number)):
        return ()
    scene = WORLDS.get(item.world, where="board").Config().build().scene(item.split, int(index))
    if int(number) >= len(scene.questions) or len(scene.images) != item.pictures:
        return ()
    question = scene.questions[int(number)]
    return scene.images if (question.text.strip(), question.answer) == (item.question, item.answer) else ()


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= INDEX_DIGITS


class PictureFolder:
    """Small copies of pictures in a folder, named by what is in them."""

    def __init__(self, folder: Path, pictures: Pictures) -> None:
        self.folder, self.pictures = folder, pictures
        self._written: dict[str, tuple[str, int, int] | None] = {}

    def of(self, item: ItemResult) -> list[tuple[str, int, int]]:
        """(file name, width, height) of each picture of a question; empty if one of them is not to be had."""
        found = [self._small(source) for source in self.pictures(item)]
        return [] if None in found else [one for one in found if one is not None]

    def _small(self, source: ImageSource) -> tuple[str, int, int] | None:
        if source.key not in self._written:
            try:
                data, (width, height) = small_png(source.load())
            except (OmmaError, OSError):
                # A file that has gone or broken since: the question is shown without.
                self._written[source.key] = None
                return None
            name = f"{hashlib.blake2b(data, digest_size=12).hexdigest()}.png"
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_bytes(data)
            self._written[source.key] = (name, width, height)
        return self._written[source.key]
