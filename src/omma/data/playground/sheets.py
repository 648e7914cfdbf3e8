"""The sheets world: a printed page and a chart on one large sheet, each as large as in its own world.

Shown whole to an encoder of a small fixed size, their print is too small to be read; whoever cuts the sheet into views that
keep its pixels reads it as well as on a page of its own. It is what resolution strategies are compared on.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

from PIL import Image

from omma.data.playground.base import WORLDS, DrawnImage, Question, Scene, Split, World, scene_random
from omma.data.playground.charts import Charts
from omma.data.playground.documents import Documents
from omma.data.sample import Box, ImageSource

PAGE_KINDS = frozenset({"read", "field", "locate", "cell", "compare"})
CHART_KINDS = frozenset({"value", "lookup", "order", "extreme", "compare", "is_more", "difference", "sum", "color", "threshold"})
"""Kinds of questions that make sense where something else stands on the sheet, too."""

OF_BOTH = frozenset({"name", "color", "number"})
"""What charts have, too: a question about it has to say that the page is meant."""

SMALLEST_GAP, LARGEST_GAP = 8, 40
BORDER = 6
"""Pixels between both, and around them."""

PAPERS = ((244, 243, 239), (232, 236, 241), (214, 209, 198), (196, 203, 196), (92, 96, 104), (60, 58, 66))


@dataclass(frozen=True, slots=True)
class Sheet:
    """Pictures at their places on paper of one colour (an `omma.data.sample.ImageSource`).

    Attributes:
        size: (width, height).
        corners: (left, top) of each picture.
    """

    key: str
    size: tuple[int, int]
    images: tuple[ImageSource, ...]
    corners: tuple[tuple[int, int], ...]
    paper: tuple[int, int, int]

    def load(self) -> Image.Image:
        sheet = Image.new("RGB", self.size, self.paper)
        for image, corner in zip(self.images, self.corners, strict=True):
            sheet.paste(image.load().convert("RGB"), corner)
        return sheet


@WORLDS.register("sheets")
class Sheets(World):
    """Large sheets with a page of *documents* and a chart of *charts*, those of the same split and index."""

    name = "sheets"

    def __init__(self, config: World.Config) -> None:
        super().__init__(config)
        self.pages, self.charts = Documents.Config().build(), Charts.Config().build()

    def scene(self, split: Split, index: int) -> Scene:
        page, chart = self.pages.scene(split, index), self.charts.scene(split, index)
        rng = scene_random(self.name, split, index)
        both = [page, chart] if rng.random() < 0.5 else [chart, page]
        size, corners = _arranged(rng, [scene.images[0].size for scene in both])
        images = tuple(scene.images[0] for scene in both)
        sheet = Sheet(f"playground/1/sheets/{split}/{index}/0", size, images, corners, rng.choice(PAPERS))
        asked = [*_of_the_page(page, chart), *_of_the_chart(chart, page)]
        rng.shuffle(asked)
        placed = list(zip(both, corners, strict=True))
        return Scene(
            id=f"{self.name}/{split}/{index}",
            images=(DrawnImage(sheet.key, sheet.size, sheet.load),),
            caption=f"a sheet with {page.caption} and {chart.caption}",
            description="\n".join(scene.description for scene in both),
            questions=tuple({question.text: question for question in asked}.values()),
            boxes=tuple(box for scene, corner in placed for box in _moved(scene.boxes, corner)),
            words=tuple(box for scene, corner in placed for box in _moved(scene.words, corner)),
            facts={"page": page.facts, "chart": chart.facts},
        )


def _arranged(rng: random.Random, sizes: list[tuple[int, int]]) -> tuple[tuple[int, int], tuple[tuple[int, int], ...]]:
    """The size of the sheet, and the corners of both pictures: side by side, one above the other, or cater-cornered."""
    (first_width, first_height), (second_width, second_height) = sizes
    gap = rng.randint(SMALLEST_GAP, LARGEST_GAP)
    how = rng.choices(("beside", "above", "across"), (9, 9, 2))[0]
    right, below = (first_width + gap, 0) if how == "beside" else (0, first_height + gap)
    if how == "across":
        right, below = first_width + gap // 2, first_height + gap // 2
    width, height = max(first_width, right + second_width), max(first_height, below + second_height)

    # What is narrower than the sheet lies anywhere on its other axis.
    x = rng.randint(0, width - first_width) if how == "above" else 0
    y = rng.randint(0, height - first_height) if how == "beside" else 0
    second_x = right or rng.randint(0, width - second_width)
    second_y = below or rng.randint(0, height - second_height)
    corners = (x + BORDER, y + BORDER), (second_x + BORDER, second_y + BORDER)
    return (width + 2 * BORDER, height + 2 * BORDER), corners


def _moved(boxes: Iterable[Box], corner: tuple[int, int]) -> Iterable[Box]:
    left, top = corner
    for box in boxes:
        characters = tuple((x + left, y + top) for x, y in box.characters)
        yield Box(box.left + left, box.top + top, box.right + left, box.bottom + top, box.label, characters)


def _of_the_page(page: Scene, chart: Scene) -> list[Question]:
    """Questions that are about the page whatever else lies on the sheet."""
    on_both, called = _printed(page) & _printed(chart), page.facts["kind"].split()[-1]

    def is_clear(question: Question) -> bool:
        words = _words(question.text)
        # "The fourth line" may be one of the chart's.
        needs_name = question.kind == "read" or not words.isdisjoint(OF_BOTH)
        return words.isdisjoint(on_both) and (called in words or not needs_name)

    return [question for question in page.questions if question.kind in PAGE_KINDS and is_clear(question)]


def _of_the_chart(chart: Scene, page: Scene) -> list[Question]:
    on_both = _printed(page) & _printed(chart)
    return [q for q in chart.questions if q.kind in CHART_KINDS and _words(q.text).isdisjoint(on_both)]


def _printed(scene: Scene) -> set[str]:
    """Everything that is printed in a scene, word by word."""
    return {word for box in scene.words for word in _words(box.label or "")}


def _words(text: str) -> set[str]:
    return {word.strip(".,:;?!/()%$") for word in text.lower().split()} - {""}
