"""A whole Transformer as a projector: an encoder of the features, and a decoder of queries that read them (NExT-GPT's output
projection, arXiv 2309.05519, section 3).

Shapes: N views, T features, C channels, M queries, D width of the Transformer, H width of what comes out.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from omma.errors import BadInput
from omma.parts.projectors.base import PROJECTORS, Projector, new_marks
from omma.parts.resolution.base import Grid


@PROJECTORS.register("encoder-decoder")
class EncoderDecoder(Projector):
    """Attributes:
    queries: [1, M, D], N(0, 1) at the start.
    """

    keeps_places = False

    class Config(Projector.Config):
        queries: int = Field(default=77, ge=1)
        width: int = Field(default=512, ge=1)
        heads: int = Field(default=4, ge=1)
        inner: int = Field(default=2048, ge=1)
        """Of the MLPs."""
        layers: int = Field(default=4, ge=1)
        """Of the encoder, and of the decoder."""

    def __init__(self, config: Config, *, d_in: int, d_out: int, marks: tuple[str, ...] = ()) -> None:
        super().__init__(config)
        width, heads = config.width, config.heads
        if width % heads:
            raise BadInput(
                "model.projector.heads",
                expected=f"a divisor of the width {width}",
                found=str(heads),
                remedy="choose another number of heads",
            )
        self.marks = new_marks(marks, d_out)
        self.narrow = nn.Linear(d_in, width)
        self.queries = nn.Parameter(torch.randn(1, config.queries, width))
        common = {"dim_feedforward": config.inner, "dropout": 0.0, "batch_first": True, "norm_first": True}
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(width, heads, **common),  # type: ignore[arg-type]
            config.layers,
            nn.LayerNorm(width),
            enable_nested_tensor=False,
        )
        self.decoder = nn.TransformerDecoder(
            nn.TransformerDecoderLayer(width, heads, **common),  # type: ignore[arg-type]
            config.layers,
            nn.LayerNorm(width),
        )
        self.widen = nn.Linear(width, d_out)

    def grid(self, grid: Grid) -> Grid:
        return 1, self.config.queries

    def init_weights(self) -> None:
        # Deep in a Transformer, weights of N(0, 0.02) hardly speak: as PyTorch's own begins.
        for side in (self.encoder, self.decoder):
            for parameter in side.parameters():
                if parameter.ndim > 1:
                    nn.init.xavier_uniform_(parameter)

    def forward(self, features_NTC: Tensor) -> Tensor:
        queries = self.queries.expand(len(features_NTC), -1, -1)
        return self.widen(self.decoder(queries, self.encoder(self.narrow(features_NTC))))  # type: ignore[no-any-return]
