"""Projectors: what turns encoder features into vectors that the language model reads as tokens."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import AfterValidator, Field
from torch import Tensor, nn

from omma.parts.base import Part, PartConfig, Registry
from omma.parts.resolution.base import Grid


def _square(number: int) -> int:
    if math.isqrt(number) ** 2 != number:
        raise ValueError("a square number")
    return number


Square = Annotated[int, Field(ge=1), AfterValidator(_square)]
"""A number of tokens that fills a square grid."""


class Projector(Part, nn.Module):
    """A projector.

    Built with ``d_in`` (channels of the encoder), ``d_out`` (width of the language model) and ``marks`` (names of the
    resolution strategy's learned vectors, which belong to the projector because they are learned with it).
    """

    keeps_places: bool = True
    """Whether a token stands for the place of the view that its row and column say. Those of queries, which look at all features,
    do not."""

    class Config(PartConfig):
        pass

    def grid(self, grid: Grid) -> Grid:
        """(rows, columns) of tokens that a feature grid becomes; the same unless the projector reduces it."""
        return grid

    def project(self, features_NTC: Tensor, grid: Grid, branch: int, cells_N2: Tensor) -> Tensor:
        """Token vectors [N, tokens, d_out] of views with one feature grid and branch.

        Args:
            cells_N2: (row, column) of each view among those of its canvas; -1 for a view of the whole picture.
        """
        return self(features_NTC)

    def mark_vectors(self) -> Tensor | None:
        """The learned vectors [marks, d_out]; None if there are none."""
        return self.marks

    def check(self) -> None:
        """See that it can stand between encoder and language model, not only say how many tokens there are. Raises BadInput if
        not."""

    def init_weights(self) -> None:
        """Begin where the paper begins, if that is elsewhere than nearly all do.

        Called when a model is made, after the linear layers of all projectors have drawn N(0, 0.02).
        """

    def forward(self, features_NTC: Tensor) -> Tensor:
        """Token vectors [N, tokens, d_out] from features [N, T, d_in]."""
        raise NotImplementedError


def new_marks(marks: tuple[str, ...], width: int) -> nn.Parameter | None:
    """Learned vectors [marks, width] as LLaVA-NeXT begins them, N(0, 1) / sqrt(width); None if there are none."""
    return nn.Parameter(torch.randn(len(marks), width) / math.sqrt(width)) if marks else None


PROJECTORS: Registry[type[Projector]] = Registry("projector")
