"""SAM's encoder with two strided convolutions behind it: the vision vocabulary of Vary (arXiv 2312.06109, section 3.2) and the
high-resolution branch of DeepSeek-VL (arXiv 2403.05525, section 3.1).

Shapes: N views, C channels of SAM's map (256), R x S places of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, field_validator
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import SamVisionModel
from transformers.models.sam.modeling_sam import SamVisionNeck

from omma.errors import BadInput
from omma.parts.base import PartConfig
from omma.parts.encoders.base import ENCODERS, NORMALIZATIONS, Encoder
from omma.parts.encoders.transformers_vision import tower_of
from omma.parts.resolution.base import Grid, Size
from omma.parts.weights import architecture, locate

LEARNED = "encoder.safetensors"
"""Where a saved model keeps its encoder."""


@ENCODERS.register("sam")
class Sam(Encoder):
    """The map behind SAM's neck, through two convolutions that halve its sides and double its channels.

    Views have the one size that SAM's positions are for.
    """

    class Config(PartConfig):
        architecture: dict[str, Any] = {"model_type": "sam_vision_model"}
        """A `transformers` config of SAM's vision model as plain data, with its ``model_type``; that of SAM-B if absent."""
        weights: str | None = None
        """SAM's: a directory or a hub name; or the directory of a saved model with such an encoder, whose convolutions
        are then taken, too (Vary begins with those of Vary-tiny). Random if absent."""
        normalization: Literal["clip", "imagenet", "half"] = "imagenet"
        resized: int | None = Field(default=None, gt=0)
        """Rows and columns to which the map is brought before the convolutions (DeepSeek-VL: 96)."""
        early: bool = False
        """Whether what the first block of global attention makes is added: through a neck of its own and the same
        convolutions, times a number that begins at zero (DeepSeek-VL)."""

        @field_validator("architecture")
        @classmethod
        def _sam(cls, value: dict[str, Any]) -> dict[str, Any]:
            if value.get("model_type") != "sam_vision_model":
                raise ValueError("sam_vision_model as model_type")
            return value

        def spelled_out(self) -> dict[str, Any]:
            return self.to_dict() | {"weights": None}

    def __init__(self, config: Config, *, load_weights: bool = False) -> None:
        super().__init__(config)
        self.settings: Any = tower_of(architecture(config.architecture, None, where="model.encoder"))
        blocks = list(self.settings.global_attn_indexes)
        if config.early and not blocks:
            raise BadInput(
                "model.encoder.early",
                expected="a block of global attention",
                found="none in architecture.global_attn_indexes",
                remedy="name one, or leave early out",
            )
        self.model = SamVisionModel(self.settings)
        channels = self.settings.output_channels
        self.width = 4 * channels
        self.convolutions = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1, bias=False),
            nn.Conv2d(2 * channels, 4 * channels, 3, stride=2, padding=1, bias=False),
        )
        # Hidden states count from the embeddings, blocks from 0.
        self.early = 1 + blocks[0] if config.early else None
        self.early_neck = SamVisionNeck(self.settings) if config.early else None
        self.early_scale = nn.Parameter(torch.zeros(1)) if config.early else None
        self.mean, self.std = NORMALIZATIONS[config.normalization]
        if load_weights and config.weights is not None:
            self._load(config.weights)

    def _load(self, source: str) -> None:
        place = locate(source, where="model.encoder.weights")
        learned = Path(place) / LEARNED
        if not learned.is_file():
            self.model = SamVisionModel.from_pretrained(place, config=self.settings, dtype=torch.float32)
            return
        tensors = {name.removeprefix("encoder."): tensor.float() for name, tensor in load_file(learned).items()}
        expected, found = ({name: tensor.shape for name, tensor in of.items()} for of in (self.state_dict(), tensors))
        wrong = sorted(name for name in expected | found if expected.get(name) != found.get(name))
        if wrong:
            raise BadInput(
                "model.encoder.weights",
                expected="a saved model whose encoder has the same architecture",
                found=f"{learned}, which differs in {wrong[0]}",
                remedy="name the model that this encoder was trained in",
            )
        self.load_state_dict(tensors)

    @property
    def places(self) -> int:
        """Patches of a view that its blocks read."""
        return (self.settings.image_size // self.settings.patch_size) ** 2

    def grid(self, size: Size, branch: int = 0) -> Grid:
        """(rows, columns) of features.

        Raises:
            BadInput: for another size than SAM's positions are for.
        """
        side = self.settings.image_size
        if size != (side, side):
            raise BadInput(
                "model.resolution",
                expected=f"views of {side} x {side} pixels, which SAM's positions are for",
                found=f"one of {size[0]} x {size[1]}",
                remedy="use a strategy with square views of that size, or give the architecture another image_size",
            )
        rows = self.config.resized or side // self.settings.patch_size
        for _ in self.convolutions:
            rows = -(-rows // 2)
        return rows, rows

    def forward(self, pixels_NCHW: Tensor) -> Tensor:
        output = self.model(pixels_NCHW, output_hidden_states=self.early is not None)
        found = self._reduced(output.last_hidden_state)
        if self.early is not None:
            assert self.early_neck is not None
            found = found + self._reduced(self.early_neck(output.hidden_states[self.early])) * self.early_scale
        return found.flatten(2).transpose(1, 2)

    def _reduced(self, map_NCRS: Tensor) -> Tensor:
        """[N, 4 C, R / 4, S / 4]."""
        if self.config.resized is not None:
            side = (self.config.resized, self.config.resized)
            map_NCRS = nn.functional.interpolate(map_NCRS, size=side, mode="bilinear", align_corners=False)
        return self.convolutions(map_NCRS)
