"""Parts that do not fit together are refused when a model is made, with what was found and what would fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from omma.errors import BadInput
from omma.model import OmmaForConditionalGeneration, OmmaProcessor

Make = Callable[..., tuple[OmmaForConditionalGeneration, OmmaProcessor]]
SIZE = 28
"""Of the toy encoders, whose patches have 7 pixels: 4 x 4 features."""

SAM = {
    "type": "sam",
    "architecture": {
        "model_type": "sam_vision_model", "image_size": 32, "patch_size": 8, "hidden_size": 32, "mlp_dim": 32, "num_hidden_layers": 1,
        "num_attention_heads": 2, "output_channels": 8, "window_size": 2, "global_attn_indexes": [0], "num_pos_feats": 16,
    },
}  # fmt: skip
MISFITS: dict[str, tuple[dict[str, Any], str]] = {
    "a factor that does not divide": (
        {"projector": {"type": "pixel-shuffle", "factor": 3}},
        r"model.projector.factor: expected grids of features that 3 divides, found one of 4 x 4; use 2 instead",
    ),
    "views of which one is not divided": (
        {"projector": {"type": "pixel-shuffle", "factor": 2}, "resolution": {"type": "slices", "size": 28, "patch": 7, "most": 6}},
        r"expected grids of features that 2 divides, found one of \d x \d; use 1 instead",
    ),
    "another side than the projector's": (
        {"projector": {"type": "c-abstractor", "tokens": 4, "input_side": 6, "width": 32}},
        r"model.projector.input_side: expected views of 6 x 6 features, found one of 4 x 4",
    ),
    "a view that the encoder has no positions for": (
        {"encoder": SAM},
        r"model.resolution: expected views of 32 x 32 pixels, which SAM's positions are for, found one of 28 x 28",
    ),
    "slices of any shape for it": (
        {"encoder": SAM, "resolution": {"type": "slices", "size": 32, "patch": 8, "most": 4}},
        r"model.resolution: expected views of 32 x 32 pixels",
    ),
    "views of less than a patch": (
        {"resolution": {"type": "pad-square", "size": 5}},
        r"model.resolution: expected views of at least one patch of the encoder, found no token of a picture of 640 x 480 pixels",
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_misfits_are_refused_when_a_model_is_made(toy_model: Make, name: str) -> None:
    parts, complaint = MISFITS[name]
    with pytest.raises(BadInput, match=complaint):
        toy_model(**parts)
