"""No encoder at all: the numbers of a patch are its features, and a linear projector makes tokens of them (Fuyu-8B, "Fuyu-8B:
a multimodal architecture for AI agents", 2023)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor

from omma.parts.base import PartConfig
from omma.parts.encoders.base import ENCODERS, NORMALIZATIONS, Encoder
from omma.parts.resolution.base import Grid, Size


@ENCODERS.register("patches")
class Patches(Encoder):
    """Squares of pixels, row by row, each flattened as (row, column, colour). It has no parameters."""

    class Config(PartConfig):
        patch: int = Field(gt=0)
        """Side of a patch in pixels (Fuyu: 30); pixels beyond the last whole one are left out."""
        normalization: Literal["clip", "imagenet", "half"] = "half"

    def __init__(self, config: Config, *, load_weights: bool = False) -> None:
        super().__init__(config)
        self.width = 3 * config.patch**2
        self.patch = config.patch
        self.mean, self.std = NORMALIZATIONS[config.normalization]

    def grid(self, size: Size, branch: int = 0) -> Grid:
        return size[1] // self.config.patch, size[0] // self.config.patch

    def forward(self, pixels_NCHW: Tensor) -> Tensor:
        return patches_of(pixels_NCHW, self.config.patch)


def patches_of(pixels_NCHW: Tensor, patch: int) -> Tensor:
    """Whole patches [N, rows * columns, patch * patch * C] of pictures, each flattened as (row, column, colour)."""
    rows, columns = pixels_NCHW.shape[2] // patch, pixels_NCHW.shape[3] // patch
    whole = pixels_NCHW[:, :, : rows * patch, : columns * patch]
    split = whole.unflatten(3, (columns, patch)).unflatten(2, (rows, patch))
    return split.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)
