"""SAM's encoder with two strided convolutions behind it: the vision vocabulary of Vary (arXiv 2312.06109, section 3.2).

It is here to be looked at and counted; no recipe is built on it.
"""

from __future__ import annotations

from torch import Tensor, nn
from transformers import SamVisionConfig, SamVisionModel

from omma.parts.base import PartConfig, Registry
from omma.parts.encoders.base import NORMALIZATIONS, Encoder
from omma.parts.resolution.base import Grid, Size

STRIDE = 64
"""Pixels of a side that one feature stands for: patches of 16, and two convolutions of stride 2."""

_TOWERS: Registry[type[Encoder]] = Registry("tower")


@_TOWERS.register("sam-b with convolutions")
class SamTower(Encoder):
    class Config(PartConfig):
        pass

    def __init__(self, config: Config, *, load_weights: bool = False) -> None:
        super().__init__(config)
        settings = SamVisionConfig()
        self.model = SamVisionModel(settings)
        self.width = 4 * settings.output_channels
        self.convolutions = nn.Sequential(
            nn.Conv2d(settings.output_channels, self.width // 2, 3, stride=2, padding=1, bias=False),
            nn.Conv2d(self.width // 2, self.width, 3, stride=2, padding=1, bias=False),
        )
        self.mean, self.std = NORMALIZATIONS["imagenet"]

    def grid(self, size: Size, branch: int = 0) -> Grid:
        return size[1] // STRIDE, size[0] // STRIDE

    def forward(self, pixels_NCHW: Tensor) -> Tensor:
        return self.convolutions(self.model(pixels_NCHW).last_hidden_state).flatten(2).transpose(1, 2)
