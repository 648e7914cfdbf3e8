"""LlamaGen's Transformer (arXiv 2406.06525, section 2.2): Llama over the codes of a picture, whose rotations say row and column.

The first slot is the class, which nothing rotates; slot t > 0 holds code t - 1, row by row.

Shapes: B rows, L slots, H width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, DynamicCache, LlamaConfig, LlamaModel, PreTrainedModel

from omma.errors import BadInput


class LlamaGenConfig(LlamaConfig):
    """Llama's, with the ``side`` of the grid of codes."""

    model_type = "omma_llamagen"

    def __init__(self, side: int = 16, **kwargs: Any) -> None:
        self.side = side
        super().__init__(**kwargs)


class GridRotary(nn.Module):
    """Half of the frequencies turn with the row, half with the column."""

    def __init__(self, config: LlamaGenConfig) -> None:
        super().__init__()
        width = config.hidden_size // config.num_attention_heads
        if width % 4:
            raise BadInput(
                "model.backbone.architecture",
                expected="heads whose width is a multiple of 4, for rows and columns",
                found=f"{width} ({config.hidden_size} over {config.num_attention_heads} heads)",
                remedy="choose another width or number of heads",
            )
        quarter = width // 4
        frequencies = 10000.0 ** -(torch.arange(quarter) / quarter)
        place = torch.arange(config.side, dtype=torch.float32)[:, None] * frequencies
        grid = torch.cat(
            [place[:, None].expand(-1, config.side, -1), place[None].expand(config.side, -1, -1)], dim=-1
        ).flatten(0, 1)
        self.register_buffer("angles", torch.cat([torch.zeros(1, 2 * quarter), grid]), persistent=False)

    def forward(self, hidden: Tensor, position_ids: Tensor, *unused: Any, **also: Any) -> tuple[Tensor, Tensor]:
        angles = self.angles[position_ids]
        both = torch.cat([angles, angles], dim=-1)
        return both.cos().to(hidden.dtype), both.sin().to(hidden.dtype)


class LlamaGenModel(PreTrainedModel):
    config_class = LlamaGenConfig
    _supports_sdpa = True

    def __init__(self, config: LlamaGenConfig) -> None:
        super().__init__(config)
        self.model = LlamaModel(config)
        self.model.rotary_emb = GridRotary(config)
        self.post_init()

    @property
    def embed_tokens(self) -> nn.Embedding:
        return self.model.embed_tokens

    def forward(
        self,
        inputs_embeds: Tensor,
        condition: Tensor,
        allowed: Tensor | None = None,
        past_key_values: DynamicCache | None = None,
    ) -> Tensor:
        """Hidden states [B, L, H] behind the last norm. The condition is in the first slot already."""
        known = past_key_values.get_seq_length() if past_key_values is not None else 0
        places = torch.arange(known, known + inputs_embeds.shape[1], device=inputs_embeds.device)[None]
        return self.model(
            inputs_embeds=inputs_embeds,
            attention_mask=allowed,
            position_ids=places,
            past_key_values=past_key_values,
            use_cache=past_key_values is not None,
        ).last_hidden_state


AutoConfig.register(LlamaGenConfig.model_type, LlamaGenConfig)
AutoModel.register(LlamaGenConfig, LlamaGenModel)
