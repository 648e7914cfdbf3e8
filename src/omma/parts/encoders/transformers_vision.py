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
        self.mean, self.std = NORMALIZATIONS[config.normalization]
        self.hierarchical = hasattr(settings, "hidden_sizes")
        self._grids: dict[Size, Grid] = {}
        shapes = self._dry_run(_own_size(settings)) if self.hierarchical else ()
        states = len(shapes) if self.hierarchical else 1 + settings.num_hidden_layers
        if not -states <= config.tap < states:
            raise BadInput(
                "model.encoder.tap",
                expected=f"an index into {states} hidden states"
                + ("" if self.hierarchical else f" (the embeddings and {states - 1} blocks)"),
                found=str(config.tap),
                remedy=f"choose one between {-states} and {states - 1}",
            )
        self.width = shapes[config.tap][2] if self.hierarchical else settings.hidden_size

    def grid(self, size: Size, branch: int = 0) -> Grid:
        if size not in self._grids:
            if self.hierarchical:
                self._grids[size] = self._dry_run(size)[self.config.tap][:2]
            else:
                patch = self.model.config.patch_size
                self._grids[size] = size[1] // patch, size[0] // patch
        rows, columns = self._grids[size]
        return (1, rows * columns + 1) if self.config.cls == "keep" else (rows, columns)

    def _dry_run(self, size: Size) -> list[tuple[int, int, int]]:
        """(rows, columns, channels) of every hidden state, by a run without numbers: each family has its own strides."""
        with torch.device("meta"):
            shadow = AutoModel.from_config(self.model.config)
            output = shadow(torch.empty(1, 3, size[1], size[0]), output_hidden_states=True)
        return [_extent(hidden, size) for hidden in output.hidden_states]

    def hidden_states(self, pixels_NCHW: Tensor) -> tuple[Tensor, ...]:
        """All hidden states [N, T, C], maps row by row, and last the final output after the norm."""
        output = self.model(pixels_NCHW, output_hidden_states=True)
        return tuple(_rows(hidden) for hidden in (*output.hidden_states, output.last_hidden_state))

    def forward(self, pixels_NCHW: Tensor) -> Tensor:
        hidden = _rows(self.model(pixels_NCHW, output_hidden_states=True).hidden_states[self.config.tap])
        return hidden[:, 1:] if self.config.cls == "drop" else hidden


def _own_size(settings: Any) -> Size:
    """The picture size (width, height) that a config names, or a usual one if it names none."""
    side = getattr(settings, "image_size", None) or 224
    return (side, side) if isinstance(side, int) else (side[1], side[0])


def _extent(hidden: Tensor, size: Size) -> tuple[int, int, int]:
    """(rows, columns, channels) of a map [1, C, rows, columns], or of its rows [1, T, C] from a picture of that size."""
    if hidden.dim() == 4:
        return hidden.shape[2], hidden.shape[3], hidden.shape[1]
    stride = math.sqrt(size[0] * size[1] / hidden.shape[1])
    return round(size[1] / stride), round(size[0] / stride), hidden.shape[2]


def _rows(hidden: Tensor) -> Tensor:
    """[N, T, C] from itself or from a map [N, C, rows, columns]."""
    return hidden.flatten(2).transpose(1, 2) if hidden.dim() == 4 else hidden


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
