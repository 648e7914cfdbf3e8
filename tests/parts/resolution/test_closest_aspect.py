"""InternVL's grids: worked examples, and grid and pixels of transformers."""

from __future__ import annotations

import numpy as np
import pytest
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import (
    GotOcr2ImageProcessorPil,
    get_optimal_tiled_canvas,
)

from omma.errors import BadInput
from omma.parts.resolution.base import Size, cut
from omma.parts.resolution.closest_aspect import closest_grid
from omma.parts.resolution.layout import arrange
from parts.resolution.planning import SIZES, noise, pixels, planner, random_sizes, tokens

TILE = (16, 16)


@pytest.mark.parametrize(
    ("most", "size", "grid", "tiles"),
    [
        (most, size, *expected)
        for most, table in (
            (
                12,
                [
                    ((1, 1), 1), ((4, 3), 13), ((2, 3), 7), ((5, 1), 6),
                    ((4, 2), 9), ((2, 3), 7), ((5, 2), 11), ((1, 8), 9),
                ],
            ),
            (
                40,
                [
                    ((1, 1), 1), ((4, 3), 13), ((5, 8), 41), ((5, 1), 6),
                    ((7, 4), 29), ((5, 7), 36), ((10, 4), 41), ((1, 8), 9),
                ],
            ),
        )
        for size, expected in zip(SIZES, table, strict=True)
    ],
)  # fmt: skip
def test_worked_examples(most: int, size: Size, grid: Size, tiles: int) -> None:
    strategy = planner("closest-aspect", size=448, max_tiles=most)
    plan = strategy.plan(*size)
    assert plan.canvases[0].size == (448 * grid[0], 448 * grid[1])
    assert len(plan.views) == tiles
    assert tokens(strategy, size, TILE) == 256 * tiles


@pytest.mark.parametrize(
    ("size", "grid"),
    [
        ((448, 448), (1, 1)),
        ((500, 500), (1, 1)),
        ((700, 700), (2, 2)),
        ((1000, 1000), (3, 3)),
        ((1300, 1300), (3, 3)),
        ((700, 400), (2, 1)),
        ((1400, 800), (4, 2)),
        ((2800, 1600), (4, 2)),
    ],
)
def test_grids_of_one_shape(size: Size, grid: Size) -> None:
    assert closest_grid(*size, 448, 1, 12) == grid


@pytest.mark.parametrize(("least", "most"), [(1, 12), (2, 6), (1, 40)])
def test_grid_is_that_of_transformers(least: int, most: int) -> None:
    for width, height in random_sizes(10_000, seed=most):
        expected = get_optimal_tiled_canvas((height, width), (448, 448), least, most)
        assert closest_grid(width, height, 448, least, most) == expected, (width, height)


@pytest.mark.parametrize("size", [(40, 40), (300, 200), (200, 300), (500, 40), (1, 90)])
def test_pixels_are_those_of_transformers(size: Size) -> None:
    processor = GotOcr2ImageProcessorPil(
        crop_to_patches=True, size={"height": 32, "width": 32}, do_rescale=False, do_normalize=False
    )
    picture = noise(size)
    expected = processor(picture, return_tensors="np")["pixel_values"]
    found = pixels(cut(picture, planner("closest-aspect", size=32).plan(*size)))
    np.testing.assert_array_equal(found, expected)


def test_the_thumbnail_is_last_and_can_be_left_out() -> None:
    views = planner("closest-aspect", size=448).plan(640, 480).views
    assert [view.cell for view in views] == [(row, column) for row in range(3) for column in range(4)] + [None]
    assert len(planner("closest-aspect", size=448, thumbnail=False).plan(640, 480).views) == 12


def test_a_single_tile_is_the_whole_picture() -> None:
    (view,) = planner("closest-aspect", size=448).plan(448, 448).views
    assert view.cell is None


def test_fewest_and_most_tiles_in_order() -> None:
    with pytest.raises(BadInput, match="min_tiles of at most max_tiles, 7 is more than 6"):
        planner("closest-aspect", size=448, min_tiles=7, max_tiles=6)


def test_a_frame_stands_around_all_tiles() -> None:
    framed = planner("closest-aspect", size=448, frame=("<img>", "</img>"))
    plan = framed.plan(640, 480)
    runs = arrange(plan.layout, len(plan.views), lambda view: (16, 16), framed.marks).runs
    assert runs == ("<img>", 13 * 256, "</img>")
    assert tokens(framed, (640, 480), (16, 16)) == 13 * 256
