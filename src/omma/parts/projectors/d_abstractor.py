"""The D-Abstractor: queries that sample the features near places they learn (Honeybee, arXiv 2312.06742, section 4.2).

Its layers are those of Deformable DETR's decoder (arXiv 2010.04159, section 4.1) with one map of features. What is the
pooled map here is the queries' position term; their content starts as a learned table (the released models' choice).

Shapes: N views, T features, C channels, M queries, P points.
"""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.func import functional_call

from omma.errors import BadInput
from omma.parts.base import PartConfig
from omma.parts.projectors.attention import Attention
from omma.parts.projectors.base import PROJECTORS, Projector, Square, new_marks
from omma.parts.projectors.honeybee import SquareInput
from omma.parts.resolution.base import Grid


class DeformableAttention(nn.Module):
    """Every head of every query reads a map at a few points, whose offsets and weights the query decides."""

    def __init__(self, width: int, heads: int, points: int) -> None:
        super().__init__()
        self.heads, self.points = heads, points
        self.offsets = nn.Linear(width, heads * points * 2)
        self.weights = nn.Linear(width, heads * points)
        self.values = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    @torch.no_grad()
    def init_weights(self) -> None:
        """Heads look in directions of a circle, points ever farther, all with equal weights (appendix A.4)."""
        angles = torch.arange(self.heads, dtype=torch.float32) * (2 * math.pi / self.heads)
        directions = torch.stack([angles.cos(), angles.sin()], dim=1)
        directions /= directions.abs().amax(1, keepdim=True)
        distances = torch.arange(1, self.points + 1, dtype=torch.float32)
        nn.init.zeros_(self.offsets.weight)
        self.offsets.bias.copy_((directions[:, None] * distances[:, None]).flatten())
        nn.init.zeros_(self.weights.weight)
        nn.init.zeros_(self.weights.bias)
        for linear in (self.values, self.output):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, queries_NMC: Tensor, features_NTC: Tensor, grid: Grid, references_M2: Tensor) -> Tensor:
        """What is read, [N, M, C].

        Args:
            references_M2: (x, y) from which offsets count, 0 to 1 across the map; an offset of 1 is one feature.
        """
        batch, queries, width = queries_NMC.shape
        rows, columns = grid
        # Heads are independent maps: they join the batch.
        maps = self.values(features_NTC).unflatten(2, (self.heads, -1)).permute(0, 2, 3, 1)
        maps = maps.reshape(batch * self.heads, width // self.heads, rows, columns)
        offsets = self.offsets(queries_NMC).view(batch, queries, self.heads, self.points, 2).transpose(1, 2)
        places = references_M2[:, None] + offsets / offsets.new_tensor([columns, rows])
        read = nn.functional.grid_sample(
            maps, 2 * places.flatten(0, 1) - 1, mode="bilinear", padding_mode="zeros", align_corners=False
        )
        weights = self.weights(queries_NMC).view(batch, queries, self.heads, self.points).softmax(3)
        mixed = (read * weights.transpose(1, 2).flatten(0, 1)[:, None]).sum(3)
        return self.output(mixed.view(batch, width, queries).transpose(1, 2))


class DeformableLayer(nn.Module):
    """Self-attention of queries, deformable attention to the features, feed-forward layer; each with its norm behind it."""

    def __init__(self, config: DAbstractor.Config) -> None:
        super().__init__()
        width = config.width
        self.self_attention = Attention(width, config.heads, width // config.heads)
        self.self_norm = nn.LayerNorm(width)
        self.attention = DeformableAttention(width, config.heads, config.points)
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, config.inner), nn.ReLU(), nn.Linear(config.inner, width), nn.Dropout(config.dropout)
        )
        self.mlp_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, queries_NMC: Tensor, places_NMC: Tensor, features_NTC: Tensor, grid: Grid, references_M2: Tensor
    ) -> Tensor:
        placed = queries_NMC + places_NMC
        queries = self.self_norm(queries_NMC + self.dropout(self.self_attention(placed, placed, queries_NMC)))
        read = self.attention(queries + places_NMC, features_NTC, grid, references_M2)
        queries = self.norm(queries + self.dropout(read))
        return self.mlp_norm(queries + self.mlp(queries))


class Sampler(nn.Module):
    """All of the D-Abstractor but its last linear layer: features [N, T, d_in] to [N, M, C]."""

    def __init__(self, config: DAbstractor.Config, d_in: int) -> None:
        super().__init__()
        self.side = math.isqrt(config.queries)
        self.features = nn.Linear(d_in, config.width) if d_in != config.width else nn.Identity()
        self.input = SquareInput(config.input_side, config.width)
        self.queries = nn.Embedding(config.queries, config.width)
        # As far apart as the grid's outermost centres allow; not by torch.linspace, which loading takes off "meta".
        centres = 0.5 + torch.arange(self.side) * ((config.input_side - 1) / max(1, self.side - 1))
        y, x = torch.meshgrid(centres / config.input_side, centres / config.input_side, indexing="ij")
        self.references = nn.Embedding(config.queries, 2, _weight=torch.stack([x.flatten(), y.flatten()], dim=1))
        self.layers = nn.ModuleList(DeformableLayer(config) for _ in range(config.layers))

    def forward(self, features_NTC: Tensor, grid: Grid) -> Tensor:
        map = self.input(self.features(features_NTC), grid)
        places = nn.functional.adaptive_avg_pool2d(map, self.side).flatten(2).transpose(1, 2)
        features = map.flatten(2).transpose(1, 2)
        queries = self.queries.weight.expand(len(features), -1, -1)
        for layer in self.layers:
            queries = layer(queries, places, features, grid, self.references.weight)
        return queries


@PROJECTORS.register("d-abstractor")
class DAbstractor(Projector):
    class Config(PartConfig):
        queries: Square = 144
        input_side: int = Field(default=16, ge=1)
        """Rows and columns of features that every view has."""
        width: int = Field(default=1024, ge=1)
        layers: int = Field(default=6, ge=1)
        heads: int = Field(default=8, ge=1)
        points: int = Field(default=4, ge=1)
        """That each head of each query reads."""
        inner: int = Field(default=1024, ge=1)
        """Inner width of the feed-forward layers."""
        dropout: float = Field(default=0.1, ge=0, lt=1)

    def __init__(self, config: Config, *, d_in: int, d_out: int, marks: tuple[str, ...] = ()) -> None:
        super().__init__(config)
        if config.width % config.heads:
            raise BadInput(
                "model.projector.heads",
                expected=f"a number that divides the projector's width {config.width}",
                found=str(config.heads),
                remedy="choose another number of heads",
            )
        self.marks = new_marks(marks, d_out)
        self.sampler = Sampler(config, d_in)
        self.linear = nn.Linear(config.width, d_out)
        self.init_weights()

    def init_weights(self) -> None:
        for module in self.modules():
            if isinstance(module, DeformableAttention):
                module.init_weights()

    def grid(self, grid: Grid) -> Grid:
        """The square grid of queries.

        Raises:
            BadInput: if the features are not as many as the positions.
        """
        self.sampler.input.check(grid)
        return self.sampler.side, self.sampler.side

    def project(self, features_NTC: Tensor, grid: Grid, branch: int, cells_N2: Tensor) -> Tensor:
        # In bfloat16 a place on the map would be off by up to a sixteenth of a feature, and bilinear reading with it; so the
        # paper's models compute this in float32, and so do these, whatever the parameters are rounded to.
        whole = {name: parameter.float() for name, parameter in self.sampler.named_parameters()}
        found = functional_call(self.sampler, whole, (features_NTC.float(), grid))
        return self.linear(found.to(features_NTC.dtype))
