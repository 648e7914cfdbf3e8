"""Image tokenizers: what turns a picture into a grid of vectors, or of numbers of codes, and what can paint it again.

Shapes: N pictures, D numbers of a vector, T codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from omma.errors import BadInput
from omma.parts.base import Part, PartConfig, Registry
from omma.parts.encoders.base import Normalization
from omma.parts.resolution.base import Grid, Size

PREFIX = "visual_tokenizer."
"""What its names begin with in the file that a stage leaves of an objective that trained one."""


class ImageTokenizer(Part, nn.Module):
    """An image tokenizer.

    Attributes:
        vocabulary: how many codes there are; 0 for one whose vectors are continuous.
        normalization: of the pixels that it reads.
    """

    vocabulary: int
    normalization: Normalization

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

    def load(self, file: Path) -> None:
        """Its weights, from a safetensors file of its own tensors or of the objective that trained it.

        Raises:
            BadInput: for a file that is none, or of another tokenizer.
        """
        remedy = "name the file that training it left, with a recipe of the same tokenizer"
        try:
            tensors = load_file(file)
        except (OSError, SafetensorError) as error:
            raise BadInput(str(file), expected="a safetensors file", found=str(error), remedy=remedy) from None
        own = {name.removeprefix(PREFIX): t for name, t in tensors.items() if name.startswith(PREFIX)} or tensors
        expected = {name: tensor.shape for name, tensor in self.state_dict().items()}
        for name, shape in expected.items():
            if name not in own or own[name].shape != shape:
                found = "no such tensor" if name not in own else f"shape {tuple(own[name].shape)}"
                raise BadInput(str(file), expected=f"{name} of shape {tuple(shape)}", found=found, remedy=remedy)
        self.load_state_dict({name: own[name] for name in expected})


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """Pictures as an autoencoder has them.

    Attributes:
        vectors: [N, D, *grid], what it decodes.
        codes: int64 [N, T], or None where vectors are continuous.
        losses: of the bottleneck, weighted as its config says, by name.
    """

    vectors: Tensor
    codes: Tensor | None
    losses: dict[str, Tensor]


class Autoencoder(ImageTokenizer):
    """An image tokenizer that can paint what it has read."""

    def encode(self, pixels_NCHW: Tensor) -> Encoded:
        """Normalised pixels as vectors, and what these cost."""
        raise NotImplementedError

    def decode(self, vectors: Tensor) -> Tensor:
        """Normalised pixels [N, 3, height, width] of vectors [N, D, *grid]; not limited to what pixels can be."""
        raise NotImplementedError

    def lookup(self, codes_NT: Tensor, grid: Grid) -> Tensor:
        """The vectors that codes stand for."""
        raise NotImplementedError

    @property
    def last_layer(self) -> nn.Parameter:
        """The weight of the last layer of the decoder, by whose gradients losses on pixels are balanced."""
        raise NotImplementedError


IMAGE_TOKENIZERS: Registry[type[ImageTokenizer]] = Registry("image tokenizer")
