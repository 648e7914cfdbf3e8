"""The Q-Former as a projector (BLIP-2, arXiv 2301.12597, section 3.3): its query branch, then a linear layer.

An objective that also runs text through the same weights (section 3.2) gives the architecture ``use_qformer_text_input``,
which adds the text's feed-forward layers, and calls `QFormer.model` with embedded text behind the queries and a mask.

Shapes: N views, T features, C channels, M queries, D width of the Q-Former, H model width.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from transformers import Blip2QFormerConfig, Blip2QFormerModel

from omma.errors import BadInput
from omma.parts.base import PartConfig
from omma.parts.projectors.base import PROJECTORS, Projector, new_marks
from omma.parts.resolution.base import Grid
from omma.parts.weights import architecture


@PROJECTORS.register("q-former")
class QFormer(Projector):
    """Queries that attend to each other in every layer, and to the features in every second one.

    Attributes:
        model: the transformer, `Blip2QFormerModel`.
        queries: [1, M, D], N(0, 0.02) at the start.
    """

    class Config(PartConfig):
        queries: int = Field(default=32, ge=1)
        architecture: dict[str, Any] = {"model_type": "blip_2_qformer"}
        """A `transformers` config as plain data; what is absent is as published (12 layers of width 768)."""

    def __init__(self, config: Config, *, d_in: int, d_out: int, marks: tuple[str, ...] = ()) -> None:
        super().__init__(config)
        settings = architecture({"encoder_hidden_size": d_in} | config.architecture, None, where="model.projector")
        if not isinstance(settings, Blip2QFormerConfig):
            raise BadInput(
                "model.projector.architecture.model_type",
                expected="blip_2_qformer",
                found=settings.model_type,
                remedy="write it so",
            )
        if settings.encoder_hidden_size != d_in:
            raise BadInput(
                "model.projector.architecture.encoder_hidden_size",
                expected=f"the encoder's width {d_in}",
                found=str(settings.encoder_hidden_size),
                remedy="leave it out",
            )
        self.marks = new_marks(marks, d_out)
        self.model = Blip2QFormerModel(settings)
        self.queries = nn.Parameter(torch.randn(1, config.queries, settings.hidden_size) * 0.02)
        self.linear = nn.Linear(settings.hidden_size, d_out)

    def grid(self, grid: Grid) -> Grid:
        return 1, self.config.queries

    def forward(self, features_NTC: Tensor) -> Tensor:
        queries = self.queries.expand(len(features_NTC), -1, -1)
        return self.linear(self.model(query_embeds=queries, encoder_hidden_states=features_NTC).last_hidden_state)
