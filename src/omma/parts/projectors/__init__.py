"""Projectors. See `omma.parts.projectors.base`."""

from omma.parts.projectors import linear as linear
from omma.parts.projectors import mlp as mlp
from omma.parts.projectors.base import PROJECTORS, Projector

__all__ = ["PROJECTORS", "Projector"]
