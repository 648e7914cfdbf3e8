"""One layer of cross-attention from learned queries with places of their own (Qwen-VL, arXiv 2308.12966, section 2.1;
LLaVA-UHD, arXiv 2403.11703, section 3.3; also Monkey and MiniCPM-V).

Shapes: N views, T features, C channels, M queries, H model width.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from omma.errors import BadInput
from omma.parts.base import PartConfig
from omma.parts.projectors.base import PROJECTORS, Projector, Square, new_marks
from omma.parts.resolution.base import Grid

EPS = 1e-6


@PROJECTORS.register("resampler")
class Resampler(Projector):
    """M queries, as a square grid, look for what belongs to them; positions are added to queries and keys, not to values.

    All of it is as wide as the language model.
    """

    keeps_places = False

    class Config(PartConfig):
        queries: Square = 64
        heads: int | None = Field(default=None, ge=1)
        """One for every 128 channels of the language model if absent."""
        key_positions: Literal["interpolated", "computed"] = "interpolated"
        """Of features: the queries' table, stretched over the view (Qwen-VL, LLaVA-UHD), or waves over the view's own rows
        and columns (MiniCPM-V)."""

    def __init__(self, config: Config, *, d_in: int, d_out: int, marks: tuple[str, ...] = ()) -> None:
        super().__init__(config)
        heads = config.heads or max(1, d_out // 128)
        if d_out % heads:
            raise BadInput(
                "model.projector.heads",
                expected=f"a number that divides the model's width {d_out}",
                found=str(heads),
                remedy="choose another number of heads",
            )
        if d_out % 4:
            raise BadInput(
                "model.projector.type",
                expected="a language model whose width 4 divides, for sines and cosines of rows and columns",
                found=f"one of width {d_out}",
                remedy="use another projector",
            )
        self.marks = new_marks(marks, d_out)
        self.width = d_out
        self.queries = nn.Embedding(config.queries, d_out)
        nn.init.trunc_normal_(self.queries.weight, std=0.02)
        self.features = nn.Linear(d_in, d_out, bias=False) if d_in != d_out else nn.Identity()
        self.norm_features = nn.LayerNorm(d_out, eps=EPS)
        self.norm_queries = nn.LayerNorm(d_out, eps=EPS)
        self.attention = nn.MultiheadAttention(d_out, heads, batch_first=True)
        self.norm = nn.LayerNorm(d_out, eps=EPS)
        self.output = nn.Parameter(torch.randn(d_out, d_out) / math.sqrt(d_out))

    @property
    def side(self) -> int:
        """Of the grid of queries."""
        return math.isqrt(self.config.queries)

    def grid(self, grid: Grid) -> Grid:
        return self.side, self.side

    def project(self, features_NTC: Tensor, grid: Grid, branch: int, cells_N2: Tensor) -> Tensor:
        values = self.norm_features(self.features(features_NTC))
        own = (self.side, self.side)
        places = positions(self.width, own, own, values.device, values.dtype)
        stretched = own if self.config.key_positions == "interpolated" else grid
        keys = values + positions(self.width, stretched, grid, values.device, values.dtype)
        queries = (self.norm_queries(self.queries.weight) + places).expand(len(values), -1, -1)
        found, _ = self.attention(queries, keys, values, need_weights=False)
        return self.norm(found) @ self.output


# Not a buffer: one that is not saved stays empty when a model is loaded, and one that is saved would be rounded.
@lru_cache(maxsize=32)
def positions(width: int, table: Grid, grid: Grid, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Fixed positions [rows * columns, width] of a grid.

    Args:
        table: (rows, columns) of the table of waves, which is stretched to the grid, bicubically, if that is another.
    """
    # The tensor outlives the call, so it must be fit for training even if this is inference.
    with torch.inference_mode(False), torch.no_grad():
        waves = torch.as_tensor(sincos2d(width, table), dtype=torch.float32, device="cpu")
        if table != grid:
            image = waves.view(1, *table, width).permute(0, 3, 1, 2)
            image = nn.functional.interpolate(image, size=grid, mode="bicubic", align_corners=False)
            waves = image.flatten(2).squeeze(0).T
        return waves.to(device, dtype)


def sincos2d(width: int, grid: Grid) -> np.ndarray:
    """Waves [rows * columns, width]: the first half of the channels tells columns apart, the second half rows; of each half,
    sines come first. The lowest of width / 4 frequencies is near 1 / 10000 (arXiv 1706.03762, section 3.5)."""
    frequencies = 10000.0 ** (-np.arange(width // 4) / (width / 4))
    rows, columns = np.indices(grid).reshape(2, -1, 1) * frequencies
    return np.concatenate([np.sin(columns), np.cos(columns), np.sin(rows), np.cos(rows)], axis=1)
