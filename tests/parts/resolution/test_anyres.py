"""LLaVA-NeXT's canvases: worked examples, and canvas, tokens, order and pixels of transformers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers.image_processing_utils import select_best_resolution
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.llava_next.modeling_llava_next import LlavaNextModel
from transformers.models.llava_next.processing_llava_next import LlavaNextProcessor

from omma.errors import BadInput
from omma.parts.resolution.anyres import best_canvas
from omma.parts.resolution.base import Size, cut
from omma.parts.resolution.layout import arrange
from parts.resolution.planning import SIZES, noise, pixels, planner, random_sizes, tokens

CANVASES = ((336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008))
TRANSPOSED = tuple((height, width) for width, height in CANVASES)
"""In the order in which transformers reads the same numbers, as heights and widths."""
TILES = (24, 24)


@pytest.mark.parametrize(
    ("size", "canvas", "kept", "total"),
    [
        (size, *expected)
        for size, expected in zip(
            SIZES,
            [
                ((336, 672), (24, 24), 1176),
                ((672, 672), (36, 48), 2340),
                ((672, 672), (48, 30), 2064),
                ((1008, 336), (14, 72), 1598),
                ((672, 672), (28, 48), 1948),
                ((672, 672), (48, 34), 2256),
                ((1008, 336), (24, 60), 2040),
                ((336, 1008), (72, 10), 1368),
            ],
            strict=True,
        )
    ],
)
def test_worked_examples(size: Size, canvas: Size, kept: tuple[int, int], total: int) -> None:
    strategy = planner("anyres", canvases=CANVASES, size=336)
    plan = strategy.plan(*size)
    assert plan.canvases[1].size == canvas
    found = arrange(plan.layout, len(plan.views), lambda view: TILES, strategy.marks)
    assert len(found) == total == 576 + kept[0] * (kept[1] + 1)
    assert (found.index == -1).sum() == kept[0], "one mark behind each row"
    assert found.index[:576].tolist() == list(range(576)), "the whole picture comes first"


def test_canvas_and_tokens_are_those_of_transformers() -> None:
    theirs: Any = object.__new__(LlavaNextProcessor)
    theirs.image_processor = SimpleNamespace(image_grid_pinpoints=CANVASES)
    theirs.patch_size, theirs.num_additional_image_tokens = 14, 0
    strategy = planner("anyres", canvases=CANVASES, size=336)
    swapped = planner("anyres", canvases=TRANSPOSED, size=336)
    for width, height in random_sizes(10_000, longest=9999):
        rows, columns = select_best_resolution((height, width), list(CANVASES))
        assert best_canvas(width, height, TRANSPOSED) == (columns, rows)
        expected = theirs._get_number_of_features(height, width, 336, 336)
        assert tokens(swapped, (width, height), TILES) == expected, (width, height)
        # In the order of the original, what fits as well into a canvas as into its transpose takes the other of both.
        if width == height:
            assert tokens(strategy, (width, height), TILES) == expected, (width, height)
        else:
            assert best_canvas(width, height, CANVASES) in ((columns, rows), (rows, columns))


def test_order_is_that_of_transformers() -> None:
    settings = SimpleNamespace(
        vision_config=SimpleNamespace(image_size=28, patch_size=7),
        image_grid_pinpoints=[[28, 56], [56, 28], [56, 56], [84, 28], [28, 28]],
    )
    canvases = [(width, height) for height, width in settings.image_grid_pinpoints]
    strategy = planner("anyres", canvases=canvases, size=28)
    for width, height in random_sizes(300, longest=300, seed=1):
        plan = strategy.plan(width, height)
        numbers = torch.arange(len(plan.views) * 16.0).view(len(plan.views), 16, 1)
        (expected,), _ = LlavaNextModel.pack_image_features(
            SimpleNamespace(config=settings), [numbers], torch.tensor([[height, width]]), "full", torch.tensor([-1.0])
        )
        found = arrange(plan.layout, len(plan.views), lambda view: (4, 4), strategy.marks)
        assert found.index.tolist() == expected.flatten().tolist(), (width, height)


@pytest.mark.parametrize("size", [(336, 336), (640, 480), (211, 503), (900, 100), (1, 40), (57, 1)])
def test_pixels_are_those_of_transformers(size: Size) -> None:
    processor = LlavaNextImageProcessorPil(
        image_grid_pinpoints=[[side // 6 for side in canvas] for canvas in CANVASES],
        size={"shortest_edge": 56},
        crop_size={"height": 56, "width": 56},
        do_rescale=False,
        do_normalize=False,
    )
    picture = noise(size)
    expected = processor(picture, return_tensors="np")["pixel_values"][0]
    strategy = planner("anyres", canvases=[(w // 6, h // 6) for w, h in TRANSPOSED], size=56)
    found = pixels(cut(picture, strategy.plan(*size), fill=(9, 9, 9)))
    np.testing.assert_array_equal(found, expected)


def test_a_canvas_of_one_tile_has_a_map_too() -> None:
    strategy = planner("anyres", canvases=[(28, 28)], size=28)
    plan = strategy.plan(28, 28)
    assert len(plan.views) == 2 and plan.views[0].cell is None and plan.views[1].cell == (0, 0)
    assert tokens(strategy, (28, 28), (4, 4)) == 16 + 4 * 5


def test_a_canvas_is_whole_tiles() -> None:
    with pytest.raises(BadInput, match="canvases of whole tiles of 336 pixels, 500x336 is none"):
        planner("anyres", canvases=[(500, 336)], size=336)
    with pytest.raises(BadInput, match=r"resolution\.canvases"):
        planner("anyres", canvases=[], size=336)
