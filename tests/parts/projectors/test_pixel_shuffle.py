"""Pixel shuffle: the order of channels, parity with InternVL, 4KHD's marks, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import InternVLConfig
from transformers.models.internvl.modeling_internvl import InternVLModel, InternVLMultiModalProjector

from omma.errors import BadInput
from omma.parts.projectors import Projector
from omma.parts.projectors.pixel_shuffle import merge

Build = Callable[..., Projector]
CELLS = torch.full((2, 2), -1)


@given(rows=st.integers(1, 4), columns=st.integers(1, 4), factor=st.integers(1, 3), channels=st.integers(1, 3))
def test_order_of_channels(rows: int, columns: int, factor: int, channels: int) -> None:
    height, width = rows * factor, columns * factor
    features = torch.arange(2 * height * width * channels).view(2, height, width, channels)
    found = merge(features.flatten(1, 2), (height, width), factor).view(2, rows, columns, -1)
    for row in range(rows):
        for column in range(columns):
            square = [
                features[:, row * factor + down, column * factor + right]
                for down in range(factor)
                for right in range(factor)
            ]
            assert torch.equal(found[:, row, column], torch.cat(square, dim=1))


def test_is_internvls(build: Build) -> None:
    projector = build("pixel-shuffle", 8, 24)
    config = InternVLConfig(
        vision_config={"hidden_size": 8, "num_attention_heads": 2},
        text_config={"model_type": "llama", "hidden_size": 24, "num_attention_heads": 2},
    )
    peer = InternVLMultiModalProjector(config)
    norm, first, _, second = projector.layers
    for theirs, ours in ((peer.layer_norm, norm), (peer.linear_1, first), (peer.linear_2, second)):
        theirs.load_state_dict({key: torch.randn_like(value) for key, value in theirs.state_dict().items()})
        ours.load_state_dict(theirs.state_dict())
    features = torch.randn(2, 6 * 4, 8)
    shuffled = InternVLModel.pixel_shuffle(None, features.view(2, 6, 4, 8), 0.5)  # type: ignore[arg-type]
    expected = peer(shuffled.flatten(1, 2))
    assert projector.grid((6, 4)) == (3, 2)
    torch.testing.assert_close(projector.project(features, (6, 4), 0, CELLS), expected)


def test_marks_pass_through_the_mlp_with_the_features(build: Build) -> None:
    projector = build("pixel-shuffle", 8, 24, ("newline", "separator"), norm=False, marks_at="merged")
    assert projector.marks.shape == (2, 32)
    features = projector.marks.detach()[:, None].view(2, 4, 8)  # two views, each of one square that is a mark
    torch.testing.assert_close(projector.project(features, (2, 2), 0, CELLS)[:, 0], projector.mark_vectors())


@pytest.mark.parametrize(
    ("d_in", "d_out", "marks", "fields", "published"),
    [
        (3200, 6144, (), {}, 116_429_824),  # InternVL-Chat-V1.5
        # XComposer2-4KHD: two linear layers of 4096 x 4096 with biases, newline and separator
        (1024, 4096, ("newline", "separator"), {"norm": False, "marks_at": "merged"}, 33_562_624 + 2 * 4096),
    ],
)
def test_published_sizes(count: Callable[..., int], d_in, d_out, marks, fields, published) -> None:
    assert count("pixel-shuffle", d_in, d_out, marks, **fields) == published


def test_grids_that_the_factor_does_not_divide_are_refused(build: Build) -> None:
    projector = build("pixel-shuffle", 8, 24)
    message = (
        "model.projector.factor: expected grids of features that 2 divides, found one of 27 x 26; "
        "use 1 instead, or sizes of views to suit it."
    )
    with pytest.raises(BadInput) as caught:
        projector.grid((27, 26))
    assert str(caught.value) == message
    with pytest.raises(BadInput) as caught:
        projector.project(torch.zeros(1, 27 * 26, 8), (27, 26), 0, CELLS)
    assert str(caught.value) == message
