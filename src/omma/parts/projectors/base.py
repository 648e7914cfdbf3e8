"""Projectors: what turns encoder features into vectors that the language model reads as tokens."""

from __future__ import annotations

from torch import Tensor, nn

from omma.parts.base import Part, PartConfig, Registry
from omma.parts.resolution.base import Grid


class Projector(Part, nn.Module):
    """A projector. Built with ``d_in`` (channels of the encoder) and ``d_out`` (width of the language model)."""

    class Config(PartConfig):
        pass

    def grid(self, grid: Grid) -> Grid:
        """(rows, columns) of tokens that a feature grid becomes; the same unless the projector reduces it."""
        return grid

    def forward(self, features_NTC: Tensor) -> Tensor:
        """Token vectors [N, tokens, d_out] from features [N, T, d_in]."""
        raise NotImplementedError


PROJECTORS: Registry[type[Projector]] = Registry("projector")
