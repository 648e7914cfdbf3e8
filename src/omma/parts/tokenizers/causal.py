"""The network of MAGVIT-v2 for pictures and clips (arXiv 2310.05737, section 3.2), as Open-MAGVIT2 (2409.04410) spells it out.

Convolutions look at the frame and those before it, never at later ones, so that a picture is the first frame of any clip: 1 + s t
frames become 1 + t. What is decoded is told again at every level by the latents' own mean and deviation.

Shapes: N pictures or clips, C channels, an optional axis of frames, rows, columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from omma.errors import BadInput
from omma.parts.base import PartConfig
from omma.parts.tokenizers.networks import NETWORKS, Network

EPSILON = 1e-6


class CausalConv3d(nn.Conv3d):
    """A convolution that sees no later frame, and keeps rows and columns where its stride is 1."""

    def __init__(self, c_in: int, c_out: int, side: int, *, stride: tuple[int, ...] = (1, 1, 1), bias: bool = True) -> None:
        super().__init__(c_in, c_out, side, stride=stride, padding=(0, side // 2, side // 2), bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, (0, 0, 0, 0, self.kernel_size[0] - 1, 0)))


def _conv(axes: int, c_in: int, c_out: int, side: int = 3, *, stride: tuple[int, ...] = (), bias: bool = True) -> nn.Module:
    if axes == 3:
        return CausalConv3d(c_in, c_out, side, stride=stride or (1, 1, 1), bias=bias)
    return nn.Conv2d(c_in, c_out, side, stride=stride or (1, 1), padding=side // 2, bias=bias)


class ResidualBlock(nn.Module):
    def __init__(self, axes: int, c_in: int, c_out: int, groups: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(groups, c_in, eps=EPSILON), nn.GroupNorm(groups, c_out, eps=EPSILON)
        self.conv1, self.conv2 = _conv(axes, c_in, c_out, bias=False), _conv(axes, c_out, c_out, bias=False)
        self.shortcut: nn.Module = nn.Identity() if c_in == c_out else _conv(axes, c_in, c_out, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.conv1(F.silu(self.norm1(x)))
        return self.shortcut(x) + self.conv2(F.silu(self.norm2(hidden)))  # type: ignore[no-any-return]


class AdaptiveGroupNorm(nn.Module):
    """Group normalization whose scale is told by the deviation, and its shift by the mean, of all latents of the picture."""

    def __init__(self, width: int, channels: int, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, eps=EPSILON, affine=False)
        self.scale, self.shift = nn.Linear(width, channels), nn.Linear(width, channels)

    def forward(self, x: Tensor, latents: Tensor) -> Tensor:
        flat = latents.flatten(2)
        # One vector alone has no deviation.
        variance = flat.var(2) if flat.shape[2] > 1 else torch.zeros_like(flat[:, :, 0])
        each = (...,) + (None,) * (x.ndim - 2)
        return self.scale((variance + EPSILON).sqrt())[each] * self.norm(x) + self.shift(flat.mean(2))[each]  # type: ignore[no-any-return]


class Upsampler(nn.Module):
    """Twice the rows and columns, and frames where wanted, out of channels. Of the first frame there is still one."""

    def __init__(self, axes: int, channels: int, blocks: tuple[int, ...]) -> None:
        super().__init__()
        count = 1
        for block in blocks:
            count *= block
        self.blocks, self.conv = blocks, _conv(axes, channels, channels * count)

    def forward(self, x: Tensor) -> Tensor:
        hidden, axes = self.conv(x), len(self.blocks)
        parted = hidden.unflatten(1, (*self.blocks, -1))
        # [N, blocks.., C, axes..] as [N, C, axis, block, axis, block, ..]
        order = [0, axes + 1, *(place for axis in range(axes) for place in (axes + 2 + axis, 1 + axis))]
        woven = parted.permute(order)
        for axis in range(axes):
            woven = woven.flatten(2 + axis, 3 + axis)
        if axes == 3 and self.blocks[0] > 1:
            woven = torch.cat([woven[:, :, :1], woven[:, :, self.blocks[0] :]], dim=2)
        return woven


@NETWORKS.register("causal")
class Causal(Network):
    painting = ("enter", "told", "levels", "leave")

    class Config(PartConfig):
        width: int = Field(default=18, ge=1)
        """Channels between encoder and decoder."""
        channels: int = Field(default=128, ge=1)
        multipliers: tuple[int, ...] = Field(default=(1, 1, 2, 2, 4), min_length=1)
        """Of the channels, by level; every level but the last has half the side of the one before."""
        blocks: int = Field(default=4, ge=1)
        """Residual blocks of a level."""
        temporal: int | None = Field(default=None, ge=0)
        """For clips: how many levels, the lowest ones, have half the frames of the one before; null for pictures alone."""
        groups: int = Field(default=32, ge=1)
        """Of the group normalization."""

        @model_validator(mode="after")
        def _possible(self) -> Causal.Config:
            for multiplier in self.multipliers:
                if multiplier < 1 or self.channels * multiplier % self.groups:
                    raise ValueError(f"channels of every level that {self.groups} groups divide")
            if (self.temporal or 0) >= len(self.multipliers):
                raise ValueError(f"at most {len(self.multipliers) - 1} levels with fewer frames")
            return self

    def __init__(self, config: Config, *, moments: bool = False) -> None:
        """Args:
        moments: whether the encoder writes mean and log variance instead of vectors.
        """
        super().__init__(config)
        self.width, levels = config.width, len(config.multipliers)
        self.factor = 1 << (levels - 1)
        self.axes = axes = 2 if config.temporal is None else 3
        sides = [config.channels * multiplier for multiplier in config.multipliers]

        def strides(level: int) -> tuple[int, ...]:
            """Between that level and the next one."""
            return (2, 2) if axes == 2 else (2 if level >= levels - 1 - (config.temporal or 0) else 1, 2, 2)

        def blocks(c_in: int, c_out: int) -> list[nn.Module]:
            widths = [c_in] + [c_out] * config.blocks
            return [ResidualBlock(axes, a, b, config.groups) for a, b in zip(widths, widths[1:], strict=False)]

        lowest = sides[-1]
        down: list[nn.Module] = [_conv(axes, 3, sides[0], bias=False)]
        for level, (before, side) in enumerate(zip([sides[0], *sides], sides, strict=False)):
            down += blocks(before, side)
            if level < levels - 1:
                down.append(_conv(axes, side, side, stride=strides(level)))
        down += [*blocks(lowest, lowest), nn.GroupNorm(config.groups, lowest, eps=EPSILON), nn.SiLU()]
        self.encoder = nn.Sequential(*down, _conv(axes, lowest, config.width * (2 if moments else 1), 1))

        self.enter = nn.Sequential(_conv(axes, config.width, lowest), *blocks(lowest, lowest))
        self.told, self.levels = nn.ModuleList(), nn.ModuleList()
        for level in reversed(range(levels)):
            before = sides[min(level + 1, levels - 1)]
            self.told.append(AdaptiveGroupNorm(config.width, before, config.groups))
            up = blocks(before, sides[level])
            if level:
                up.append(Upsampler(axes, sides[level], strides(level - 1)))
            self.levels.append(nn.Sequential(*up))
        self.leave: Any = nn.Sequential(
            nn.GroupNorm(config.groups, sides[0], eps=EPSILON), nn.SiLU(), _conv(axes, sides[0], 3)
        )

    def encode(self, pixels: Tensor) -> Tensor:
        if self.axes == 3 and pixels.ndim == 4:
            return self.encode(pixels[:, :, None])[:, :, 0]
        return self.encoder(pixels)  # type: ignore[no-any-return]

    def decode(self, vectors: Tensor) -> Tensor:
        if self.axes == 3 and vectors.ndim == 4:
            return self.decode(vectors[:, :, None])[:, :, 0]
        hidden = self.enter(vectors)
        for told, level in zip(self.told, self.levels, strict=True):
            hidden = level(told(hidden, vectors))
        return self.leave(hidden)  # type: ignore[no-any-return]

    def grid(self, sides: Sequence[int]) -> tuple[int, ...]:
        *frames, height, width = sides
        if any(side % self.factor or side < self.factor for side in (height, width)):
            raise BadInput(
                "pictures",
                expected=f"sides that are multiples of {self.factor} pixels",
                found=f"{width} x {height}",
                remedy="resize them",
            )
        if not frames:
            return height // self.factor, width // self.factor
        step = 1 << (self.config.temporal or 0)
        if self.axes == 2 or frames[0] < 2 or (frames[0] - 1) % step:
            least = f"clips of at least {1 + step} frames, one more than a multiple of {step}"
            expected = "pictures" if self.axes == 2 else least
            raise BadInput(
                "clips",
                expected=expected,
                found=f"{frames[0]} frame{'s' * (frames[0] != 1)}",
                remedy="give pictures one by one, without an axis of frames" if frames[0] == 1 or self.axes == 2 else "cut them",
            )
        return 1 + (frames[0] - 1) // step, height // self.factor, width // self.factor

    @property
    def last_layer(self) -> nn.Parameter:
        return self.leave[-1].weight  # type: ignore[no-any-return]
