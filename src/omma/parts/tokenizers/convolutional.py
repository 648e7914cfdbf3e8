"""The convolutional network of VQGAN (arXiv 2012.09841, section 3.1), LlamaGen, VAR and Stable Diffusion, by `diffusers`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field, field_validator
from torch import Tensor, nn

from omma.errors import BadInput
from omma.parts.base import PartConfig
from omma.parts.tokenizers.networks import NETWORKS, Network


@NETWORKS.register("convolutional")
class Convolutional(Network):
    """Residual blocks of 3 x 3 convolutions, level by level; attention in the middle."""

    painting = ("decoder",)

    class Config(PartConfig):
        width: int = Field(default=256, ge=1)
        """Channels between encoder and decoder."""
        channels: int = Field(default=128, ge=1)
        multipliers: tuple[int, ...] = (1, 1, 2, 2, 4)
        """Of the channels, by level; every level but the last has half the side of the one before."""
        blocks: int = Field(default=2, ge=1)
        """Residual blocks of a level; the decoder has one more."""
        attention: bool = True
        """Whether the lowest level has attention, too."""
        groups: int = Field(default=32, ge=1)
        """Of the group normalization."""

        @field_validator("multipliers")
        @classmethod
        def _some(cls, multipliers: tuple[int, ...]) -> tuple[int, ...]:
            if not multipliers or min(multipliers) < 1:
                raise ValueError("one number of at least 1 for every level")
            return multipliers

    def __init__(self, config: Config, *, moments: bool = False) -> None:
        """Args:
        moments: whether the encoder writes mean and log variance instead of vectors.
        """
        super().__init__(config)
        vae = diffusers_vae()
        self.width = config.width
        self.factor = 1 << (len(config.multipliers) - 1)
        sides = tuple(config.channels * multiplier for multiplier in config.multipliers)
        if uneven := [side for side in sides if side % config.groups]:
            raise BadInput(
                "autoencoder network.groups",
                expected=f"a number that divides the channels of every level, {', '.join(map(str, sides))}",
                found=f"{config.groups}, which does not divide {uneven[0]}",
                remedy="choose another",
            )
        lower = len(sides) - 1
        lowest = "Attn" if config.attention else ""
        self.encoder: Any = vae.Encoder(
            out_channels=config.width,
            down_block_types=("DownEncoderBlock2D",) * lower + (f"{lowest}DownEncoderBlock2D",),
            block_out_channels=sides,
            layers_per_block=config.blocks,
            norm_num_groups=config.groups,
            double_z=moments,
        )
        self.decoder: Any = vae.Decoder(
            in_channels=config.width,
            up_block_types=(f"{lowest}UpDecoderBlock2D",) + ("UpDecoderBlock2D",) * lower,
            block_out_channels=sides,
            layers_per_block=config.blocks,
            norm_num_groups=config.groups,
        )

    def encode(self, pixels: Tensor) -> Tensor:
        return self.encoder(pixels)  # type: ignore[no-any-return]

    def decode(self, vectors: Tensor) -> Tensor:
        return self.decoder(vectors)  # type: ignore[no-any-return]

    def grid(self, sides: Sequence[int]) -> tuple[int, ...]:
        if len(sides) != 2 or any(side % self.factor or side < self.factor for side in sides):
            raise BadInput(
                "pictures",
                expected=f"sides that are multiples of {self.factor} pixels",
                found=" x ".join(map(str, reversed(sides))),
                remedy="resize them",
            )
        return tuple(side // self.factor for side in sides)

    @property
    def last_layer(self) -> nn.Parameter:
        return self.decoder.conv_out.weight  # type: ignore[no-any-return]


def diffusers_vae() -> Any:
    """The module of `diffusers` with the encoder and the decoder.

    Raises:
        BadInput: if `diffusers` is not installed.
    """
    try:
        from diffusers.models.autoencoders import vae
    except ImportError as error:
        raise BadInput(
            "autoencoder network", expected="the package diffusers", found=str(error), remedy="pip install 'omma[draw]'"
        ) from None
    return vae
