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


class FeatureDiffuser(Diffuser):
    """A diffuser whose pictures are told by what is made of an encoder's features. The encoder stays as it is."""

    class Config(Diffuser.Config):
        encoder: part_field(ENCODERS)  # type: ignore[valid-type]
        """Whose features tell a picture; one that knows no CLS, or leaves it out."""
        pool: int = Field(default=1, ge=1)
        """Side of the squares of features whose mean is one vector."""

        def spelled_out(self) -> dict[str, Any]:
            return {**super().spelled_out(), "encoder": self.encoder.spelled_out()}

    def __init__(self, config: Config, *, encoder: Encoder, width: int | None, load_weights: bool) -> None:
        if encoder.branches > 1:
            raise BadInput(
                "image tokenizer.encoder", expected="a single encoder", found=config.encoder.type, remedy="choose one of them"
            )
        super().__init__(config, width=width, load_weights=load_weights)
        self.encoder = encoder
        self.normalization = encoder.normalizations[0]

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
    def features(self, pixels_NCHW: Tensor) -> Tensor:
        """Vectors [N, T, C] of normalised pixels."""
        height, width = pixels_NCHW.shape[2:]
        grid = self.encoder.grid((width, height))
        self.grid((width, height))
        whole = self.encoder(pixels_NCHW).transpose(1, 2).unflatten(2, grid)
        return F.avg_pool2d(whole, self.config.pool).flatten(2).transpose(1, 2)


@IMAGE_TOKENIZERS.register("diffusion")
class DiffusionTokenizer(FeatureDiffuser):
    class Config(FeatureDiffuser.Config):
        pass

    def __init__(self, config: Config, *, load_weights: bool = False) -> None:
        encoder: Encoder = config.encoder.build(load_weights=load_weights)
        super().__init__(config, encoder=encoder, width=encoder.width, load_weights=load_weights)
        self.load_own(load_weights=load_weights)

    @torch.no_grad()
    def read(self, views_NHW3: Tensor) -> Tensor:
        """Vectors [N, T, D]."""
        pixels = normalize(views_NHW3, *self.normalization)
        return self.features(pixels.to(next(self.parameters()).dtype))
