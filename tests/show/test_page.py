"""What is drawn is what was planned: rectangles, grids and counts, on pages that need nobody else."""

from __future__ import annotations

import base64
import io
import re
from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from omma.data.images import MemoryImage
from omma.evaluation.report.pictures import data_uri
from omma.model.pixels import views_uint8
from omma.show import Cutting, Shown, comparison_page, cutting_of, drawing_of, recipe_page
from parts.resolution.planning import noise
from parts.resolution.test_strategies import STRATEGIES
from show.pages import PLACED, WITHOUT_PLACES, Page, parts_for

HOSTILE = "<script>alert(1)</script>\"' onload=alert(2) </style>{{ 7*7 }}.png"
SIDES = st.integers(1, 200)
close = partial(pytest.approx, rel=1e-9, abs=1e-6)


def shown(
    strategy: str, size: tuple[int, int], projector: dict[str, Any] = PLACED, key: str = "one", /, **told: str
) -> Shown:
    resolution, parts = parts_for(strategy, projector)
    cutting = cutting_of(resolution, parts, size)
    encoder: Any = parts["encoder"]
    pixels = views_uint8(MemoryImage(noise(size), key="noise"), cutting.plan, encoder.normalizations)
    texts = {"name": strategy, "about": "As tested.", "strategy": strategy, "settings": "", "published": ""} | told
    drawing = drawing_of(cutting, pixels, prefix=key, longest=400)
    return Shown(**texts, parameters=1, cutting=cutting, drawing=drawing, key=key)


def in_order(boxes: Iterable[tuple[float, ...]]) -> list[tuple[float, ...]]:
    return sorted(boxes, key=lambda box: [round(edge, 3) for edge in box])


def page_of(one: Shown) -> Page:
    return Page(recipe_page(one, "debug", noise(one.cutting.plan.image), "noise.png"))


@pytest.mark.parametrize("name", STRATEGIES)
@settings(max_examples=8, deadline=None)
@given(width=SIDES, height=SIDES)
def test_the_page_of_a_recipe_draws_the_plan(name: str, width: int, height: int) -> None:
    one = shown(name, (width, height))
    page = page_of(one)
    page.check_self_contained()
    assert page.tokens == one.cutting.tokens
    total = re.search(r"Image tokens\s+([\d,]+)", page.text)
    assert total and total[1].replace(",", "") == str(one.cutting.tokens)
    plan = one.cutting.plan
    regions = {plan.region_of(number) for number in range(len(plan.views))}
    np.testing.assert_allclose(in_order(page.rectangles("region")), in_order(regions), rtol=1e-9, atol=1e-6)
    # Views are drawn on their canvases, and again, in tokens, in the sequence.
    on_canvases = [view.outline for canvas in one.drawing.canvases for view in canvas.views]
    boxes = Counter((o.x, o.y, o.x + o.width, o.y + o.height) for o in on_canvases)
    assert boxes == Counter(view.box for view in plan.views)
    assert not boxes - Counter(page.rectangles("view"))


@pytest.mark.parametrize("name", STRATEGIES)
def test_pages_without_places(name: str) -> None:
    if name == "anyres":
        return  # which leaves out rows and columns
    one = shown(name, (150, 90), WITHOUT_PLACES)
    page = page_of(one)
    page.check_self_contained()
    assert page.tokens == one.cutting.tokens
    dots = sum((attributes["d"] or "").count("z") for attributes in page.of_class("dots"))
    ends = sum(piece.ends for piece in one.cutting.pieces)
    tags = len(page.of_class("learned"))
    assert dots == one.cutting.tokens - tags, "every token is drawn"
    assert "of no single place" in page.text or ends


@pytest.mark.parametrize("name", STRATEGIES)
@settings(max_examples=10, deadline=None)
@given(width=SIDES, height=SIDES)
def test_blocks_are_as_large_as_their_tokens(name: str, width: int, height: int) -> None:
    one = shown(name, (width, height))
    views = {view.number: view for view in one.cutting.views}
    for block in one.drawing.blocks:
        piece = block.piece
        if block.canvas is None:
            assert piece.kind in ("mark", "text")
            continue
        rows, columns = piece.grid
        assert rows * columns + piece.ends == piece.tokens
        assert block.height == rows and columns <= block.width <= columns + 2
        assert block.dots.count("z") == piece.ends
        # The crop shows as many tokens as there are, in the size that the views have them.
        first = views[piece.views[0][0]]
        x, y = first.size[0] / first.grid[1], first.size[1] / first.grid[0]
        left, top, right, bottom = block.crop
        assert ((right - left) / x, (bottom - top) / y) == close((columns, rows))
        assert sum(o.width * o.height for o in block.outlines) == close(rows * columns), "every token is some view's"


@pytest.mark.parametrize("size", [(100, 20), (20, 100), (100, 30), (37, 64), (1, 90)])
def test_kept_and_dropped_tokens_fill_the_grid(size: tuple[int, int]) -> None:
    one = shown("anyres", size)
    for view in (view for canvas in one.drawing.canvases for view in canvas.views):
        rows, columns = view.seen.grid
        token = view.seen.size[0] * view.seen.size[1] / (rows * columns)
        dropped = sum(strip.width * strip.height for strip in view.dropped) / token
        assert dropped + view.seen.tokens == close(rows * columns)
    assert one.drawing.dropped == (one.cutting.tokens < len(one.cutting.views) * 16)


def covered(strips: Any, width: int, height: int) -> np.ndarray:
    mask = np.zeros((height, width), int)
    for strip in strips:
        left, top = round(strip.x), round(strip.y)
        mask[top : round(strip.y + strip.height), left : round(strip.x + strip.width)] += 1
    return mask


@pytest.mark.parametrize(
    ("name", "size"), [("pad-square", (64, 16)), ("anyres", (100, 20)), ("native", (40, 35)), ("padded-grid", (90, 50))]
)
def test_what_is_hatched_is_what_holds_no_picture(name: str, size: tuple[int, int]) -> None:
    resolution, parts = parts_for(name)
    cutting: Cutting = cutting_of(resolution, parts, size)
    encoder: Any = parts["encoder"]
    white = MemoryImage(Image.new("RGB", size, (255, 0, 255)), key="magenta")
    drawing = drawing_of(cutting, views_uint8(white, cutting.plan, encoder.normalizations), prefix="p", longest=4000)
    seen = 0
    for canvas in drawing.canvases:
        painted = np.asarray(
            Image.open(io.BytesIO(base64.b64decode(canvas.picture.partition(",")[2]))).convert("RGB")
        ).astype(int)
        picture = np.abs(painted - (255, 0, 255)).max(2) < 90
        hatched = covered(canvas.padding, canvas.width, canvas.height)
        assert hatched.max(initial=0) <= 1
        # Edges of the resized picture may be off by a pixel.
        assert ((hatched == 0) != picture).mean() <= 1.5 * (1 / canvas.width + 1 / canvas.height)
        seen += int(hatched.sum())
    assert seen > 0 and drawing.picture.padded


def test_what_a_crop_loses_is_said() -> None:
    one = shown("crop-square", (64, 16))
    page = page_of(one)
    assert one.drawing.picture.unseen and not one.drawing.picture.padded
    assert len(page.of_class("unseen")) == 1 and "not in any view" in page.text
    assert "A part of the picture at 8 × 8" in page.text
    whole = page_of(shown("stretch-square", (64, 16)))
    assert not whole.of_class("unseen") and "The whole picture at 8 × 8; 4 × 4 tokens." in whole.text


def test_commas_and_newlines_stand_between_slices() -> None:
    page = page_of(shown("slices", (24, 24)))
    assert re.findall(r"\d+|,|⏎", re.sub(r"\s", " ", page.text.partition("area is tokens.")[2].partition("Piece by")[0])) == [
        "36", ",", "36", "⏎", "36", ",", "36", "⏎", "36",
    ]  # fmt: skip
    assert len(page.of_class("break")) == 2


def test_the_comparison_has_few_tokens_first() -> None:
    size = (150, 90)
    systems = [shown(name, size, PLACED, f"s{number}-") for number, name in enumerate(STRATEGIES)]
    page = Page(comparison_page(systems, noise(size), "noise.png"))
    page.check_self_contained()
    order = [attributes["href"] or "" for attributes in page.of_class("rank")]
    counts = [next(s.cutting.tokens for s in systems if f"#{s.key}" == key) for key in order]
    assert counts == sorted(counts) and len(counts) == len(STRATEGIES)
    assert page.tokens == sum(counts)
    assert [f"#{attributes['id']}" for attributes in page.of_class("system")] == order
    regions = sum(len({view.region for view in one.cutting.views}) for one in systems)
    assert len(page.rectangles("region")) == regions


def test_nothing_that_anybody_wrote_becomes_markup() -> None:
    picture = noise((50, 30))
    told = dict.fromkeys(("name", "about", "strategy", "settings", "published"), HOSTILE)
    plain, hostile = shown("anyres", picture.size), shown("anyres", picture.size, **told)
    for expected, html in (
        (recipe_page(plain, "debug", picture, "p.png"), recipe_page(hostile, HOSTILE, picture, HOSTILE)),
        (comparison_page([plain], picture, "p.png"), comparison_page([hostile], picture, HOSTILE)),
    ):
        page = Page(html)
        page.check_self_contained()
        assert {tag for tag, _ in page.tags} <= {tag for tag, _ in Page(expected).tags} | {"span"}
        assert not [a for _, a in page.tags if any(name.startswith("on") for name in a)]
        assert "{{ 7*7 }}" in page.text


def test_pictures_are_embedded_exactly_or_small() -> None:
    def read(uri: str) -> Image.Image:
        return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))

    flat = Image.new("RGB", (300, 200), (1, 2, 3))
    assert read(data_uri(flat, 400)).format == "PNG"
    assert np.array_equal(np.asarray(read(data_uri(flat, 400)).convert("RGB")), np.asarray(flat))
    photograph = read(data_uri(noise((600, 300)), 400))
    assert (photograph.format, photograph.size) == ("JPEG", (400, 200))
