"""Counts of views, pieces and sequences are those of the model's own arranger, whatever the picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omma.errors import BadInput
from omma.model.views import Arranger
from omma.parts.resolution.layout import MapTokens, ViewTokens
from omma.show import cutting_of
from parts.resolution.test_strategies import STRATEGIES
from show.pages import PLACED, WITHOUT_PLACES, parts_for

SIDES = st.one_of(st.integers(1, 400), st.integers(1, 6_000))


@pytest.mark.parametrize("projector", [PLACED, WITHOUT_PLACES], ids=["placed", "queries"])
@pytest.mark.parametrize("name", STRATEGIES)
@settings(max_examples=12, deadline=None)
@given(width=SIDES, height=SIDES)
def test_counts_are_the_arranger_s(name: str, projector: dict[str, Any], width: int, height: int) -> None:
    if name == "anyres" and projector is WITHOUT_PLACES:
        return  # rows of queries cannot be left out with the padding
    resolution, parts = parts_for(name, projector)
    found = cutting_of(resolution, parts, (width, height))
    plan, arrangement = Arranger(resolution, *(parts[part] for part in ("encoder", "projector"))).of((width, height))  # type: ignore[arg-type]
    assert found.plan == plan
    assert found.tokens == len(arrangement) == sum(piece.tokens for piece in found.pieces)
    assert found.texts == sum(isinstance(run, str) for run in arrangement.runs)
    marks = sum(piece.ends + (piece.kind == "mark") for piece in found.pieces)
    assert marks == (arrangement.index < 0).sum()
    assert sum(view.tokens for view in found.views) == len(arrangement) - marks
    runs: list[int | str] = []
    for piece in found.pieces:
        if piece.kind == "text":
            runs.append(piece.words)
        elif piece.breaks:
            assert piece.breaks == piece.grid[0]
            runs += [piece.grid[1], piece.words] * piece.breaks
        elif runs and isinstance(runs[-1], int):
            runs[-1] += piece.tokens
        else:
            runs.append(piece.tokens)
    assert tuple(runs) == arrangement.runs, "in the order of the sequence"
    for view, planned in zip(found.views, plan.views, strict=True):
        assert (view.canvas, view.box, view.cell) == (planned.canvas, planned.box, planned.cell)
        assert view.region == plan.region_of(view.number - 1)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_view_of_the_layout_is_in_one_piece(name: str) -> None:
    resolution, parts = parts_for(name)
    found = cutting_of(resolution, parts, (130, 70))
    named = [number for piece in found.pieces for row in piece.views for number in row]
    assert sorted(named) == [view.number for view in found.views]
    kinds = [piece.kind for piece in found.pieces]
    maps = sum(isinstance(item, MapTokens) for item in found.plan.layout)
    assert kinds.count("map") == maps and kinds.count("view") == sum(
        isinstance(item, ViewTokens) for item in found.plan.layout
    )


def test_tokens_of_padding_are_left_out_of_views_as_of_the_sequence() -> None:
    resolution, parts = parts_for("anyres")
    # On 24 x 8 pixels in three tiles, that is 12 x 4 tokens; 12 x 20 / 100 = 2.4 rows show the picture.
    found = cutting_of(resolution, parts, (100, 20))
    whole, local = found.pieces
    assert whole.tokens == 16
    assert (local.grid, local.kept, local.tokens) == ((2, 12), (0, 1, 12, 3), 2 * 13)
    assert [view.kept for view in found.views] == [(0, 0, 4, 4), *[(0, 1, 4, 3)] * 3]
    enters = np.zeros(found.arrangement.tokens, bool)
    enters[found.arrangement.index[found.arrangement.index >= 0]] = True
    assert enters.sum() == sum(view.tokens for view in found.views)


def test_queries_have_no_places_and_squares_do() -> None:
    _, parts = parts_for("keep-ratio")
    resolution, queries = parts_for("keep-ratio", WITHOUT_PLACES)
    assert all(view.placed for view in cutting_of(resolution, parts, (40, 30)).views)
    assert not any(view.placed for view in cutting_of(resolution, queries, (40, 30)).views)
    # One row of patches is one row of places.
    (strip,) = cutting_of(resolution, parts, (4000, 30)).views
    assert strip.grid[0] == 1 and strip.placed


def test_detail_is_pixels_for_pixels() -> None:
    resolution, parts = parts_for("pad-square")
    assert cutting_of(resolution, parts, (64, 16)).detail == 8 / 64
    resolution, parts = parts_for("stretch-square")
    assert cutting_of(resolution, parts, (64, 16)).detail == pytest.approx((8 / 64 * 8 / 16) ** 0.5)


def test_parts_that_do_not_go_together_are_refused() -> None:
    resolution, _ = parts_for("two-branches")
    _, parts = parts_for("pad-square")
    with pytest.raises(BadInput, match="views for as many encoders as there are, 1"):
        cutting_of(resolution, parts, (30, 30))
    resolution, parts = parts_for("anyres", WITHOUT_PLACES)
    with pytest.raises(BadInput, match="tokens stand for places of a view"):
        cutting_of(resolution, parts, (30, 30))
