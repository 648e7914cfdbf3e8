"""Few features of a picture, and a diffusion network that paints one of them (Emu2, arXiv 2312.13286, section 2.2; SEED-X's
de-tokenizer, 2404.14396, section 3.1).

There are no codes: a picture is a row of vectors, features of an encoder that stays as it is. In the papers it is the one that
the model reads with, too.

Shapes: N pictures, T vectors of D numbers each.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from omma.errors import BadInput
from omma.parts.base import PartConfig, part_field
from omma.parts.encoders.base import ENCODERS, Encoder
from omma.parts.pixels import normalize
from omma.parts.resolution.base import Grid, Size
from omma.parts.tokenizers.base import IMAGE_TOKENIZERS, ImageTokenizer
from omma.parts.tokenizers.diffuser import Diffuser


class FeatureDiffuser(Diffuser):
    """A diffuser whose pictures are told by what is made of an encoder's features. The encoder stays as it is."""

    class Config(Diffuser.Config):
        encoder: part_field(ENCODERS) | None = None  # type: ignore[valid-type]
        """Whose features tell a picture; one that knows no CLS, or leaves it out. That which the model reads with, if absent."""
        pool: int = Field(default=1, ge=1)
        """Side of the squares of features whose mean is one vector."""

        def spelled_out(self) -> dict[str, Any]:
            return {**super().spelled_out(), "encoder": None if self.encoder is None else self.encoder.spelled_out()}

    def __init__(self, config: Config, *, shared: Encoder | None, is_told: bool, load_weights: bool) -> None:
        """Args:
        shared: an encoder of the model's, for a tokenizer without one of its own.
        is_told: whether its features tell the network as they are.
        """
        own: Encoder | None = None if config.encoder is None else config.encoder.build(load_weights=load_weights)
        reader = own or shared
        if reader is None:
            raise BadInput(
                "image tokenizer.encoder",
                expected="an encoder, for an image tokenizer that is in no model that reads",
                found="none",
                remedy="name one, such as one with weights zoo:encoder-small",
            )
        if reader.branches > 1:
            raise BadInput(
                "image tokenizer.encoder",
                expected="a single encoder",
                found=reader.config.type,
                remedy="choose one of them" if own is not None else "name one of its own",
            )
        super().__init__(config, width=reader.width if is_told else None, load_weights=load_weights)
        self.encoder = own
        # In a list: it may be the model's.
        self._reader = [reader]
        self.normalization = reader.normalizations[0]

    @property
    def reader(self) -> Encoder:
        """The encoder, its own or the model's."""
        return self._reader[0]

    def grid(self, size: Size) -> Grid:
        rows, columns = self.reader.grid(size)
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
        grid = self.reader.grid((width, height))
        self.grid((width, height))
        # The model's may be kept in another precision.
        read = self.reader(pixels_NCHW.to(next(self.reader.parameters()).dtype)).to(pixels_NCHW.dtype)
        whole = read.transpose(1, 2).unflatten(2, grid)
        return F.avg_pool2d(whole, self.config.pool).flatten(2).transpose(1, 2)


@IMAGE_TOKENIZERS.register("diffusion")
class DiffusionTokenizer(FeatureDiffuser):
    class Config(FeatureDiffuser.Config):
        pass

    def __init__(self, config: Config, *, load_weights: bool = False, shared: Encoder | None = None) -> None:
        super().__init__(config, shared=shared, is_told=True, load_weights=load_weights)
        self.load_own(load_weights=load_weights)

    @torch.no_grad()
    def read(self, views_NHW3: Tensor) -> Tensor:
        """Vectors [N, T, D]."""
        pixels = normalize(views_NHW3, *self.normalization)
        return self.features(pixels.to(next(self.parameters()).dtype))


def build_beside(config: PartConfig, encoder: Encoder | None) -> ImageTokenizer:
    """An image tokenizer in a model that reads with that encoder, if it reads with any."""
    shares = isinstance(config, FeatureDiffuser.Config) and config.encoder is None
    tokenizer: ImageTokenizer = config.build(shared=encoder) if shares else config.build()
    return tokenizer
