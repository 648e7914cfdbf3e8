"""Image tokenizers: what turns a picture into a grid of vectors, or of numbers of codes, and what can paint it again.

Shapes: N pictures, D numbers of a vector, T codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from omma.parts.base import Part, PartConfig, Registry
from omma.parts.encoders.base import Normalization
from omma.parts.pixels import denormalize, normalize
from omma.parts.resolution.base import Grid, Size
from omma.parts.tokenizers.networks import Network

NO_CODE = -1
"""Where a picture has fewer codes than others."""


class ImageTokenizer(Part, nn.Module):
    """An image tokenizer.

    Attributes:
        vocabulary: how many codes there are; 0 for one whose vectors are continuous.
        normalization: of the pixels that it reads.
        reads: whether it reads pictures.
        paints: whether it can paint what it has read, or was told.
        varies: whether pictures have different numbers of codes. Then T is the most, and behind a picture's last code stands
            `NO_CODE`.
    """

    vocabulary: int
    normalization: Normalization
    reads: ClassVar[bool] = True
    paints: bool = True
    varies: bool = False

    class Config(PartConfig):
        pass

    def grid(self, size: Size) -> Grid:
        """(rows, columns) of vectors of a picture of that size (width, height)."""
        raise NotImplementedError

    def length(self, size: Size) -> int:
        """Number of codes of a picture of that size, T."""
        rows, columns = self.grid(size)
        return rows * columns

    def codes(self, pixels_NCHW: Tensor) -> Tensor:
        """Numbers [N, T] of the codes of normalised pixels, row by row. Nothing is learned through them."""
        raise NotImplementedError

    @torch.no_grad()
    def read(self, views_NHW3: Tensor) -> Tensor:
        """What a picture is to whoever draws: codes [N, T] of uint8 pixels, or vectors [N, T, D] of a tokenizer without codes."""
        pixels = normalize(views_NHW3, *self.normalization)
        return self.codes(pixels.to(next(self.parameters()).dtype))

    def paint(self, read: Tensor, size: Size, seeds: Sequence[int]) -> Tensor:
        """Pictures of that size (width, height) as uint8 pixels [N, height, width, 3], out of what `read` gives.

        Args:
            seeds: of what is random about painting, one for each picture.
        """
        raise NotImplementedError


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """Pictures as an autoencoder has them.

    Attributes:
        vectors: [N, D, *grid], what it decodes.
        before: what these were before they became codes; the same where they are continuous.
        codes: int64 [N, T], or None where vectors are continuous.
        losses: of the bottleneck, weighted as its config says, by name.
    """

    vectors: Tensor
    before: Tensor
    codes: Tensor | None
    losses: dict[str, Tensor]


class Autoencoder(ImageTokenizer):
    """An image tokenizer that can paint what it has read.

    Attributes:
        terms: names of the losses of its bottleneck.
        network: that reads and paints.
        widen: from vectors to what the network paints.
    """

    terms: tuple[str, ...]
    network: Network
    widen: nn.Module

    def grid(self, size: Size) -> Grid:
        rows, columns = self.network.grid(size[::-1])
        return rows, columns

    def in_words(self) -> str:
        """What it is in one line."""
        raise NotImplementedError

    def encode(self, pixels_NCHW: Tensor) -> Encoded:
        """Normalised pixels as vectors, and what these cost."""
        raise NotImplementedError

    def decode(self, vectors: Tensor) -> Tensor:
        """Normalised pixels [N, 3, height, width] of vectors [N, D, *grid]; not limited to what pixels can be."""
        return self.network.decode(self.widen(vectors.to(self.last_layer.dtype)))

    @torch.no_grad()
    def paint(self, read: Tensor, size: Size, seeds: Sequence[int]) -> Tensor:
        return denormalize(self.decode(self.lookup(read, self.grid(size))), *self.normalization)

    def lookup(self, codes_NT: Tensor, grid: Grid) -> Tensor:
        """The vectors that codes stand for."""
        raise NotImplementedError

    def follow(self, vectors: Tensor, codes_NT: Tensor) -> None:
        """Move codes that follow what is looked up: once a step, with all that `encode` read in it.

        Args:
            vectors: [N, D, *grid], as they were before they became codes.
        """

    @property
    def last_layer(self) -> nn.Parameter:
        """The weight of the last layer of the decoder, by whose gradients losses on pixels are balanced."""
        return self.network.last_layer


IMAGE_TOKENIZERS: Registry[type[ImageTokenizer]] = Registry("image tokenizer")
