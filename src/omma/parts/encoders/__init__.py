"""Vision encoders. See `omma.parts.encoders.base`."""

from omma.parts.encoders import clip_grid as clip_grid
from omma.parts.encoders import patches as patches
from omma.parts.encoders import sam as sam
from omma.parts.encoders import side_by_side as side_by_side
from omma.parts.encoders import transformers_vision as transformers_vision
from omma.parts.encoders.base import ENCODERS, Encoder

# isort: split
# Last, since image tokenizers are made of encoders, and this encoder of an image tokenizer.
from omma.parts.encoders import codes as codes

__all__ = ["ENCODERS", "Encoder"]
