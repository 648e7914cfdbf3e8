"""What holds for every resolution strategy, whatever the picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omma.errors import BadInput
from omma.parts.resolution import RESOLUTIONS, cut
from omma.parts.resolution.base import Plan, Resolution
from omma.parts.resolution.layout import MapTokens, ViewTokens, arrange
from parts.resolution.planning import marks_in, noise, planner

CANVASES = [(8, 16), (16, 8), (16, 16), (24, 8), (8, 24), (8, 8)]
STRATEGIES: dict[str, dict[str, Any]] = {
    "stretch-square": {"size": 8},
    "pad-square": {"size": 8},
    "crop-square": {"size": 8},
    "fit-square": {"size": 8},
    "anyres": {"canvases": CANVASES, "size": 8},
    "closest-aspect": {"size": 8},
    "windows": {"canvas": (16, 24), "size": 8},
    "iou-grid": {"size": 8},
    "slices": {"size": 12, "patch": 2},
    "padded-grid": {"size": 8, "max_tiles": 9},
    "two-branches": {"sizes": (24, 8), "fit": "pad"},
    "native": {"most": (96, 54), "patch": 3},
    "keep-ratio": {"size": 32, "patch": 4},
    "pixel-budget": {
        "least": 600, "most": 2000, "patch": 4, "opening": "{rows}*{columns}", "row_end": "\n", "closing": "."
    },
}
SHOW_ALL = [name for name in STRATEGIES if name != "crop-square"]
SIDES = st.one_of(st.integers(1, 400), st.integers(1, 20_000))
THIN = [(1, 20_000), (20_000, 1), (1, 1)]


def built(name: str) -> Resolution:
    return planner(name, **STRATEGIES[name])


def test_every_strategy_is_here() -> None:
    ours = [n for n in RESOLUTIONS.names() if RESOLUTIONS.get(n, where="").__module__.startswith("omma.")]
    assert sorted(STRATEGIES) == ours


def check(strategy: Resolution, plan: Plan, *, covers: bool) -> None:
    cells = [(view.canvas, view.branch, view.cell) for view in plan.views]
    assert len(set(cells)) == len(cells), "cells are unique"
    for number, canvas in enumerate(plan.canvases):
        assert min(*canvas.content, *canvas.size) > 0
        assert canvas.source is None or canvas.source < number, "of a canvas before"
        views = [view for view in plan.views if view.canvas == number]
        shown = np.zeros((canvas.size[1], canvas.size[0]), int)
        for view in views:
            left, top, right, bottom = view.box
            assert 0 <= left < right <= canvas.size[0] and 0 <= top < bottom <= canvas.size[1], "within its canvas"
            assert view.cell is not None or view.box == (0, 0, *canvas.size), "whole"
            shown[top:bottom, left:right] += 1
        assert (shown == 1).all() if views else shown.sum() == 0, "every pixel of the canvas once"
        if covers:
            (dx, dy), (width, height) = canvas.offset, canvas.content
            assert dx >= 0 and dy >= 0 and dx + width <= canvas.size[0] and dy + height <= canvas.size[1]
            # A view's region of the picture, back through the canvas it was cut from.
            regions = [plan.region_of(view) for view, one in enumerate(plan.views) if one.canvas == number]
            edges = np.array(regions)
            slack = 1e-6 * max(plan.image)
            assert (edges[:, :2].min(0) <= slack).all() and (edges[:, 2:].max(0) >= np.array(plan.image) - slack).all()
    assert marks_in(plan.layout) <= set(strategy.marks)


@pytest.mark.parametrize("name", STRATEGIES)
@settings(max_examples=60, deadline=None)
@given(width=SIDES, height=SIDES)
def test_views_cover_their_canvases_and_the_picture(name: str, width: int, height: int) -> None:
    strategy = built(name)
    plan = strategy.plan(width, height)
    assert plan.image == (width, height)
    check(strategy, plan, covers=name in SHOW_ALL)
    assert plan == built(name).plan(width, height) and hash(plan) == hash(strategy.plan(width, height))


@pytest.mark.parametrize("name", STRATEGIES)
@settings(max_examples=30, deadline=None)
@given(width=SIDES, height=SIDES)
def test_every_token_stands_once(name: str, width: int, height: int) -> None:
    strategy = built(name)
    plan = strategy.plan(width, height)
    found = arrange(plan.layout, len(plan.views), lambda view: (2, 3), strategy.marks)
    kept = found.index[found.index >= 0].tolist()
    assert len(set(kept)) == len(kept)
    if name != "anyres":  # which leaves out tokens of padding
        assert sorted(kept) == list(range(6 * len(plan.views)))


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("size", THIN)
def test_the_thinnest_pictures_can_be_cut(name: str, size: tuple[int, int]) -> None:
    strategy = built(name)
    if name == "pad-square":
        size = (min(size[0], 2000), min(size[1], 2000))  # which paints the square before it makes it small
    plan = strategy.plan(*size)
    check(strategy, plan, covers=name in SHOW_ALL)
    assert [view.size for view in cut(noise(size), plan)] == [view.size for view in plan.views]


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_layout_names_every_view(name: str) -> None:
    layout = built(name).plan(130, 70).layout
    named = [item.view for item in layout if isinstance(item, ViewTokens)]
    named += [view for item in layout if isinstance(item, MapTokens) for row in item.views for view in row]
    assert sorted(named) == list(range(len(built(name).plan(130, 70).views)))


@pytest.mark.parametrize("name", STRATEGIES)
@settings(max_examples=40, deadline=None)
@given(patch=st.integers(1, 40), width=SIDES, height=SIDES)
def test_what_it_is_told_to_change_makes_whole_patches(name: str, patch: int, width: int, height: int) -> None:
    changes = built(name).for_patches(patch)
    assert ("patch" in STRATEGIES[name]) == bool(changes)
    suited = planner(name, **(STRATEGIES[name] | changes))
    assert suited.for_patches(patch) == changes, "nothing is left to change"
    if changes:
        assert all(side % patch == 0 for view in suited.plan(width, height).views for side in view.size)
        assert abs(changes["patch"] - STRATEGIES[name]["patch"]) <= max(patch // 2, patch - STRATEGIES[name]["patch"]), "the nearest"


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("size", [(0, 5), (5, 0), (-1, 5)])
def test_a_picture_has_positive_sides(name: str, size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"a picture needs positive sides, this one has {size[0]}x{size[1]}"):
        built(name).plan(*size)


@pytest.mark.parametrize(
    ("name", "field"),
    [(name, field) for name, fields in STRATEGIES.items() for field, value in fields.items() if not isinstance(value, str)],
)
def test_sizes_are_positive(name: str, field: str) -> None:
    value = STRATEGIES[name][field]
    wrong = 0 if isinstance(value, int) else [(0, 8)] if field == "canvases" else (0, 8)
    with pytest.raises(BadInput, match=rf"resolution\.{field}.*greater than 0"):
        planner(name, **(STRATEGIES[name] | {field: wrong}))
