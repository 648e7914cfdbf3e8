"""Autoencoders in codes: a network, and a quantizer in its middle. And what is left of one whose decoder is not there.

VQGAN (arXiv 2012.09841), MAGVIT-v2 (2310.05737) and VAR (2404.02905) differ in both.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from omma.errors import BadInput
from omma.parts.base import PartConfig, part_field
from omma.parts.encoders.base import NORMALIZATIONS
from omma.parts.quantizers.base import QUANTIZERS, Quantizer
from omma.parts.resolution.base import Grid, Size
from omma.parts.tokenizers.base import IMAGE_TOKENIZERS, Autoencoder, Encoded, ImageTokenizer
from omma.parts.tokenizers.networks import NETWORKS, Network
from omma.parts.tokenizers.saved import load_image_tokenizer


@IMAGE_TOKENIZERS.register("quantized-encoder")
class QuantizedEncoder(ImageTokenizer):
    """The half of an autoencoder that reads, such as is published of Chameleon (arXiv 2405.09818). Pixels are in [-1, 1].

    What is read can be predicted, but not painted: neither models that draw nor the objective `reconstruction` take it.
    """

    paints = False

    class Config(PartConfig):
        network: part_field(NETWORKS)  # type: ignore[valid-type]
        quantizer: part_field(QUANTIZERS)  # type: ignore[valid-type]
        bridge: Literal[1, 3] | None = 1
        """Side of the convolutions between network and quantizer, before and behind it; none where both have the same width."""
        weights: str | None = None
        """``zoo:NAME``, or the directory of a saved one."""

        def spelled_out(self) -> dict[str, Any]:
            return {**self.to_dict(), "weights": None}

    def __init__(self, config: Config, *, load_weights: bool = False) -> None:
        super().__init__(config)
        self.network: Network = config.network.build()
        self.quantizer: Quantizer = config.quantizer.build()
        self.normalization, self.vocabulary = NORMALIZATIONS["half"], self.quantizer.vocabulary
        self.narrow: nn.Module = nn.Identity()
        outer, inner, side = self.network.width, self.quantizer.width, config.bridge
        if side is not None and self.network.axes != 2:
            raise BadInput(
                "image tokenizer.bridge",
                expected="none for a network that reads clips, which brings vectors to the quantizer's width itself",
                found=str(side),
                remedy="set bridge to null",
            )
        if side is not None:
            self.narrow = nn.Conv2d(outer, inner, side, padding=side // 2)
        elif outer != inner:
            raise BadInput(
                "image tokenizer.bridge",
                expected=f"convolutions between a network of width {outer} and a quantizer of width {inner}",
                found="none",
                remedy="give both the same width, or leave bridge out",
            )
        self._complete()
        if load_weights and config.weights is not None:
            load_image_tokenizer(self, config.weights)

    def _complete(self) -> None:
        """Leave away what only paints."""
        for name in self.network.painting:
            delattr(self.network, name)

    def in_words(self) -> str:
        side, config = self.network.factor, self.config
        codes = f"{config.quantizer.type}, {self.vocabulary:,} codes of {self.quantizer.width} numbers"
        return f"{config.network.type}, {side} x {side} pixels a vector; {codes}"

    def grid(self, size: Size) -> Grid:
        rows, columns = self.network.grid(size[::-1])
        return rows, columns

    def length(self, size: Size) -> int:
        return self.quantizer.length(self.grid(size))

    def vectors(self, pixels_NCHW: Tensor) -> Tensor:
        """[N, D, *grid], before they become codes.

        Raises:
            BadInput: for pictures, or clips [N, 3, frames, height, width], of sizes that the network cannot read.
        """
        self.network.grid(pixels_NCHW.shape[2:])
        return self.narrow(self.network.encode(pixels_NCHW))  # type: ignore[no-any-return]

    @torch.no_grad()
    def codes(self, pixels_NCHW: Tensor) -> Tensor:
        codes: Tensor = self.quantizer(self.vectors(pixels_NCHW)).codes
        return codes

    def lookup(self, codes_NT: Tensor, grid: Grid) -> Tensor:
        """The vectors [N, D, rows, columns] that codes stand for."""
        return self.quantizer.lookup(codes_NT, grid)


@IMAGE_TOKENIZERS.register("quantized-autoencoder")
class QuantizedAutoencoder(QuantizedEncoder, Autoencoder):
    """Pixels are in [-1, 1]."""

    paints = True

    def _complete(self) -> None:
        """The way back from the quantizer to the network."""
        self.terms = self.quantizer.terms
        outer, inner, side = self.network.width, self.quantizer.width, self.config.bridge
        self.widen = nn.Identity() if side is None else nn.Conv2d(inner, outer, side, padding=side // 2)

    def encode(self, pixels_NCHW: Tensor) -> Encoded:
        vectors = self.vectors(pixels_NCHW)
        quantized = self.quantizer(vectors)
        return Encoded(quantized.vectors, vectors, quantized.codes, quantized.losses)

    def follow(self, vectors: Tensor, codes_NT: Tensor) -> None:
        self.quantizer.follow(vectors, codes_NT)
