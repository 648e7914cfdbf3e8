"""Parts that do not fit together are refused when a model is made, with what was found and what would fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from transformers import AutoConfig, AutoModel

from omma.errors import BadInput
from omma.model import OmmaForConditionalGeneration, OmmaProcessor
from omma.parts.encoders.clip_grid import ClipGridVisionConfig, ClipGridVisionModel
from toy_training import toy_model as composed

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
class MergingConfig(ClipGridVisionConfig):
    model_type = "test-merging"


class Merging(ClipGridVisionModel):
    """Lets every second patch go."""

    config_class = MergingConfig

    def __init__(self, config: MergingConfig) -> None:
        super().__init__(config)
        self.embeddings.register_forward_hook(lambda module, inputs, tokens: tokens[:, ::2])


AutoConfig.register(MergingConfig.model_type, MergingConfig)
AutoModel.register(MergingConfig, Merging)

TOWER = {"image_size": 28, "patch_size": 7, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
YOLOS = {**TOWER, "model_type": "yolos", "image_size": [28, 28], "num_detection_tokens": 3}
ANYRES = {"type": "anyres", "size": 28, "canvases": [[28, 56], [56, 28], [56, 56]]}
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
    "no rule for the CLS feature that there is": (
        {"cls": "none"},
        r"model\.encoder\.cls: expected drop or keep for clip_vision_model, which makes 17 features of 4 x 4 patches, found none; "
        r"use drop\.$",
    ),
    "a CLS feature that there is not": (
        {"vision": "siglip", "cls": "keep"},
        r"model\.encoder\.cls: expected none or drop for siglip_vision_model, which makes 16 features of 4 x 4 patches, found keep; "
        r"use none\.$",
    ),
    "features of no patch behind those of patches": (
        {"encoder": {"type": "transformers", "architecture": YOLOS}},
        r"model\.encoder\.architecture\.model_type: expected a model with a feature for every patch, and none behind them, found yolos, "
        r"which makes 20 features of 4 x 4 patches, 3 of them behind those of the patches; use another, such as vit\.$",
    ),
    "fewer features than patches": (
        {"encoder": {"type": "transformers", "tap": -1, "architecture": {**TOWER, "model_type": "test-merging"}}},
        r"model\.encoder\.architecture\.model_type: .*, found test-merging, which makes 8 features of 4 x 4 patches; use another, such as",
    ),
    "slices in patches of another side": (
        {"resolution": {"type": "slices", "size": 32, "patch": 8}},
        r"model\.resolution\.patch: expected a multiple of 7, the side of the encoder's patches in pixels, found 8; use patch 7\.$",
    ),
    "slices of smaller patches than there can be": (
        {"resolution": {"type": "slices", "size": 6, "patch": 2}},
        r"model\.resolution\.patch: expected a multiple of 7, .*, found 2; use patch 7 and size 7\.$",
    ),
    "a long side in patches of another side": (
        {"resolution": {"type": "keep-ratio", "size": 32, "patch": 8}},
        r"model\.resolution\.patch: expected a multiple of 7, .*, found 8; use patch 7 and size 35\.$",
    ),
    "patches of another side without an encoder": (
        {"encoder": {"type": "patches", "patch": 6}, "resolution": {"type": "native", "most": [40, 40], "patch": 4}},
        r"model\.resolution\.patch: expected a multiple of 6, .*, found 4; use patch 6\.$",
    ),
    "latents in place of places whose padding is left out": (
        {"projector": {"type": "perceiver", "latents": 5, "depth": 1}, "resolution": ANYRES},
        r"model\.projector\.type: expected one whose tokens stand for places of a view, so that anyres can leave out those of padding, "
        r"found perceiver, which makes 1 x 5 tokens of all 4 x 4 features; "
        r"use mlp or pixel-shuffle, or a strategy that leaves nothing out, such as closest-aspect\.$",
    ),
    "queries in a square": (
        {"projector": {"type": "resampler", "queries": 4}, "resolution": ANYRES},
        r"model\.projector\.type: .* found resampler, which makes 2 x 2 tokens of all 4 x 4 features; use mlp or pixel-shuffle, or",
    ),
    "queries of a Q-Former": (
        {
            "projector": {
                "type": "q-former",
                "queries": 3,
                "architecture": {"model_type": "blip_2_qformer", "hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2},
            },
            "resolution": ANYRES,
        },
        r"model\.projector\.type: .* found q-former, which makes 1 x 3 tokens of all 4 x 4 features",
    ),
    "queries of a visual abstractor": (
        {"projector": {"type": "visual-abstractor", "queries": 3, "layers": 1, "heads": 2, "inner": 16}, "resolution": ANYRES},
        r"model\.projector\.type: .* found visual-abstractor, which makes 1 x 3 tokens of all 4 x 4 features",
    ),
    "a feature of no place among those whose padding is left out": (
        {"cls": "keep", "resolution": ANYRES},
        r"model\.encoder: expected rows and columns of features in the shape of their view, so that anyres can leave out those of "
        r"padding, found 1 x 17 of a view of 28 x 28 pixels; drop the CLS feature, or use a strategy that leaves nothing out, such as "
        r"closest-aspect\.$",
    ),
}
FITS: dict[str, dict[str, Any]] = {
    "two of the encoder's patches for one": {"resolution": {"type": "slices", "size": 28, "patch": 14}},
    "a square that is not of whole patches, as SigLIP's of 384 pixels": {"resolution": {"type": "pad-square", "size": 30}},
    "merged features, whose places are larger": {"projector": {"type": "pixel-shuffle", "factor": 2}, "resolution": ANYRES},
    "latents where nothing is left out": {
        "projector": {"type": "perceiver", "latents": 5, "depth": 1}, "resolution": {"type": "padded-grid", "size": 28},
    },
}  # fmt: skip


@pytest.mark.parametrize("name", MISFITS)
def test_misfits_are_refused_when_a_model_is_made(toy_model: Make, name: str) -> None:
    parts, complaint = MISFITS[name]
    with pytest.raises(BadInput, match=complaint):
        toy_model(**parts)


@pytest.mark.parametrize(
    ("resolution", "complaint"),
    [
        ({"type": "slices", "size": 32, "patch": 6}, "model.resolution.patch: expected a multiple of 8, .*, found 6; use patch 8"),
        ({"type": "pad-square", "size": 7}, "expected views of at least one patch of the encoder"),
    ],
)
def test_misfits_of_an_encoder_alone_are_refused(resolution: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint):
        composed(resolution=resolution, backbone=None, projector=None)


@pytest.mark.parametrize("name", FITS)
def test_what_is_nearly_one_is_not_refused(toy_model: Make, name: str) -> None:
    toy_model(**FITS[name])
