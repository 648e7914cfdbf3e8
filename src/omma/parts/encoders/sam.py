"""SAM's tower with two strided convolutions behind it: many pixels, few features (Vary, arXiv 2312.06109, section 3.2;
DeepSeek-VL, arXiv 2403.05525, section 3.1).

Shapes: N views, C channels of the neck; features have 4 C.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from transformers import AutoModel, SamVisionConfig
from transformers.models.sam.modeling_sam import SamVisionNeck

from omma.errors import BadInput
from omma.parts.base import PartConfig
from omma.parts.encoders.base import ENCODERS, NORMALIZATIONS, Encoder
from omma.parts.resolution.base import Grid, Size
from omma.parts.weights import architecture

STRIDE = 4
"""Rows of the neck's map that become one: two convolutions of stride 2."""


@ENCODERS.register("sam")
class Sam(Encoder):
    """Trunk, neck, [resizing,] two convolutions without activation between them.

    With ``detail`` the output of the first block of global attention goes through a neck of its own and the same
    convolutions, and is added, weighted by a scalar that begins at 0.

    Attributes:
        model: the tower, `SamVisionModel`.
        neck: that of the second reading.
        alpha: its weight [1].
    """

    class Config(PartConfig):
        architecture: dict[str, Any] = {"model_type": "sam_vision_model"}
        """A `transformers` config as plain data; what is absent is as published (SAM-B)."""
        side: int | None = Field(default=None, gt=0)
        """Side of the grid of features, to which the map is resized before the convolutions (DeepSeek-VL: 24 instead of 16);
        its own size if absent."""
        detail: bool = False
        """Whether the first block of global attention is read, too (DeepSeek-VL)."""
        normalization: Literal["clip", "imagenet", "half"] = "clip"

    def __init__(self, config: Config, *, load_weights: bool = False) -> None:
        super().__init__(config)
        settings = architecture(config.architecture, None, where="model.encoder")
        if not isinstance(settings, SamVisionConfig):
            raise BadInput(
                "model.encoder.architecture.model_type",
                expected="sam_vision_model",
                found=settings.model_type,
                remedy="use the encoder transformers for other models",
            )
        self.image_size: int = settings.image_size
        self.model = AutoModel.from_config(settings)
        channels = settings.output_channels
        self.width = 4 * channels
        self.convolutions = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1, bias=False),
            nn.Conv2d(2 * channels, 4 * channels, 3, stride=2, padding=1, bias=False),
        )
        self.neck = SamVisionNeck(settings) if config.detail else None
        self.alpha = nn.Parameter(torch.zeros(1)) if config.detail else None
        # Hidden states count from the embeddings.
        self._tap = 1 + min(settings.global_attn_indexes, default=0)
        self.side: int = config.side or -(-(settings.image_size // settings.patch_size) // STRIDE)
        self.mean, self.std = NORMALIZATIONS[config.normalization]

    def grid(self, size: Size, branch: int = 0) -> Grid:
        """Always the same.

        Raises:
            BadInput: for views of another size than its positions are for.
        """
        if size != (self.image_size, self.image_size):
            raise BadInput(
                "model.encoder",
                expected=f"views of {self.image_size} x {self.image_size} pixels, for which its positions are",
                found=f"{size[0]} x {size[1]}",
                remedy="change the size of the views, or its architecture's image_size",
            )
        return self.side, self.side

    def forward(self, pixels_NCHW: Tensor) -> Tensor:
        output = self.model(pixels_NCHW, output_hidden_states=self.neck is not None)
        features = self._convolved(output.last_hidden_state)
        if self.neck is not None:
            features = features + self._convolved(self.neck(output.hidden_states[self._tap])) * self.alpha
        return features.flatten(2).transpose(1, 2)

    def _convolved(self, map_NCHW: Tensor) -> Tensor:
        if self.config.side is not None:
            size = (STRIDE * self.side, STRIDE * self.side)
            map_NCHW = nn.functional.interpolate(map_NCHW, size=size, mode="bilinear", align_corners=False)
        return self.convolutions(map_NCHW)
