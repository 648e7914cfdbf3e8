"""Projectors. See `omma.parts.projectors.base`."""

from omma.parts.projectors import branch_linear as branch_linear
from omma.parts.projectors import c_abstractor as c_abstractor
from omma.parts.projectors import d_abstractor as d_abstractor
from omma.parts.projectors import encoder_decoder as encoder_decoder
from omma.parts.projectors import hybrid as hybrid
from omma.parts.projectors import identity as identity
from omma.parts.projectors import linear as linear
from omma.parts.projectors import mlp as mlp
from omma.parts.projectors import patch_embedding as patch_embedding
from omma.parts.projectors import perceiver as perceiver
from omma.parts.projectors import pixel_shuffle as pixel_shuffle
from omma.parts.projectors import q_former as q_former
from omma.parts.projectors import resampler as resampler
from omma.parts.projectors import visual_abstractor as visual_abstractor
from omma.parts.projectors.base import PROJECTORS, Projector

__all__ = ["PROJECTORS", "Projector"]
