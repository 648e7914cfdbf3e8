"""Language-model backbones. See `omma.parts.backbones.base`."""

from omma.parts.backbones import beit3 as beit3
from omma.parts.backbones import chameleon as chameleon
from omma.parts.backbones import classes as classes
from omma.parts.backbones import emu3 as emu3
from omma.parts.backbones import transformers_causal as transformers_causal
from omma.parts.backbones import unified_io2 as unified_io2
from omma.parts.backbones.base import BACKBONES, Backbone

__all__ = ["BACKBONES", "Backbone"]
