"""The network of MoVQ (arXiv 2209.09002) for pictures, and of Emu3's tokenizer (2409.18869, "Vision Tokenizer") for clips.

It is VQGAN's, but for the decoder's norms: each is modulated, place by place, by the quantized vectors themselves. For clips,
frames are read one by one, and temporal convolutions behind the encoder put 2^t of them into one; others, before the decoder,
make 2^t of each. They see no later frame. A picture is a clip of 2^t equal frames, and of those that are painted the first.

Encoder and decoder of single frames are `diffusers`'.

Shapes: N pictures or clips, C channels, an optional axis T of frames, rows, columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional as F

from omma.errors import BadInput
from omma.parts.base import PartConfig
from omma.parts.tokenizers.convolutional import diffusers_vae
from omma.parts.tokenizers.networks import NETWORKS, Network

GROUPS = 32
"""Of all group normalizations: `diffusers`' modulated one knows no other number."""


class TemporalConv(nn.Conv3d):
    """A convolution that sees no later frame, and keeps rows and columns.

    Args:
        kernel: frames, and the side of the squares.
        stride: of frames.
    """

    def __init__(self, c_in: int, c_out: int, kernel: tuple[int, int], *, stride: int = 1) -> None:
        frames, side = kernel
        super().__init__(c_in, c_out, (frames, side, side), stride=(stride, 1, 1), padding=(0, side // 2, side // 2))
        self.before = frames - stride

    def forward(self, x_NCTHW: Tensor) -> Tensor:
        return super().forward(F.pad(x_NCTHW, (0, 0, 0, 0, self.before, 0)))


class TemporalBlock(nn.Module):
    """A residual block of temporal convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm3d(channels), nn.BatchNorm3d(channels)
        self.conv1, self.conv2 = (TemporalConv(channels, channels, (3, 3)) for _ in range(2))

    def forward(self, x_NCTHW: Tensor) -> Tensor:
        hidden = self.conv1(F.silu(self.norm1(x_NCTHW)))
        return x_NCTHW + self.conv2(F.silu(self.norm2(hidden)))  # type: ignore[no-any-return]


class Fewer(nn.Module):
    """Half the frames."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = TemporalConv(channels, channels, (4, 3), stride=2)

    def forward(self, x_NCTHW: Tensor) -> Tensor:
        return F.silu(self.conv(x_NCTHW))


class More(nn.Module):
    """Twice the frames."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = TemporalConv(channels, channels, (3, 3))

    def forward(self, x_NCTHW: Tensor) -> Tensor:
        return F.silu(self.conv(x_NCTHW.repeat_interleave(2, dim=2)))


@NETWORKS.register("movq")
class Movq(Network):
    painting = ("leave", "paint_time", "decoder")

    class Config(PartConfig):
        width: int = Field(default=4, ge=1)
        """Numbers of a code, and channels between encoder and decoder."""
        channels: int = Field(default=256, ge=1)
        multipliers: tuple[int, ...] = Field(default=(1, 2, 2, 4), min_length=1)
        """Of the channels, by level; every level but the last has half the side of the one before."""
        blocks: int = Field(default=2, ge=1)
        """Residual blocks of a level, and temporal ones of either side; a level of the decoder has one more."""
        attention: bool = True
        """Whether the lowest level has attention, too."""
        temporal: int | None = Field(default=2, ge=0)
        """For clips: how often there are half as many frames; null for pictures alone."""

        @field_validator("multipliers")
        @classmethod
        def _some(cls, multipliers: tuple[int, ...]) -> tuple[int, ...]:
            if min(multipliers) < 1:
                raise ValueError("one number of at least 1 for every level")
            return multipliers

    def __init__(self, config: Config, *, moments: bool = False) -> None:
        """Args:
        moments: whether the encoder writes mean and log variance instead of vectors.
        """
        super().__init__(config)
        vae = diffusers_vae()
        self.width, self.factor = config.width, 1 << (len(config.multipliers) - 1)
        self.axes = 2 if config.temporal is None else 3
        self.frames = 1 << (config.temporal or 0)
        sides = tuple(config.channels * multiplier for multiplier in config.multipliers)
        if uneven := [side for side in sides if side % GROUPS]:
            raise BadInput(
                "autoencoder network.channels",
                expected=f"channels that {GROUPS} groups divide at every level",
                found=", ".join(map(str, sides)) + f", of which it does not divide {uneven[0]}",
                remedy=f"use multiples of {GROUPS}",
            )
        lower, lowest = len(sides) - 1, "Attn" if config.attention else ""
        shared: dict[str, Any] = {"block_out_channels": sides, "layers_per_block": config.blocks, "norm_num_groups": GROUPS}
        self.encoder: Any = vae.Encoder(
            out_channels=config.width,
            down_block_types=("DownEncoderBlock2D",) * lower + (f"{lowest}DownEncoderBlock2D",),
            double_z=moments,
            **shared,
        )
        self.decoder: Any = vae.Decoder(
            in_channels=config.width,
            up_block_types=(f"{lowest}UpDecoderBlock2D",) + ("UpDecoderBlock2D",) * lower,
            norm_type="spatial",
            **shared,
        )
        told = config.width * (2 if moments else 1)
        self.enter, self.leave = self._bridge(told), self._bridge(config.width)
        self.read_time, self.paint_time = nn.Sequential(), nn.Sequential()
        if config.temporal is not None:
            halvings, blocks = range(config.temporal), range(config.blocks)
            self.read_time = nn.Sequential(*(Fewer(told) for _ in halvings), *(TemporalBlock(told) for _ in blocks))
            paint = (*(TemporalBlock(config.width) for _ in blocks), *(More(config.width) for _ in halvings))
            self.paint_time = nn.Sequential(*paint)

    def _bridge(self, channels: int) -> nn.Module:
        """Between what frames are read as and vectors."""
        return nn.Conv2d(channels, channels, 1) if self.axes == 2 else TemporalConv(channels, channels, (3, 1))

    def encode(self, pixels: Tensor) -> Tensor:
        if self.axes == 2:
            return self.enter(self.encoder(pixels))  # type: ignore[no-any-return]
        if pixels.ndim == 4:
            return self.encode(pixels[:, :, None].expand(-1, -1, self.frames, -1, -1))[:, :, 0]
        frames = self.encoder(pixels.transpose(1, 2).flatten(0, 1))
        clips = frames.unflatten(0, (len(pixels), -1)).transpose(1, 2)
        return self.enter(self.read_time(clips))  # type: ignore[no-any-return]

    def decode(self, vectors: Tensor) -> Tensor:
        if self.axes == 2:
            return self.decoder(self.leave(vectors), vectors)  # type: ignore[no-any-return]
        if vectors.ndim == 4:
            return self.decode(vectors[:, :, None])[:, :, 0]
        # What modulates goes the same way through time as what is painted.
        both = self.paint_time(torch.cat([self.leave(vectors), vectors]))
        painted, told = both.transpose(1, 2).flatten(0, 1).chunk(2)
        return self.decoder(painted, told).unflatten(0, (len(vectors), -1)).transpose(1, 2)  # type: ignore[no-any-return]

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
        if self.axes == 2 or frames[0] < 1 or frames[0] % self.frames:
            raise BadInput(
                "clips",
                expected="pictures" if self.axes == 2 else f"frames in multiples of {self.frames}",
                found=f"{frames[0]} frame{'s' * (frames[0] != 1)}",
                remedy="give them one by one, without an axis of frames" if self.axes == 2 else "cut them",
            )
        return frames[0] // self.frames, height // self.factor, width // self.factor

    @property
    def last_layer(self) -> nn.Parameter:
        return self.decoder.conv_out.weight  # type: ignore[no-any-return]
