"""Vision encoders. See `omma.parts.encoders.base`."""

from omma.parts.encoders import patches as patches
from omma.parts.encoders import sam as sam
from omma.parts.encoders import side_by_side as side_by_side
from omma.parts.encoders import transformers_vision as transformers_vision
from omma.parts.encoders.base import ENCODERS, Encoder

__all__ = ["ENCODERS", "Encoder"]
