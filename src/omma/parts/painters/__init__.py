"""Painters: ways in which a Transformer draws. See `omma.parts.painters.base`."""

from omma.parts.painters import masked as masked
from omma.parts.painters import next_scale as next_scale
from omma.parts.painters import queries as queries
from omma.parts.painters import raster as raster
from omma.parts.painters import raster_to_end as raster_to_end
from omma.parts.painters import regression as regression
from omma.parts.painters import signals as signals
from omma.parts.painters.base import PAINTERS, Painter
from omma.parts.painters.heads import CODE_HEADS

__all__ = ["CODE_HEADS", "PAINTERS", "Painter"]
