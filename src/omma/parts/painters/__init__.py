"""Painters: ways in which a Transformer draws. See `omma.parts.painters.base`."""

from omma.parts.painters import next_scale as next_scale
from omma.parts.painters.base import PAINTERS, Painter

__all__ = ["PAINTERS", "Painter"]
