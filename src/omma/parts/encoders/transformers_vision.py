"""Any `transformers` vision model as an encoder, with a layer tap and a CLS rule (LLaVA, arXiv 2304.08485, section 4.1)."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from pydantic import model_validator
from torch import Tensor, nn
from transformers import AutoModel

from omma.errors import BadInput
from omma.parts.base import PartConfig
from omma.parts.encoders.base import ENCODERS, NORMALIZATIONS, Encoder
from omma.parts.resolution.base import Grid, Size
from omma.parts.weights import architecture, locate


@ENCODERS.register("transformers")
class TransformersEncoder(Encoder):
    """A vision tower from `transformers`, read at ``hidden_states[tap]``.

    ``hidden_states`` counts from the embeddings: index 0 is their output, index k the output of block k, so -2 of 24
    blocks is the output of block 23, before any final norm.
    """

    class Config(PartConfig):
        architecture: dict[str, Any] | None = None
        """A `transformers` config as plain data, with its ``model_type``."""
        weights: str | None = None
        """``zoo:NAME``, a directory or a hub name; random weights if absent."""
        tap: int = -2
        cls: Literal["drop", "keep", "none"] = "drop"
        """What to do with a leading CLS feature: drop it, keep it, or "none" if the model has none."""
        normalization: Literal["clip", "imagenet", "half"] = "clip"
        positions: Literal["own", "sincos2d"] = "own"
        """Where learned position embeddings start if no weights are loaded: the model's own, or two-dimensional waves."""

        @model_validator(mode="after")
        def _known(self) -> TransformersEncoder.Config:
            if self.architecture is None and self.weights is None:
                raise ValueError("architecture or weights to be given")
            return self

    def __init__(self, config: Config, *, load_weights: bool = False) -> None:
        super().__init__(config)
        settings = architecture(config.architecture, config.weights, where="model.encoder")
        # Composite configs (CLIPConfig, SiglipConfig) hold the tower's as vision_config.
        settings = getattr(settings, "vision_config", settings)
        if load_weights and config.weights is not None:
            source = locate(config.weights, where="model.encoder.weights")
            self.model = AutoModel.from_pretrained(source, config=settings, dtype=torch.float32)
        else:
            self.model = AutoModel.from_config(settings)
            if config.positions == "sincos2d":
                _start_positions(self.model)
        self.width = settings.hidden_size
        self.mean, self.std = NORMALIZATIONS[config.normalization]
        blocks = settings.num_hidden_layers
        if not -blocks - 1 <= config.tap <= blocks:
            raise BadInput(
                "model.encoder.tap",
                expected=f"an index into {blocks + 1} hidden states (the embeddings and {blocks} blocks)",
                found=str(config.tap),
                remedy=f"choose one between {-blocks - 1} and {blocks}",
            )

    def grid(self, size: Size, branch: int = 0) -> Grid:
        patch = self.model.config.patch_size
        rows, columns = size[1] // patch, size[0] // patch
        return (1, rows * columns + 1) if self.config.cls == "keep" else (rows, columns)

    def forward(self, pixels_NCHW: Tensor) -> Tensor:
        hidden = self.model(pixels_NCHW, output_hidden_states=True).hidden_states[self.config.tap]
        return hidden[:, 1:] if self.config.cls == "drop" else hidden


def _start_positions(model: nn.Module) -> None:
    """Start learned positions as two-dimensional sine and cosine waves (arXiv 2205.01580, section 2).

    The usual start is an order of magnitude below the pixels, and a short training spends itself on finding out where
    things are. The slowest wave takes the whole side of the grid, so that all of them tell places apart.
    """
    name, table = next(
        (name, module)
        for name, module in model.named_modules()
        if name.endswith("position_embedding") and isinstance(module, nn.Embedding)
    )
    patches, width = table.weight.shape
    side = math.isqrt(patches)
    if side * side != patches or width % 4:
        raise BadInput(
            "model.encoder.positions",
            expected="a square grid of positions and a width that four divides for sincos2d",
            found=f"{name} of shape {tuple(table.weight.shape)}",
            remedy='use "own"',
        )
    frequency = torch.logspace(math.log10(math.pi / side), 0, width // 4)
    waves = torch.arange(side)[:, None] * frequency
    rows, columns = waves.repeat_interleave(side, 0), waves.repeat(side, 1)
    with torch.no_grad():
        table.weight.copy_(torch.cat([columns.sin(), columns.cos(), rows.sin(), rows.cos()], dim=1))
