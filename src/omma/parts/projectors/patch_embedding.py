"""BEiT-3's picture embedding (arXiv 2208.10442; BEiT, 2106.08254, section 2.2): one linear layer over the pixels of a patch, a
learned vector before them all, learned positions, and a learned vector in place of patches that are to be guessed.

Shapes: N views, T patches, C numbers of a patch, H width of the language model.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from omma.parts.base import PartConfig
from omma.parts.projectors.base import PROJECTORS, Projector, new_marks
from omma.parts.resolution.base import Grid

UNUSED = 2
"""Rows of the position table before the first one that is used, as the release has them."""


@PROJECTORS.register("patch-embedding")
class PatchEmbedding(Projector):
    class Config(PartConfig):
        input_side: int = Field(ge=1)
        """Rows, and columns, of patches that there is a position for; those of other grids are interpolated."""

    def __init__(self, config: Config, *, d_in: int, d_out: int, marks: tuple[str, ...] = ()) -> None:
        super().__init__(config)
        self.marks = new_marks(marks, d_out)
        self.linear = nn.Linear(d_in, d_out)
        self.first = nn.Parameter(torch.empty(d_out))
        self.mask = nn.Parameter(torch.empty(d_out))
        self.positions = nn.Embedding(UNUSED + 1 + config.input_side**2, d_out)
        self.init_weights()

    def init_weights(self) -> None:
        for parameter in (self.first, self.mask, self.positions.weight):
            nn.init.normal_(parameter, std=0.02)

    def grid(self, grid: Grid) -> Grid:
        return 1, 1 + grid[0] * grid[1]

    def project(self, features_NTC: Tensor, grid: Grid, branch: int, cells_N2: Tensor) -> Tensor:
        return self.embed(features_NTC, grid)

    def embed(self, features_NTC: Tensor, grid: Grid, masked_NT: Tensor | None = None) -> Tensor:
        """Token vectors [N, 1 + T, H].

        Args:
            masked_NT: boolean, patches that the mask stands in place of.
        """
        patches = self.linear(features_NTC)
        if masked_NT is not None:
            patches = torch.where(masked_NT[..., None], self.mask.to(patches.dtype), patches)
        tokens = torch.cat([self.first.to(patches.dtype).expand(len(patches), 1, -1), patches], dim=1)
        return tokens + self._positions_of(grid).to(tokens.dtype)

    def _positions_of(self, grid: Grid) -> Tensor:
        """[1 + rows * columns, H]."""
        side = self.config.input_side
        table = self.positions.weight[UNUSED:]
        if grid == (side, side):
            return table
        places = table[1:].T.unflatten(1, (side, side))[None].float()
        resized = F.interpolate(places, size=grid, mode="bicubic", align_corners=False)[0]
        return torch.cat([table[:1], resized.flatten(1).T.to(table.dtype)])
