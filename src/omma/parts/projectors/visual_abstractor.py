"""The visual abstractor (mPLUG-Owl, arXiv 2304.14178, section 3.1), with UReader's places of crops (arXiv 2310.05126,
section 3.2).

Shapes: N views, T features, C channels, M queries, H model width.
"""

from __future__ import annotations

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from omma.errors import BadInput
from omma.parts.base import PartConfig
from omma.parts.projectors.attention import Attention
from omma.parts.projectors.base import PROJECTORS, Projector, new_marks
from omma.parts.resolution.base import Grid

EPS = 1e-6


class AbstractorLayer(nn.Module):
    """Queries attend to themselves and the features; then a gated feed-forward layer with a norm on its inner width."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.norm_queries = nn.LayerNorm(width, eps=EPS)
        self.norm_features = nn.LayerNorm(width, eps=EPS)
        self.attention = Attention(width, heads, width // heads)
        self.norm_mlp = nn.LayerNorm(width, eps=EPS)
        self.gate = nn.Linear(width, inner)
        self.up = nn.Linear(width, inner)
        self.norm_inner = nn.LayerNorm(inner, eps=EPS)
        self.down = nn.Linear(inner, width)

    def forward(self, queries_NMC: Tensor, features_NTC: Tensor) -> Tensor:
        queries = self.norm_queries(queries_NMC)
        seen = torch.cat([queries, self.norm_features(features_NTC)], dim=1)
        # The residual is what was normalised, not what came in: so it is in the original.
        hidden = queries + self.attention(queries, seen, seen)
        normed = self.norm_mlp(hidden)
        inner = nn.functional.silu(self.gate(normed)) * self.up(normed)
        return hidden + self.down(self.norm_inner(inner))


@PROJECTORS.register("visual-abstractor")
class VisualAbstractor(Projector):
    """Queries through cross-attention layers, plus a vector for the view's place on its canvas, then a linear layer.

    UReader ends every view with a learned vector: that is a mark of the resolution strategy.
    """

    keeps_places = False

    class Config(PartConfig):
        queries: int = Field(default=64, ge=1)
        layers: int = Field(default=6, ge=1)
        heads: int = Field(default=16, ge=1)
        inner: int = Field(default=2816, ge=1)
        """Inner width of the feed-forward layers. UReader's number of parameters is that of 2816; its code says 4096."""
        cells: int = Field(default=15, ge=0)
        """Rows and columns of views that have places; 0 for no places (mPLUG-Owl)."""
        whole_cell: int = Field(default=11, ge=0)
        """Row and column of a view of the whole picture."""
        cell_scale: float = 0.5
        """What places are multiplied with: 0.5 in UReader's code, 1 in its paper."""

        @model_validator(mode="after")
        def _whole_has_a_place(self) -> VisualAbstractor.Config:
            if self.cells and self.whole_cell >= self.cells:
                raise ValueError(f"whole_cell to be below cells, not {self.whole_cell} of {self.cells}")
            return self

    def __init__(self, config: Config, *, d_in: int, d_out: int, marks: tuple[str, ...] = ()) -> None:
        super().__init__(config)
        if d_in % config.heads:
            raise BadInput(
                "model.projector.heads",
                expected=f"a number that divides the encoder's width {d_in}",
                found=str(config.heads),
                remedy="choose another number of heads",
            )
        self.marks = new_marks(marks, d_out)
        # Only what the first norm makes of the queries is used, so their scale decides how fast they turn.
        self.queries = nn.Embedding(config.queries, d_in)
        self.layers = nn.ModuleList(AbstractorLayer(d_in, config.heads, config.inner) for _ in range(config.layers))
        self.rows = _table(config.cells, d_in) if config.cells else None
        self.columns = _table(config.cells, d_in) if config.cells else None
        self.linear = nn.Linear(d_in, d_out)

    def grid(self, grid: Grid) -> Grid:
        return 1, self.config.queries

    def project(self, features_NTC: Tensor, grid: Grid, branch: int, cells_N2: Tensor) -> Tensor:
        queries = self.queries.weight.expand(len(features_NTC), -1, -1)
        for layer in self.layers:
            queries = layer(queries, features_NTC)
        if self.rows is not None:
            queries = queries + self._places(cells_N2)[:, None]
        return self.linear(queries)

    def _places(self, cells_N2: Tensor) -> Tensor:
        """What is added to all queries of each view, [N, C]."""
        assert self.rows is not None and self.columns is not None
        last = int(cells_N2.max())
        if last >= self.config.cells:
            raise BadInput(
                "model.projector.cells",
                expected=f"a resolution strategy with at most {self.config.cells} rows and columns of views",
                found=f"row or column number {last}, counted from 0",
                remedy="give cells a larger number",
            )
        rows, columns = cells_N2.where(cells_N2 >= 0, self.config.whole_cell).unbind(1)
        return (self.rows(rows) + self.columns(columns)) * self.config.cell_scale


def _table(entries: int, width: int) -> nn.Embedding:
    table = nn.Embedding(entries, width)
    nn.init.normal_(table.weight, std=0.02)
    return table
