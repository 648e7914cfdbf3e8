"""Objectives: what is learned. See `omma.objectives.base`."""

from omma.objectives import aligned_by_place as aligned_by_place
from omma.objectives import captioning as captioning
from omma.objectives import class_drawing as class_drawing
from omma.objectives import classification as classification
from omma.objectives import contrastive as contrastive
from omma.objectives import diffusion as diffusion
from omma.objectives import drawing as drawing
from omma.objectives import dynamic_tokens as dynamic_tokens
from omma.objectives import itc_itm_itg as itc_itm_itg
from omma.objectives import joint as joint
from omma.objectives import language_modeling as language_modeling
from omma.objectives import masked_data_modeling as masked_data_modeling
from omma.objectives import masked_image as masked_image
from omma.objectives import masked_language_modeling as masked_language_modeling
from omma.objectives import reconstruction as reconstruction
from omma.objectives import self_distillation as self_distillation
from omma.objectives import told_by_place as told_by_place
from omma.objectives import transcription as transcription
from omma.objectives import vq_kd as vq_kd
from omma.objectives.base import OBJECTIVES, Objective

__all__ = ["OBJECTIVES", "Objective"]
