"""Networks of autoencoders: pixels to a small grid of many channels, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from omma.parts.base import Part, PartConfig, Registry


class Network(Part, nn.Module):
    """Encoder and decoder of an autoencoder.

    Attributes:
        width: channels between the two, L.
        factor: pixels of a side that one vector stands for.
        axes: of what it reads besides channels: 2 for pictures, 3 for clips.
        painting: names of its modules that only paint.

    Built with ``moments``, its encoder writes mean and log variance, 2 L channels.
    """

    width: int
    factor: int
    axes: int = 2
    painting: ClassVar[tuple[str, ...]] = ()

    class Config(PartConfig):
        pass

    def encode(self, pixels: Tensor) -> Tensor:
        """[N, 3, height, width] (or with frames before the height) as [N, L or 2 L, *grid]."""
        raise NotImplementedError

    def decode(self, vectors: Tensor) -> Tensor:
        """The way back."""
        raise NotImplementedError

    def grid(self, sides: Sequence[int]) -> tuple[int, ...]:
        """Of pixels of these sides (height, width; frames before them).

        Raises:
            BadInput: if it cannot read them.
        """
        raise NotImplementedError

    @property
    def last_layer(self) -> nn.Parameter:
        """The weight of the last layer of the decoder."""
        raise NotImplementedError


NETWORKS: Registry[type[Network]] = Registry("autoencoder network")
