"""Toy models that draw classes, in the three published ways."""

from __future__ import annotations

from typing import Any

import torch

from omma.model.composition import Composition, compose
from omma.recipe import Recipe
from toy_drawing import CANVAS, ONE_BOOK, SCALES
from toy_training import toy_recipe

SIZE = {"vocab_size": 11, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
WAYS: dict[str, dict[str, Any]] = {
    "var": {
        "backbone": {"architecture": {**SIZE, "model_type": "omma_var", "gamma_std": 0.5}},
        "image_tokenizer": SCALES,
        "painter": {"type": "next-scale", "canvas": CANVAS},
    },
    "llamagen": {
        "backbone": {"architecture": {**SIZE, "model_type": "omma_llamagen", "side": 8}},
        "image_tokenizer": ONE_BOOK,
        "painter": {"type": "raster", "canvas": CANVAS, "places": False},
    },
    "maskgit": {
        "backbone": {"architecture": {**SIZE, "model_type": "omma_maskgit", "max_position_embeddings": 65}},
        "image_tokenizer": ONE_BOOK,
        "painter": {
            "type": "masked", "canvas": CANVAS, "rounds": 3, "places": False,
            "head": {"type": "linear", "bias": True, "tied": True, "transform": True},
        },
    },
}  # fmt: skip
DRAW: dict[str, Any] = {
    "objective": {"type": "class-drawing", "micro_samples": 4},
    "data": [{"source": {"type": "handwriting"}}],
    "learn": [{"pattern": "painter.*", "rate": 1e-2}, {"pattern": "language_model.*", "rate": 2e-3}],
    "batch": 6,
    "steps": 4,
    "checkpoint_every": 2,
    "precision": "fp32",
}


def class_recipe(way: str, **model: Any) -> Recipe:
    parts = {**WAYS[way], **model}
    parts["backbone"] = {"type": "classes", **parts["backbone"]}
    nothing = dict.fromkeys(("resolution", "encoder", "projector"))
    return toy_recipe(model={**nothing, **parts}, stages={"draw": DRAW})


def class_model(way: str) -> Composition:
    torch.manual_seed(0)
    model = compose(class_recipe(way).model).eval()
    assert model.painter is not None and model.language_model is not None
    with torch.no_grad():
        for parameter in (*model.painter.parameters(), *model.language_model.parameters()):
            if parameter.ndim > 1:
                parameter.normal_(0, 0.5)
    return model
