"""Codes for what matters in a picture, more of them where there is more to say, and a diffusion network that paints it (LaVIT,
arXiv 2309.04669, section 3.1).

Of an encoder's features some are kept, which take over what is in the others, and become the nearest codes of one book. From the
codes all features can be told again, and those tell the diffusion network what to paint. Two objectives teach it, one after the
other: `dynamic-tokens` everything up to the features that are told again, `diffusion` the network and the layer in front of it.

Shapes: N pictures, T features, C channels of the encoder, D numbers of a code.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from omma.errors import BadInput
from omma.parts.base import part_field
from omma.parts.encoders.base import Encoder
from omma.parts.quantizers.base import QUANTIZERS, Quantizer
from omma.parts.quantizers.vq import Vq
from omma.parts.resolution.base import Size
from omma.parts.tokenizers.base import IMAGE_TOKENIZERS, NO_CODE
from omma.parts.tokenizers.diffusion import FeatureDiffuser
from omma.parts.tokenizers.merging import Merger, Rebuilder, Selector, kept


@IMAGE_TOKENIZERS.register("dynamic")
class Dynamic(FeatureDiffuser):
    varies = True

    class Config(FeatureDiffuser.Config):
        features: int = Field(default=256, ge=1)
        """Of a picture, T; it has that many codes at most."""
        layers: int = Field(default=12, ge=1)
        """Blocks of what merges features, and of what tells them again."""
        heads: int = Field(default=16, ge=1)
        mlp: int = Field(default=6144, ge=1)
        """Width of their MLPs."""
        quantizer: part_field(QUANTIZERS)  # type: ignore[valid-type]
        """Of type ``vq``."""

    def __init__(self, config: Config, *, load_weights: bool = False, shared: Encoder | None = None) -> None:
        super().__init__(config, shared=shared, is_told=False, load_weights=load_weights)
        channels = self.reader.width
        if channels % config.heads or channels % 4:
            raise BadInput(
                "image tokenizer.heads",
                expected=f"heads that divide the encoder's {channels} channels, which are a multiple of 4",
                found=str(config.heads),
                remedy="change them, or the encoder",
            )
        quantizer: Quantizer = config.quantizer.build()
        if not isinstance(quantizer, Vq):
            raise BadInput(
                "image tokenizer.quantizer",
                expected="one of type vq, which takes vectors one by one",
                found=config.quantizer.type,
                remedy="choose it",
            )
        self.quantizer = quantizer
        self.vocabulary = quantizer.vocabulary
        shape = {"layers": config.layers, "heads": config.heads, "mlp": config.mlp}
        self.selector, self.merger = Selector(channels), Merger(channels, **shape)
        self.narrow = nn.Sequential(nn.Linear(channels, channels), nn.Tanh(), nn.Linear(channels, quantizer.width))
        self.rebuilder = Rebuilder(quantizer.width, channels, config.features, **shape)
        self.tell = nn.Linear(channels, self.width)
        self.load_own(load_weights=load_weights)

    def in_words(self) -> str:
        codes = f"{self.vocabulary:,} codes of {self.quantizer.width} numbers, {self.config.features} of a picture at most"
        return f"{codes}; {super().in_words()}"

    def length(self, size: Size) -> int:
        rows, columns = self.grid(size)
        if rows * columns != self.config.features:
            raise BadInput(
                "image tokenizer.features",
                expected=f"the number of features of a picture of {size[0]} x {size[1]} pixels, {rows * columns}",
                found=str(self.config.features),
                remedy="change it, or the size of pictures",
            )
        return rows * columns

    @torch.no_grad()
    def codes(self, pixels_NCHW: Tensor) -> Tensor:
        """Numbers [N, T], and `NO_CODE` behind the last one of each picture. What is likelier to be kept than not is kept."""
        height, width = pixels_NCHW.shape[2:]
        most = self.length((width, height))
        features = self.features(pixels_NCHW)
        tokens, there = self.merger.packed(features, kept(self.selector(features)) > 0.5)
        codes = self.quantizer(self.narrow(tokens).transpose(1, 2)).codes
        return F.pad(codes.masked_fill(~there, NO_CODE), (0, most - codes.shape[1]), value=NO_CODE)

    def rebuilt(self, codes_NK: Tensor) -> Tensor:
        """All features [N, T, C], told again from codes with `NO_CODE` behind the last one of each picture; of T at most."""
        there = codes_NK != NO_CODE
        count = codes_NK.shape[1]
        vectors = self.quantizer.lookup(codes_NK.clamp(min=0), (count,)).transpose(1, 2)
        numbers = torch.arange(count, device=codes_NK.device).expand_as(codes_NK)
        return self.rebuilder(vectors, numbers, there.float())

    def told(self, read: Tensor) -> Tensor:
        with torch.no_grad():
            features = self.rebuilt(read)
        return self.tell(features)
