"""Toy models that draw pictures of 16 pixels, in every way."""

from __future__ import annotations

from typing import Any

import torch

from omma.model.composition import Composition
from omma.model.drawing import PictureDrawer
from omma.model.processing import processor_of
from toy_training import MODEL, SHAPES, toy_model

NETWORK = {"type": "convolutional", "width": 4, "channels": 8, "multipliers": [1, 2], "blocks": 1, "groups": 4}
ONE_BOOK = {"type": "quantized-autoencoder", "network": NETWORK, "quantizer": {"type": "vq", "codes": 16, "width": 4}}
SCALES = {
    "type": "quantized-autoencoder",
    "network": NETWORK,
    "quantizer": {"type": "multi-scale", "codes": 16, "width": 4, "scales": [1, 2, 4, 8], "convolutions": 2},
    "bridge": 3,
}
SIGNS = {"type": "quantized-autoencoder", "network": NETWORK, "quantizer": {"type": "lfq", "width": 6, "group": 6}}
CANVAS = {"type": "stretch-square", "size": 16}

WAYS: dict[str, dict[str, Any]] = {
    "next-scale": {"image_tokenizer": SCALES, "painter": {"type": "next-scale", "canvas": CANVAS}},
    "raster": {"image_tokenizer": ONE_BOOK, "painter": {"type": "raster", "canvas": CANVAS}},
    "masked": {
        "image_tokenizer": SIGNS,
        "painter": {"type": "masked", "canvas": CANVAS, "rounds": 3, "head": {"type": "factorised", "bits": [3, 3]}},
    },
}

FEATURES = {
    "type": "diffusion",
    "encoder": {**MODEL["encoder"], "architecture": {**MODEL["encoder"]["architecture"], "image_size": 16}},
    "network": {
        "sample_size": 16, "in_channels": 3, "out_channels": 3, "block_out_channels": [8, 16], "layers_per_block": 1,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"], "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
        "cross_attention_dim": 32, "attention_head_dim": 8, "norm_num_groups": 4,
    },
    "steps": 2,
}  # fmt: skip
PATCHES = {**FEATURES["encoder"]["architecture"], "patch_size": 4}  # type: ignore[dict-item]
DYNAMIC = {
    "type": "dynamic",
    "encoder": {**MODEL["encoder"], "architecture": PATCHES},
    "features": 16,
    "layers": 1,
    "heads": 2,
    "mlp": 48,
    "quantizer": {"type": "vq", "codes": 16, "width": 4, "unit": True},
    "network": FEATURES["network"],
    "steps": 2,
}
WAYS["raster-to-end"] = {
    "image_tokenizer": DYNAMIC,
    "painter": {"type": "raster-to-end", "canvas": CANVAS, "least": 3, "most": 14},
}
TEXTS = {
    "type": "text-diffusion",
    "text": {
        "architecture": {
            "model_type": "clip_text_model", "vocab_size": 1104, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 2, "max_position_embeddings": 16,
        },
        "tokenizer": "zoo:lm-small",
        "tokens": 12,
    },
    "network": FEATURES["network"],
    "steps": 2,
}  # fmt: skip
EMBEDDINGS: dict[str, dict[str, Any]] = {
    "regression": {"image_tokenizer": FEATURES, "painter": {"type": "regression", "canvas": CANVAS}},
    "queries": {
        "image_tokenizer": {**FEATURES, "pool": 2},
        "painter": {"type": "queries", "canvas": CANVAS, "queries": 9, "output": {"type": "resampler", "queries": 1, "heads": 2}},
    },
    "signals": {
        "image_tokenizer": TEXTS,
        "painter": {
            "type": "signals", "canvas": CANVAS, "signals": 3,
            "output": {"type": "encoder-decoder", "queries": 12, "width": 16, "heads": 2, "inner": 32, "layers": 1},
        },
    },
    "dream-queries": {"image_tokenizer": FEATURES, "painter": {"type": "dream-queries", "canvas": CANVAS, "queries": 5}},
}
"""Ways that draw vectors, which a diffusion network paints."""

DRAW: dict[str, Any] = {
    "objective": {"type": "drawing", "row_tokens": 256, "micro_tokens": 512, "unasked": 0.3, "closing": 0.5},
    "data": [
        {"source": {**SHAPES, "task": "draw", "count": 12}, "weight": 2},
        {"source": {**SHAPES, "turns": 2, "count": 12}, "weight": 1},
    ],
    "learn": [{"pattern": "painter.*", "rate": 1e-2}, {"pattern": "language_model.*", "rate": 2e-3}],
    "batch": 6,
    "steps": 4,
    "checkpoint_every": 2,
    "precision": "fp32",
}


def drawing_model(way: str, **model: Any) -> Composition:
    """A toy model, the same at every call, whose painter is sure enough of codes to tell prompts apart."""
    made = toy_model(**(WAYS | EMBEDDINGS)[way], **model)
    assert made.painter is not None and made.language_model is not None
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in made.painter.parameters():
            parameter.normal_(0, 0.3)
        for parameter in made.language_model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(8)
    return made


def drawer_of(model: Composition) -> PictureDrawer:
    assert model.vlm is not None and model.tokenizer is not None
    return PictureDrawer(model.vlm, processor_of(model.vlm.config, model.tokenizer))
