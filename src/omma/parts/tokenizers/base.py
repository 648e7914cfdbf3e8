"""Image tokenizers: what turns a picture into a grid of numbers out of a vocabulary of codes."""

from __future__ import annotations

from torch import Tensor, nn

from omma.parts.base import Part, PartConfig, Registry
from omma.parts.encoders.base import Normalization
from omma.parts.resolution.base import Grid, Size


class ImageTokenizer(Part, nn.Module):
    """An image tokenizer.

    Attributes:
        vocabulary: how many codes there are.
        normalization: of the pixels that it reads.
    """

    vocabulary: int
    normalization: Normalization

    class Config(PartConfig):
        pass

    def grid(self, size: Size) -> Grid:
        """(rows, columns) of codes of a picture of that size (width, height)."""
        raise NotImplementedError

    def codes(self, pixels_NCHW: Tensor) -> Tensor:
        """Numbers [N, rows * columns] of the codes of normalised pixels, row by row. Nothing is learned through them."""
        raise NotImplementedError


IMAGE_TOKENIZERS: Registry[type[ImageTokenizer]] = Registry("image tokenizer")
