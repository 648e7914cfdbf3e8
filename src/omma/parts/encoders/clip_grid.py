"""CLIP's tower with places alone: no CLS feature and no norm behind the blocks (Qwen-VL, arXiv 2308.12966, section 2.1).

So is OpenCLIP's ViT-bigG in Qwen-VL and Monkey. `transformers` has towers of that kind only with one or the other, so this is
its CLIP with both left out, under the model type ``clip_grid_vision``: `transformers` encoders find it by that name.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, CLIPVisionConfig, CLIPVisionModel


class ClipGridVisionConfig(CLIPVisionConfig):
    """As CLIP's. OpenCLIP's weights want ``hidden_act: gelu`` and, in Qwen-VL, ``layer_norm_eps: 1.0e-6``."""

    model_type = "clip_grid_vision"


class _GridEmbeddings(nn.Module):
    """Patches with learned positions, which are interpolated for pictures of another size."""

    def __init__(self, config: ClipGridVisionConfig) -> None:
        super().__init__()
        self.patch_size, self.side = config.patch_size, config.image_size // config.patch_size
        self.patch_embedding = nn.Conv2d(
            config.num_channels, config.hidden_size, config.patch_size, config.patch_size, bias=False
        )
        self.position_embedding = nn.Embedding(self.side**2, config.hidden_size)

    def forward(self, pixel_values: Tensor, interpolate_pos_encoding: bool = False) -> Tensor:
        """[N, rows * columns, C] of pixels [N, 3, height, width].

        Raises:
            ValueError: for another size than the config's, unless positions are to be interpolated.
        """
        map_NCRS = self.patch_embedding(pixel_values.to(self.patch_embedding.weight.dtype))
        grid = map_NCRS.shape[2:]
        positions = self.position_embedding.weight
        if grid != (self.side, self.side):
            if not interpolate_pos_encoding:
                raise ValueError(f"expected {self.side} x {self.side} patches, found {grid[0]} x {grid[1]}")
            table = positions.T.view(1, -1, self.side, self.side)
            positions = nn.functional.interpolate(table, size=grid, mode="bicubic", align_corners=False)
            positions = positions.flatten(2).squeeze(0).T
        return map_NCRS.flatten(2).transpose(1, 2) + positions


class ClipGridVisionModel(CLIPVisionModel):
    """Hidden states [N, rows * columns, C]; the last one is the last block's output."""

    config: ClipGridVisionConfig
    config_class = ClipGridVisionConfig

    def __init__(self, config: ClipGridVisionConfig) -> None:
        super().__init__(config)
        self.embeddings = _GridEmbeddings(config)
        self.post_layernorm = nn.Identity()
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: Any) -> None:
        super()._init_weights(module)
        if isinstance(module, _GridEmbeddings):
            std = self.config.initializer_range * self.config.initializer_factor
            nn.init.normal_(module.patch_embedding.weight, std=std)
            nn.init.normal_(module.position_embedding.weight, std=std)


AutoConfig.register(ClipGridVisionConfig.model_type, ClipGridVisionConfig)
AutoModel.register(ClipGridVisionConfig, ClipGridVisionModel)
