"""The visual abstractor: its formulas written out, places of crops, its published size, and what it refuses."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from omma.errors import BadInput
from omma.parts.projectors import Projector

Build = Callable[..., Projector]
SMALL: dict[str, Any] = {"queries": 3, "layers": 2, "heads": 4, "inner": 20, "cells": 5, "whole_cell": 4}


def norm(module: nn.LayerNorm, vector: torch.Tensor) -> torch.Tensor:
    return nn.functional.layer_norm(vector, vector.shape[-1:], module.weight, module.bias, 1e-6)


def test_is_the_formulas(build: Build) -> None:
    projector = build("visual-abstractor", 16, 24, **(SMALL | {"cells": 0}))
    for parameter in projector.parameters():
        nn.init.normal_(parameter, std=0.4)
    features = torch.randn(2, 7, 16)
    q = projector.queries.weight.expand(2, -1, -1)
    for layer in projector.layers:
        attention = layer.attention
        qn = norm(layer.norm_queries, q)
        kv = torch.cat([qn, norm(layer.norm_features, features)], 1)
        found = []
        for head in range(4):
            part = slice(4 * head, 4 * head + 4)
            query, key, value = (
                x @ linear.weight[part].T + linear.bias[part]
                for x, linear in ((qn, attention.q_proj), (kv, attention.k_proj), (kv, attention.v_proj))
            )
            found.append((query @ key.transpose(1, 2) / math.sqrt(4)).softmax(-1) @ value)
        h = qn + torch.cat(found, -1) @ attention.o_proj.weight.T + attention.o_proj.bias
        hn = norm(layer.norm_mlp, h)
        gate, up = hn @ layer.gate.weight.T + layer.gate.bias, hn @ layer.up.weight.T + layer.up.bias
        q = h + layer.down(norm(layer.norm_inner, gate * gate.sigmoid() * up))
    expected = q @ projector.linear.weight.T + projector.linear.bias
    found_tokens = projector.project(features, (1, 7), 0, torch.full((2, 2), -1))
    torch.testing.assert_close(found_tokens, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("scale", [0.5, 1.0])
def test_places_of_crops(build: Build, scale: float) -> None:
    projector = build("visual-abstractor", 16, 24, **SMALL, cell_scale=scale)
    features = torch.randn(1, 7, 16).expand(3, -1, -1)
    cells = torch.tensor([[-1, -1], [0, 2], [3, 1]])
    tokens = projector.project(features, (1, 7), 0, cells)
    rows, columns = projector.rows.weight, projector.columns.weight
    places = torch.stack([rows[4] + columns[4], rows[0] + columns[2], rows[3] + columns[1]]) * scale
    # The views are equal, so tokens differ by what places add before the last linear layer: the same for all queries.
    expected = (places - places[0]) @ projector.linear.weight.T
    torch.testing.assert_close(tokens - tokens[:1], expected[:, None].expand(-1, 3, -1), atol=1e-5, rtol=1e-4)


def test_published_size(count: Callable[..., int]) -> None:
    assert count("visual-abstractor", 1024, 4096, ("end",)) == 81_504_256


def test_refusals(build: Build) -> None:
    with pytest.raises(BadInput) as caught:
        build("visual-abstractor", 30, 24)
    assert str(caught.value) == (
        "model.projector.heads: expected a number that divides the encoder's width 30, found 16; "
        "choose another number of heads."
    )
    with pytest.raises(BadInput, match="expected whole_cell to be below cells, not 5 of 5"):
        build("visual-abstractor", 16, 24, **(SMALL | {"whole_cell": 5}))
    projector = build("visual-abstractor", 16, 24, **SMALL)
    with pytest.raises(BadInput) as caught:
        projector.project(torch.zeros(1, 7, 16), (1, 7), 0, torch.tensor([[0, 5]]))
    assert str(caught.value) == (
        "model.projector.cells: expected a resolution strategy with at most 5 rows and columns of views, "
        "found row or column number 5, counted from 0; give cells a larger number."
    )
