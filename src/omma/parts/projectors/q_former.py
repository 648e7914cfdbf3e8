"""The Q-Former as a projector (BLIP-2, arXiv 2301.12597, section 3.3): its query branch, then a linear layer.

An objective that also runs text through the same blocks (section 3.2) brings the text's half of them along, see
`omma.objectives.itc_itm_itg`.

Shapes: N views, T features, C channels, M queries, D width of the Q-Former, H model width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from transformers import BertModel, Blip2QFormerConfig, Blip2QFormerModel

from omma.errors import BadInput
from omma.parts.base import PartConfig
from omma.parts.projectors.base import PROJECTORS, Projector, new_marks
from omma.parts.resolution.base import Grid
from omma.parts.weights import architecture, locate


@PROJECTORS.register("q-former")
class QFormer(Projector):
    """Queries that attend to each other in every layer, and to the features in every second one.

    Attributes:
        model: the transformer, `Blip2QFormerModel`.
        queries: [1, M, D], N(0, 0.02) at the start.
    """

    keeps_places = False

    class Config(PartConfig):
        queries: int = Field(default=32, ge=1)
        architecture: dict[str, Any] = {"model_type": "blip_2_qformer"}
        """A `transformers` config as plain data; what is absent is as published (12 layers of width 768)."""
        weights: str | None = None
        """A BERT (directory or hub name) from which its blocks begin, as published; what looks at features begins at random."""

        def spelled_out(self) -> dict[str, Any]:
            return self.to_dict() | {"weights": None}

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

    def load_weights(self, source: str) -> None:
        """Begin with the blocks of a BERT.

        Raises:
            BadInput: if it is none of the same shape.
        """
        own = self.model.config
        shape = {"hidden_size": own.hidden_size, "num_hidden_layers": own.num_hidden_layers}
        bert = bert_of(source, shape, where="model.projector.weights")
        self.model.layernorm.load_state_dict(bert.embeddings.LayerNorm.state_dict())
        for block, layer in zip(self.model.encoder.layer, bert.encoder.layer, strict=True):
            block.attention.attention.load_state_dict(layer.attention.self.state_dict())
            block.attention.output.load_state_dict(layer.attention.output.state_dict())
            block.intermediate_query.load_state_dict(layer.intermediate.state_dict())
            block.output_query.load_state_dict(layer.output.state_dict())

    def grid(self, grid: Grid) -> Grid:
        return 1, self.config.queries

    def forward(self, features_NTC: Tensor) -> Tensor:
        queries = self.queries.expand(len(features_NTC), -1, -1)
        return self.linear(self.model(query_embeds=queries, encoder_hidden_states=features_NTC).last_hidden_state)


def bert_of(source: str, shape: Mapping[str, int], *, where: str) -> BertModel:
    """A published BERT, in float32.

    Raises:
        BadInput: if it is none, or differs in a field of its config that ``shape`` names.
    """
    bert = BertModel.from_pretrained(locate(source, where=where), add_pooling_layer=False, dtype=torch.float32)
    found = {name: getattr(bert.config, name) for name in shape}
    if found != shape or bert.config.model_type != "bert":
        raise BadInput(
            where,
            expected="a BERT with " + ", ".join(f"{name} {value}" for name, value in shape.items()),
            found=", ".join(f"{name} {value}" for name, value in found.items()),
            remedy="name another, or change the architecture of the q-former",
        )
    return bert
