"""What the prompt reserves for a picture is what encoder, projector and placing make of it: for every strategy, whatever the
picture's size. At published sizes parts run on the meta device, where nothing costs more for being large."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from omma.errors import BadInput
from omma.model.views import Arranger, encode, place, project, shapes_of
from omma.parts.encoders import ENCODERS
from omma.parts.projectors import PROJECTORS
from omma.parts.resolution import Resolution
from omma.parts.resolution.base import Size
from parts.resolution.planning import planner
from parts.resolution.test_strategies import STRATEGIES

PUBLISHED: dict[str, tuple[dict[str, Any], int]] = {
    "stretch-square": ({"size": 384}, 14),
    "pad-square": ({"size": 336}, 14),
    "crop-square": ({"size": 224}, 14),
    "fit-square": ({"size": 384}, 16),
    "anyres": ({"canvases": [(336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008)], "size": 336}, 14),
    "closest-aspect": ({"size": 448}, 14),
    "windows": ({"canvas": (896, 896), "size": 448}, 14),
    "iou-grid": ({"size": 224}, 14),
    "slices": ({"size": 336, "patch": 14}, 14),
    "padded-grid": ({"size": 336, "max_tiles": 55}, 14),
    "two-branches": ({"sizes": (1024, 384), "fit": "pad"}, 16),
    "native": ({"patch": 30}, 30),
    "keep-ratio": ({"size": 1024, "patch": 16}, 16),
    "pixel-budget": ({"patch": 8}, 8),
}
"""Settings of published systems and the side of their encoders' patches; the last one is of none."""

LONGEST = 10_000
# As many small as large, and the corners.
SIDES = st.one_of(st.integers(1, 60), st.integers(1, 1000), st.integers(1, LONGEST))
CORNERS = [(1, 1), (1, LONGEST), (LONGEST, 1), (LONGEST, LONGEST)]

SIDE = {"native": 3, "keep-ratio": 4, "pixel-budget": 4}
"""Of patches that suit the strategies of `STRATEGIES`; 2 for the others."""
PROJECTOR_KINDS: dict[str, dict[str, Any]] = {
    "linear": {"type": "linear"},
    "merged": {"type": "pixel-shuffle", "factor": 2},
    "square": {"type": "resampler", "queries": 4},
    "latents": {"type": "perceiver", "latents": 5, "depth": 1, "heads": 2, "head_width": 4},
}
ENCODER_KINDS = ("patches", "places", "with CLS", "registers dropped")
FITTING = {
    ("anyres", "square"): False,
    ("anyres", "latents"): False,
    ("slices", "merged"): False,
    ("native", "merged"): False,
    ("keep-ratio", "merged"): False,
    ("pixel-budget", "merged"): False,
}
"""Strategies and projectors that are not for each other; every other pair fits behind features of places alone."""


def encoder_of(kind: str, patch: int, branches: int = 1) -> dict[str, Any]:
    """An encoder whose own views have four patches a side."""
    if branches > 1:
        return {"type": "side-by-side", "encoders": [encoder_of(kind, patch)] * branches, "join": "sequence"}
    if kind == "patches":
        return {"type": "patches", "patch": patch}
    sizes = {"image_size": 4 * patch, "patch_size": patch, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    if kind == "registers dropped":
        architecture = {"model_type": "dinov2_with_registers", **sizes, "mlp_ratio": 1, "num_register_tokens": 2}
        return {"type": "transformers", "tap": -1, "architecture": architecture}
    architecture = {"model_type": "clip_vision_model", **sizes, "intermediate_size": 8}
    return {"type": "transformers", "tap": -1, "cls": "keep" if kind == "with CLS" else "drop", "architecture": architecture}


def arranger_of(resolution: Resolution, encoder: dict[str, Any], projector: dict[str, Any], device: str) -> Arranger:
    """Parts that fit together. Raises BadInput if they do not."""
    with torch.device(device):
        built = ENCODERS.parse(encoder, where="encoder").build()
        linking = PROJECTORS.parse(projector, where="projector").build(d_in=built.width, d_out=16, marks=resolution.marks)
    built.check(resolution)
    arranger = Arranger(resolution, built.eval(), linking.eval())
    arranger.check()
    return arranger


@torch.no_grad()
def check(arranger: Arranger, size: Size) -> None:
    """As many features and tokens as counted, and vectors as placeholders."""
    encoder, projector = arranger.encoder, arranger.projector
    assert projector is not None
    plan, arrangement = arranger.of(size)
    shapes: Any = [tuple(shape) for shape in shapes_of(plan).tolist()]

    device = next(projector.parameters()).device

    def pixels_of(views: list[int], height: int, width: int) -> Tensor:
        return torch.zeros(len(views), 3, height, width, device=device)

    features = encode(encoder, shapes, pixels_of)
    counted = [encoder.grid(view.size, view.branch) for view in plan.views]
    assert [len(found) for found in features] == [rows * columns for rows, columns in counted], size
    tokens = project(encoder, projector, torch.cat(features), shapes)
    assert tokens.shape == (arrangement.tokens, 16), size
    # What stands nowhere would not be missed on the meta device.
    marks = projector.mark_vectors()
    assert -(0 if marks is None else len(marks)) <= arrangement.index.min() and arrangement.index.max() < len(tokens), size
    index = torch.from_numpy(arrangement.index).to(device) if arrangement.reorders else None
    reserved = sum(run for run in arrangement.runs if isinstance(run, int))
    assert place(tokens, marks, index).shape == (reserved, 16), size


@lru_cache
def published(name: str) -> Arranger:
    fields, patch = PUBLISHED[name]
    resolution = planner(name, **fields)
    return arranger_of(resolution, encoder_of("patches", patch, resolution.branches), {"type": "linear"}, "meta")


def test_every_strategy_is_here() -> None:
    assert PUBLISHED.keys() == STRATEGIES.keys()


@pytest.mark.parametrize("name", PUBLISHED)
@settings(max_examples=200, deadline=None)
@given(width=SIDES, height=SIDES)
def test_counted_is_produced_at_published_sizes(name: str, width: int, height: int) -> None:
    check(published(name), (width, height))


@pytest.mark.parametrize("size", CORNERS)
@pytest.mark.parametrize("name", PUBLISHED)
def test_counted_is_produced_at_the_corners(name: str, size: Size) -> None:
    check(published(name), size)


@pytest.mark.parametrize("kind", ENCODER_KINDS)
@pytest.mark.parametrize("name", STRATEGIES)
def test_parts_that_fit_do_so_whatever_the_picture(name: str, kind: str) -> None:
    """What is not refused when a model is made makes as much as counted of every picture."""
    resolution = planner(name, **STRATEGIES[name])
    encoder = encoder_of(kind, SIDE.get(name, 2), resolution.branches)
    arrangers = {}
    for projector, fields in PROJECTOR_KINDS.items():
        try:
            arrangers[projector] = arranger_of(resolution, encoder, fields, "cpu")
        except BadInput:
            assert kind == "with CLS" or not FITTING.get((name, projector), True), projector
        else:
            assert FITTING.get((name, projector), True), projector
    assert arrangers or (name, kind) == ("anyres", "with CLS")

    @settings(max_examples=20, deadline=None)
    @example(width=1, height=LONGEST)
    @given(width=SIDES, height=SIDES)
    def every_size(width: int, height: int) -> None:
        for arranger in arrangers.values():
            check(arranger, (width, height))

    every_size()
