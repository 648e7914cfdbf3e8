"""The autoencoder of latent diffusion (arXiv 2112.10752, section 3.1, "KL-reg.").

Vectors are drawn from a normal distribution, which is kept near the standard one. There are no codes: what diffuses is vectors.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from omma.errors import BadInput
from omma.parts.base import PartConfig, part_field
from omma.parts.encoders.base import NORMALIZATIONS
from omma.parts.pixels import normalize
from omma.parts.quantizers.base import on_grid, rows
from omma.parts.resolution.base import Grid
from omma.parts.tokenizers.base import IMAGE_TOKENIZERS, Autoencoder, Encoded
from omma.parts.tokenizers.convolutional import diffusers_vae
from omma.parts.tokenizers.networks import NETWORKS, Network
from omma.parts.tokenizers.saved import load_image_tokenizer


@IMAGE_TOKENIZERS.register("kl-autoencoder")
class KlAutoencoder(Autoencoder):
    """Pixels are in [-1, 1]. In training vectors are drawn; else they are the means."""

    vocabulary = 0
    terms = ("kl",)

    class Config(PartConfig):
        network: part_field(NETWORKS)  # type: ignore[valid-type]
        kl: float = Field(default=1e-6, ge=0)
        """Share of the divergence from the standard normal distribution, in nats a picture."""
        weights: str | None = None
        """``zoo:NAME``, or the directory of a saved one."""

        def spelled_out(self) -> dict[str, Any]:
            return {**self.to_dict(), "weights": None}

    def __init__(self, config: Config, *, load_weights: bool = False) -> None:
        super().__init__(config)
        self.network: Network = config.network.build(moments=True)
        self.normalization = NORMALIZATIONS["half"]
        if self.network.axes != 2:
            raise BadInput(
                "image tokenizer.network",
                expected="one that reads pictures",
                found="one for clips",
                remedy="leave temporal out",
            )
        width = self.network.width
        self.narrow, self.widen = nn.Conv2d(2 * width, 2 * width, 1), nn.Conv2d(width, width, 1)
        if load_weights and config.weights is not None:
            load_image_tokenizer(self, config.weights)

    def in_words(self) -> str:
        side, network = self.network.factor, self.network
        return f"{self.config.network.type}, {side} x {side} pixels a vector of {network.width} numbers"

    def distribution(self, pixels_NCHW: Tensor) -> Any:
        """The normal distribution of the vectors: diffusers' `DiagonalGaussianDistribution`."""
        self.network.grid(pixels_NCHW.shape[2:])
        return diffusers_vae().DiagonalGaussianDistribution(self.narrow(self.network.encode(pixels_NCHW)).float())

    def encode(self, pixels_NCHW: Tensor) -> Encoded:
        found = self.distribution(pixels_NCHW)
        vectors = found.sample() if self.training else found.mode()
        return Encoded(vectors, vectors, None, {"kl": self.config.kl * found.kl().mean()})

    @torch.no_grad()
    def read(self, views_NHW3: Tensor) -> Tensor:
        """The means [N, T, D] of the vectors, row by row."""
        pixels = normalize(views_NHW3, *self.normalization)
        return rows(self.distribution(pixels.to(next(self.parameters()).dtype)).mode())

    def lookup(self, codes_NT: Tensor, grid: Grid) -> Tensor:
        """Vectors [N, T, D] on their grid: they stand for themselves."""
        return on_grid(codes_NT, grid)
