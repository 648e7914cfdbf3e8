"""The perceiver resampler (Flamingo, arXiv 2204.14198, section 3.1.1 and appendix A.1.1).

Flamingo's language model attends to its outcome; here a linear layer makes tokens of it. Its time embedding, which tells
the frames of a video apart, is left out: views are pictures.

Shapes: N views, T features, C channels, M latents.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn
from transformers.activations import ACT2FN

from omma.parts.base import PartConfig
from omma.parts.projectors.attention import Attention
from omma.parts.projectors.base import PROJECTORS, Projector, new_marks
from omma.parts.resolution.base import Grid


class PerceiverLayer(nn.Module):
    """Latents attend to the features and to themselves; then a feed-forward layer of four times the width."""

    def __init__(self, width: int, heads: int, head_width: int, activation: str) -> None:
        super().__init__()
        self.norm_features = nn.LayerNorm(width)
        self.norm_latents = nn.LayerNorm(width)
        self.attention = Attention(width, heads, head_width, bias=False)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width, bias=False),
            ACT2FN[activation],
            nn.Linear(4 * width, width, bias=False),
        )

    def forward(self, latents_NMC: Tensor, features_NTC: Tensor) -> Tensor:
        queries = self.norm_latents(latents_NMC)
        seen = torch.cat([self.norm_features(features_NTC), queries], dim=1)
        latents = latents_NMC + self.attention(queries, seen, seen)
        return latents + self.mlp(latents)


@PROJECTORS.register("perceiver")
class Perceiver(Projector):
    keeps_places = False

    class Config(PartConfig):
        latents: int = Field(default=64, ge=1)
        depth: int = Field(default=6, ge=1)
        heads: int = Field(default=8, ge=1)
        head_width: int = Field(default=64, ge=1)
        activation: str = "gelu"
        """Of the feed-forward layers; IDEFICS has "relu"."""

    def __init__(self, config: Config, *, d_in: int, d_out: int, marks: tuple[str, ...] = ()) -> None:
        super().__init__(config)
        self.marks = new_marks(marks, d_out)
        self.latents = nn.Embedding(config.latents, d_in)
        self.layers = nn.ModuleList(
            PerceiverLayer(d_in, config.heads, config.head_width, config.activation) for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(d_in)
        self.linear = nn.Linear(d_in, d_out)

    def grid(self, grid: Grid) -> Grid:
        return 1, self.config.latents

    def resample(self, features_NTC: Tensor) -> Tensor:
        """The latents after all layers, [N, M, C]."""
        latents = self.latents.weight.expand(len(features_NTC), -1, -1)
        for layer in self.layers:
            latents = layer(latents, features_NTC)
        return self.norm(latents)

    def forward(self, features_NTC: Tensor) -> Tensor:
        return self.linear(self.resample(features_NTC))
