"""Quantizers: what turns a grid of vectors into numbers of codes out of a vocabulary, and these back into vectors.

Shapes: N pictures or clips, D numbers of a vector, a grid of any number of axes (frames, if there are, rows, columns), T codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from torch import Tensor, nn

from omma.parts.base import Part, PartConfig, Registry


@dataclass(frozen=True, slots=True, eq=False)
class Quantized:
    """A grid of vectors in codes.

    Attributes:
        vectors: [N, D, *grid], what a decoder reads: those of the codes. In the backward pass they count as the vectors that
            went in (the straight-through estimator, arXiv 1308.3432).
        codes: int64 [N, T], row by row; of a quantizer in several scales, scale by scale.
        losses: means over everything, weighted as the quantizer's config says, by name.
    """

    vectors: Tensor
    codes: Tensor
    losses: dict[str, Tensor]


class Quantizer(Part, nn.Module):
    """A quantizer. It computes in float32: in bf16 a neighbour may be taken for the nearest.

    Attributes:
        vocabulary: how many codes there are.
        width: numbers of a vector, D.
        terms: names of its losses.
    """

    vocabulary: int
    width: int
    terms: ClassVar[tuple[str, ...]]

    class Config(PartConfig):
        pass

    def length(self, grid: Sequence[int]) -> int:
        """Number of codes T of a grid.

        Raises:
            BadInput: if it cannot have that grid.
        """
        return prod(grid)

    def forward(self, vectors: Tensor) -> Quantized:
        """Codes of vectors [N, D, *grid]. Nothing that it keeps changes: see `follow`."""
        raise NotImplementedError

    def lookup(self, codes_NT: Tensor, grid: Sequence[int]) -> Tensor:
        """The vectors [N, D, *grid] that codes stand for."""
        raise NotImplementedError

    def follow(self, vectors: Tensor, codes_NT: Tensor) -> None:
        """Move the codes, if they follow what is looked up and not gradients: once a step, with all of its vectors and codes."""


def rows(vectors: Tensor) -> Tensor:
    """[N, D, *grid] as float32 rows [N, T, D]."""
    return vectors.float().flatten(2).transpose(1, 2)


def on_grid(rows_NTD: Tensor, grid: Sequence[int]) -> Tensor:
    """The inverse of `rows`."""
    return rows_NTD.transpose(1, 2).unflatten(2, tuple(grid))


def straight_through(vectors: Tensor, quantized: Tensor) -> Tensor:
    """The quantized ones, whose gradients go to the vectors."""
    return vectors + (quantized - vectors).detach()


QUANTIZERS: Registry[type[Quantizer]] = Registry("quantizer")
