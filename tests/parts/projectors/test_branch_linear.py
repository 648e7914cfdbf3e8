"""One linear layer per branch: what it is, Vary's size, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from omma.errors import BadInput
from omma.parts.projectors import Projector

Build = Callable[..., Projector]


def test_branches_stay_apart(build: Build) -> None:
    projector = build("branch-linear", 32, 24, widths=[12, 20])
    features = torch.randn(2, 5, 32)
    first, second = projector.branches.linears
    expected = torch.cat(
        [features[..., :12] @ first.weight.T + first.bias, features[..., 12:] @ second.weight.T + second.bias], -1
    )
    torch.testing.assert_close(projector(features), expected)


def test_published_size(count: Callable[..., int]) -> None:
    # Vary-base: the whole, less its language model and its two encoders
    assert count("branch-linear", 2048, 4096, widths=[1024, 1024]) == (
        8_124_271_872 - 7_721_324_544 - 303_179_776 - 95_569_152
    )


def test_refusals(build: Build) -> None:
    with pytest.raises(BadInput) as caught:
        build("branch-linear", 32, 24, widths=[12, 12])
    assert str(caught.value) == (
        "model.projector.widths: expected the widths of the encoder's branches, 32 channels together, found 12 + 12 = 24; "
        "give the width of each branch."
    )
    with pytest.raises(BadInput) as caught:
        build("branch-linear", 30, 25, widths=[10, 20])
    assert str(caught.value) == (
        "model.projector.widths: expected a number of branches that divides the model's width 25, found 2; "
        "use another number of branches."
    )
