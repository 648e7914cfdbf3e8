"""Layouts in integers: what comes after what, and which tokens show only padding."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.models.llava_next.modeling_llava_next import unpad_image

from omma.parts.resolution.layout import MapTokens, Mark, Text, ViewTokens, arrange, content_of, row_major

MARKS = ("newline", "separator")


def test_views_marks_and_text_in_their_order() -> None:
    layout = (ViewTokens(1), Mark("separator"), ViewTokens(0), Text(","), Mark("newline"))
    found = arrange(layout, 2, lambda view: ((1, 2), (2, 2))[view], MARKS)
    assert found.index.tolist() == [2, 3, 4, 5, -2, 0, 1, -1]
    assert found.runs == (7, ",", 1)
    assert found.tokens == 6 and len(found) == 8


def test_a_map_runs_across_its_views() -> None:
    layout = (MapTokens(row_major(2, 2), row_end="newline"),)
    found = arrange(layout, 4, lambda view: (1, 2), MARKS)
    assert found.index.reshape(2, 5).tolist() == [[0, 1, 2, 3, -1], [4, 5, 6, 7, -1]]


def test_a_map_whose_rows_end_with_text() -> None:
    layout = (Mark("separator"), MapTokens(row_major(1, 2), row_text="\n"), ViewTokens(2))
    found = arrange(layout, 3, lambda view: (2, 1), MARKS)
    assert found.index.tolist() == [-2, 0, 2, 1, 3, 4, 5]
    assert found.runs == (3, "\n", 2, "\n", 2) and found.tokens == 6


def test_a_view_that_is_joined_to_another_has_no_tokens() -> None:
    found = arrange((ViewTokens(0), ViewTokens(1)), 2, lambda view: ((2, 1), (0, 0))[view], ())
    assert found.index.tolist() == [0, 1]


@settings(max_examples=300, deadline=None)
@given(
    views=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    side=st.integers(1, 24),
    content=st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
)
def test_padding_is_left_out_as_in_transformers(
    views: tuple[int, int], side: int, content: tuple[int, int]
) -> None:
    rows, columns = views[0] * side, views[1] * side
    numbers = torch.arange(rows * columns).view(1, rows, columns)
    expected = unpad_image(numbers, (content[1], content[0]))[0]
    kept = numbers[0][content_of(rows, columns, content)]
    assert torch.equal(kept, expected)
    grid = MapTokens(row_major(*views), row_end="newline", content=content)
    arranged = arrange((grid,), views[0] * views[1], lambda view: (side, side), MARKS)
    assert len(arranged) == expected.shape[0] * (expected.shape[1] + 1)
    assert (arranged.index == -1).sum() == expected.shape[0]


@settings(max_examples=100, deadline=None)
@given(grids=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_every_token_stands_once(grids: list[tuple[int, int]], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(grids))
    found = arrange(tuple(ViewTokens(int(view)) for view in order), len(grids), lambda view: grids[view], ())
    assert sorted(found.index) == list(range(sum(rows * columns for rows, columns in grids)))
    assert found.runs == (found.tokens,)


def test_what_a_layout_must_not_ask_for() -> None:
    with pytest.raises(ValueError, match="a layout wants the mark 'line', but its strategy lists newline, separator"):
        arrange((Mark("line"),), 0, lambda view: (0, 0), MARKS)
    with pytest.raises(ValueError, match=r"a map of views needs equal grids, these have \[\(1, 2\), \(2, 2\)\]"):
        arrange((MapTokens(((0, 1),)),), 2, lambda view: ((1, 2), (2, 2))[view], MARKS)
