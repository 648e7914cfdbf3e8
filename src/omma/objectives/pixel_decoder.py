"""The light decoder that guesses the pixels of patches an encoder has not seen (MAE, arXiv 2111.06377, section 3).

Shapes: N pictures, T patches, K of them visible, L leading tokens (CLS, registers), C channels of the encoder, W of the
decoder.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from omma.model.product_attention import is_faster, products
from omma.parts.resolution.base import Grid

NORM_EPSILON = 1e-6
SLOWEST = 10_000
"""Wave lengths reach from 2 pi to this many times 2 pi patches."""


class PixelDecoder(nn.Module):
    """Transformer blocks over the encoder's features of visible patches, and a learned token in place of every other one.

    Args:
        d_in: channels C of the encoder.
        d_out: numbers of a patch.
        grid: rows and columns of patches.
        width, layers, heads: of the blocks; their MLPs are four times as wide.
    """

    def __init__(self, d_in: int, d_out: int, grid: Grid, *, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.embed = nn.Linear(d_in, width)
        self.mask_token = nn.Parameter(torch.empty(width))
        self.register_buffer("positions", waves_2d(grid, width), persistent=False)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width, eps=NORM_EPSILON)
        self.predict = nn.Linear(width, d_out)
        nn.init.normal_(self.mask_token, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, features_NSC: Tensor, visible_NK: Tensor) -> Tensor:
        """Numbers [N, T, d_out] of all patches, seen or not.

        Args:
            features_NSC: of the leading tokens, then of the visible patches (S = L + K).
            visible_NK: numbers of these patches.
        """
        tokens = self.embed(features_NSC)
        leading = tokens.shape[1] - visible_NK.shape[1]
        places = visible_NK[..., None].expand(-1, -1, tokens.shape[2])
        unknown = self.mask_token.expand(len(tokens), len(self.positions), -1)
        patches = unknown.scatter(1, places, tokens[:, leading:]) + self.positions.to(tokens.dtype)
        tokens = torch.cat([tokens[:, :leading], patches], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        return self.predict(self.norm(tokens))[:, leading:]


class Block(nn.Module):
    """A block of ViT (arXiv 2010.11929, section 3.1): norms first."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1 = nn.LayerNorm(width, eps=NORM_EPSILON)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm_2 = nn.LayerNorm(width, eps=NORM_EPSILON)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, tokens_NSW: Tensor) -> Tensor:
        split = self.qkv(self.norm_1(tokens_NSW)).unflatten(2, (3, self.heads, -1))
        query, key, value = split.permute(2, 0, 3, 1, 4)
        if is_faster(query):
            found = products(query, key, value, query.shape[-1] ** -0.5)
        else:
            found = F.scaled_dot_product_attention(query, key, value)
        tokens = tokens_NSW + self.out(found.transpose(1, 2).flatten(2))
        return tokens + self.mlp(self.norm_2(tokens))


def waves_2d(grid: Grid, width: int) -> Tensor:
    """Fixed positions [rows * columns, width]: sine and cosine of the column in the first half, of the row in the second."""
    frequency = SLOWEST ** (-torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    rows, columns = (torch.arange(count, dtype=torch.float64)[:, None] * frequency for count in grid)
    across, down = columns.repeat(grid[0], 1), rows.repeat_interleave(grid[1], 0)
    return torch.cat([across.sin(), across.cos(), down.sin(), down.cos()], dim=1).float()
