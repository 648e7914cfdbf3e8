"""Few features of a picture, and a diffusion network that paints one of them (Emu2, arXiv 2312.13286, section 2.2; SEED-X's
de-tokenizer, 2404.14396, section 3.1).

There are no codes: a picture is a row of vectors, features of an encoder that stays as it is.

Shapes: N pictures, T vectors of D numbers each.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from omma.errors import BadInput
from omma.parts.base import part_field
from omma.parts.encoders.base import ENCODERS, Encoder
from omma.parts.pixels import normalize
from omma.parts.resolution.base import Grid, Size
from omma.parts.tokenizers.base import IMAGE_TOKENIZERS
from omma.parts.tokenizers.diffuser import Diffuser


@IMAGE_TOKENIZERS.register("diffusion")
class DiffusionTokenizer(Diffuser):
    class Config(Diffuser.Config):
        encoder: part_field(ENCODERS)  # type: ignore[valid-type]
        """Whose features tell a picture; one that knows no CLS, or leaves it out."""
        pool: int = Field(default=1, ge=1)
        """Side of the squares of features whose mean is one vector."""

        def spelled_out(self) -> dict[str, Any]:
            return {**super().spelled_out(), "encoder": self.encoder.spelled_out()}

    def __init__(self, config: Config, *, load_weights: bool = False) -> None:
        encoder: Encoder = config.encoder.build(load_weights=load_weights)
        if encoder.branches > 1:
            raise BadInput(
                "image tokenizer.encoder", expected="a single encoder", found=config.encoder.type, remedy="choose one of them"
            )
        super().__init__(config, width=encoder.width, load_weights=load_weights)
        self.encoder = encoder
        self.normalization = encoder.normalizations[0]
        self.load_own(load_weights=load_weights)

    def grid(self, size: Size) -> Grid:
        rows, columns = self.encoder.grid(size)
        side = self.config.pool
        if rows % side or columns % side:
            raise BadInput(
                "image tokenizer.pool",
                expected=f"a number that divides the {rows} x {columns} features of a picture of {size[0]} x {size[1]} pixels",
                found=str(side),
                remedy="choose another, or pictures of another size",
            )
        return rows // side, columns // side

    @torch.no_grad()
    def read(self, views_NHW3: Tensor) -> Tensor:
        """Vectors [N, T, D]."""
        height, width = views_NHW3.shape[1:3]
        grid, side = self.encoder.grid((width, height)), self.config.pool
        self.grid((width, height))
        pixels = normalize(views_NHW3, *self.normalization)
        features = self.encoder(pixels.to(next(self.parameters()).dtype))
        whole = features.transpose(1, 2).unflatten(2, grid)
        return F.avg_pool2d(whole, side).flatten(2).transpose(1, 2)
