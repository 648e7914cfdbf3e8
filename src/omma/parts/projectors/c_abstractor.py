"""The C-Abstractor: convolutions, a pooling to any number of tokens, convolutions (Honeybee, arXiv 2312.06742, section 4.2).

Shapes: N views, T features, C channels, H model width.
"""

from __future__ import annotations

import math

from pydantic import Field
from torch import Tensor, nn

from omma.parts.base import PartConfig
from omma.parts.projectors.base import PROJECTORS, Projector, Square, new_marks
from omma.parts.projectors.honeybee import SquareInput
from omma.parts.resolution.base import Grid

SQUEEZE = 4
"""Squeeze-and-excitation passes through so much fewer channels than come into the block."""


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of a map [N, C, rows, columns]."""

    def __init__(self, width: int) -> None:
        super().__init__(width, eps=1e-6)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class SqueezeExcite(nn.Module):
    """Channels scaled by what the mean over the map says (arXiv 1709.01507, section 3)."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(nn.Conv2d(width, inner, 1), nn.SiLU(), nn.Conv2d(inner, width, 1), nn.Sigmoid())

    def forward(self, map: Tensor) -> Tensor:
        return map * self.gate(map.mean((2, 3), keepdim=True))


class Bottleneck(nn.Module):
    """A RegNet block (arXiv 2003.13678, section 3.1) with depthwise convolution, squeeze-and-excitation and no bottleneck."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(width_in, width, 1, bias=False),
            ChannelNorm(width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
            ChannelNorm(width),
            nn.SiLU(),
            SqueezeExcite(width, round(width_in / SQUEEZE)),
            nn.Conv2d(width, width, 1, bias=False),
            ChannelNorm(width),
        )
        self.shortcut: nn.Module = nn.Identity()
        if width_in != width:
            self.shortcut = nn.Sequential(nn.Conv2d(width_in, width, 1, bias=False), ChannelNorm(width))

    def forward(self, map: Tensor) -> Tensor:
        return nn.functional.silu(self.block(map) + self.shortcut(map))


@PROJECTORS.register("c-abstractor")
class CAbstractor(Projector):
    class Config(PartConfig):
        tokens: Square = 144
        input_side: int = Field(default=16, ge=1)
        """Rows and columns of features that every view has."""
        width: int = Field(default=1024, ge=4)
        depth: int = Field(default=3, ge=1)
        """Blocks before the pooling, and as many behind it."""

    def __init__(self, config: Config, *, d_in: int, d_out: int, marks: tuple[str, ...] = ()) -> None:
        super().__init__(config)
        self.marks = new_marks(marks, d_out)
        self.input = SquareInput(config.input_side, d_in)
        more = range(config.depth - 1)
        self.net = nn.Sequential(
            Bottleneck(d_in, config.width),
            *(Bottleneck(config.width, config.width) for _ in more),
            # Windows of unequal sizes that overlap, where the side of the tokens does not divide that of the features.
            nn.AdaptiveAvgPool2d(self.side),
            *(Bottleneck(config.width, config.width) for _ in range(config.depth)),
        )
        self.readout = nn.Sequential(nn.Linear(config.width, d_out), nn.SiLU(), nn.Linear(d_out, d_out))

    @property
    def side(self) -> int:
        """Of the grid of tokens."""
        return math.isqrt(self.config.tokens)

    def grid(self, grid: Grid) -> Grid:
        """The square grid of tokens.

        Raises:
            BadInput: if the features are not as many as the positions.
        """
        self.input.check(grid)
        return self.side, self.side

    def project(self, features_NTC: Tensor, grid: Grid, branch: int, cells_N2: Tensor) -> Tensor:
        return self.readout(self.net(self.input(features_NTC, grid)).flatten(2).transpose(1, 2))
