"""Pictures as an image tokenizer's codes, each looked up in a table of vectors (Chameleon, arXiv 2405.09818, section 2.1; Emu3,
2409.18869, section 2.3).

Early fusion: behind the table a code is a token like any other. Either the tokenizer and the table are the encoder's own, or both
belong to what the model draws with: then what is read and what is drawn are one language.

Shapes: N views, T codes, C width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field
from torch import Tensor, nn

from omma.errors import BadInput
from omma.parts.base import PartConfig, part_field
from omma.parts.encoders.base import ENCODERS, NORMALIZATIONS, Encoder
from omma.parts.resolution.base import Grid, Size
from omma.parts.tokenizers.base import IMAGE_TOKENIZERS, ImageTokenizer

if TYPE_CHECKING:
    from omma.parts.painters.heads import CodeHead

SIDE = 128
"""Rows and columns of the picture by which the squares of an image tokenizer are measured."""
LARGEST = 128
"""Pixels of the largest square that is tried."""


@ENCODERS.register("codes")
class Codes(Encoder):
    """The table learns. Nothing is learned through codes: the image tokenizer stays as it is, whatever learns."""

    exact = True
    patch: int

    class Config(PartConfig):
        width: int = Field(gt=0)
        """Numbers of a code's vector; where the table is the painter's, the language model's width."""
        patch: int = Field(gt=0)
        """Side in pixels of the squares that the image tokenizer has a code for."""
        image_tokenizer: part_field(IMAGE_TOKENIZERS) | None = None  # type: ignore[valid-type]
        """What reads; if absent, that which the model draws with, and the painter's table."""

        @property
        def has_weights(self) -> bool:
            return self.image_tokenizer is not None and self.image_tokenizer.has_weights

        def spelled_out(self) -> dict[str, Any]:
            own = None if self.image_tokenizer is None else self.image_tokenizer.spelled_out()
            return {**self.to_dict(), "image_tokenizer": own}

    def __init__(self, config: Config, *, load_weights: bool = False) -> None:
        super().__init__(config)
        self.width, self.patch = config.width, config.patch
        self.mean, self.std = NORMALIZATIONS["half"]
        # In a list: both may be other parts'.
        self._shared: list[tuple[ImageTokenizer, CodeHead]] = []
        # The table comes first: what a model computes in is told by its first weights.
        self.table: nn.Embedding | None = None
        self.image_tokenizer: ImageTokenizer | None = None
        if config.image_tokenizer is not None:
            tokenizer: ImageTokenizer = config.image_tokenizer.build(load_weights=load_weights)
            self._check(tokenizer, "model.encoder.image_tokenizer")
            self.mean, self.std = tokenizer.normalization
            self.table = nn.Embedding(tokenizer.vocabulary, config.width)
            nn.init.trunc_normal_(self.table.weight, std=0.02)
            self.image_tokenizer = tokenizer.eval()

    def share(self, tokenizer: ImageTokenizer | None, head: CodeHead | None, width: int) -> None:
        if self.image_tokenizer is not None:
            return
        if tokenizer is None or head is None:
            raise BadInput(
                "model.encoder.image_tokenizer",
                expected="an image tokenizer, or a model that draws with codes, whose image tokenizer reads as well",
                found="neither" if tokenizer is None else f"one that draws with {tokenizer.config.type} and no table of codes",
                remedy="give the encoder an image tokenizer of its own",
            )
        self._check(tokenizer, "model.image_tokenizer")
        if tokenizer.normalization != (self.mean, self.std):
            raise BadInput(
                "model.image_tokenizer",
                expected="one that reads pixels in [-1, 1], since the encoder reads with it, too",
                found=tokenizer.config.type,
                remedy="give the encoder an image tokenizer of its own",
            )
        if width != self.width:
            raise BadInput(
                "model.encoder.width",
                expected=f"{width}, the width of the painter's table and of the language model",
                found=str(self.width),
                remedy="change it",
            )
        self._shared = [(tokenizer, head)]

    def _check(self, tokenizer: ImageTokenizer, where: str) -> None:
        """See that it has one code for every square of the patch's side. Raises BadInput if not."""
        kind = tokenizer.config.type
        fits = [side for side in range(1, LARGEST + 1) if _squares(tokenizer, side)] if tokenizer.vocabulary else []
        if tokenizer.varies or not fits:
            raise BadInput(
                where,
                expected="one with a code for every square of a picture",
                found=f"{kind}, with others" if tokenizer.vocabulary else f"{kind}, without codes",
                remedy="use quantized-autoencoder or quantized-encoder with a single book of codes",
            )
        if self.patch not in fits:
            raise BadInput(
                "model.encoder.patch",
                expected=f"{fits[0]}, the side in pixels of the squares that {kind} has a code for",
                found=str(self.patch),
                remedy="change it",
            )

    def train(self, mode: bool = True) -> Codes:
        """What reads does not learn: its norms keep their statistics."""
        super().train(mode)
        if self.image_tokenizer is not None:
            self.image_tokenizer.eval()
        return self

    @property
    def learns(self) -> bool:
        return super().learns or any(p.requires_grad for _, head in self._shared for p in head.parameters())

    def grid(self, size: Size, branch: int = 0) -> Grid:
        return size[1] // self.patch, size[0] // self.patch

    def forward(self, pixels_NCHW: Tensor) -> Tensor:
        return self.embed(self.codes(pixels_NCHW))

    def codes(self, pixels_NCHW: Tensor) -> Tensor:
        """Numbers of codes [N, T]; pixels beyond the last whole square are left out."""
        tokenizer = self._shared[0][0] if self.image_tokenizer is None else self.image_tokenizer
        rows, columns = self.grid((pixels_NCHW.shape[3], pixels_NCHW.shape[2]))
        whole = pixels_NCHW[:, :, : rows * self.patch, : columns * self.patch]
        return tokenizer.codes(whole.to(next(tokenizer.parameters()).dtype))

    def embed(self, codes: Tensor) -> Tensor:
        """Vectors [..., C] of codes [...]."""
        return self._shared[0][1].embed(codes) if self.table is None else self.table(codes)


def _squares(tokenizer: ImageTokenizer, side: int) -> bool:
    """Whether it has one code for every square of that many pixels."""
    size = (SIDE * side, SIDE * side)
    try:
        return tokenizer.grid(size) == (SIDE, SIDE) and tokenizer.length(size) == SIDE**2
    except BadInput:
        return False
