"""Pixels as networks read and write them, and as pictures have them.

Shapes: V views of one size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from omma.parts.encoders.base import Triple


def normalize(views_VHW3: Tensor, mean: Triple, std: Triple) -> Tensor:
    """Normalised float32 pixels [V, 3, height, width] from uint8 views [V, height, width, 3]."""
    pixels = views_VHW3.permute(0, 3, 1, 2).to(torch.float32) / 255
    shape = (1, 3, 1, 1)
    return (pixels - pixels.new_tensor(mean).view(shape)) / pixels.new_tensor(std).view(shape)


def denormalize(pixels_VCHW: Tensor, mean: Triple, std: Triple) -> Tensor:
    """uint8 views [V, height, width, 3] from normalised pixels [V, 3, height, width], which are limited to what pixels can be."""
    shape = (1, 3, 1, 1)
    pixels = pixels_VCHW.float()
    pixels = pixels * pixels.new_tensor(std).view(shape) + pixels.new_tensor(mean).view(shape)
    return (pixels.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
