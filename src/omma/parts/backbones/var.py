"""VAR's Transformer (arXiv 2404.02905, section 3.2 and appendix), which `transformers` does not have.

A block is told by a condition what to scale, shift and let through (AdaLN); queries and keys have length 1, and every head a
temperature of its own. Who may attend to whom is said by the caller: tokens of one scale see each other and all coarser ones.
What is asked for is a class; its embedding is the condition, and the first token begins with it.

Shapes: B rows, L tokens, P tokens in the cache, C width.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel, DynamicCache, PretrainedConfig, PreTrainedModel, initialization

from omma.parts.stochastic_depth import left_out_at_times, share_of_block

MOST_SCALE = math.log(100)
"""Bound of the logarithm of a head's temperature."""
FIRST_SCALE = math.log(4)


class VarConfig(PretrainedConfig):
    """Sizes of the smallest published model, d16, unless told otherwise."""

    model_type = "omma_var"

    def __init__(
        self,
        vocab_size: int = 1001,
        hidden_size: int = 1024,
        num_hidden_layers: int = 16,
        num_attention_heads: int = 16,
        mlp_ratio: int = 4,
        shared_conditioning: bool = False,
        layer_norm_eps: float = 1e-6,
        drop_path_rate: float = 0.0,
        gamma_std: float = 1e-5,
        **kwargs: Any,
    ) -> None:
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.mlp_ratio = mlp_ratio
        self.shared_conditioning = shared_conditioning
        self.layer_norm_eps = layer_norm_eps
        self.drop_path_rate = drop_path_rate
        self.gamma_std = gamma_std
        super().__init__(**kwargs)


class VarAttention(nn.Module):
    def __init__(self, config: VarConfig, layer: int) -> None:
        super().__init__()
        width = config.hidden_size
        self.layer, self.heads = layer, config.num_attention_heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_bias, self.v_bias = nn.Parameter(torch.zeros(width)), nn.Parameter(torch.zeros(width))
        self.scale = nn.Parameter(torch.full((config.num_attention_heads, 1, 1), FIRST_SCALE))
        self.proj = nn.Linear(width, width)

    def forward(self, hidden_BLC: Tensor, allowed: Tensor | None, cache: DynamicCache | None) -> Tensor:
        bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
        parted = F.linear(hidden_BLC, self.qkv.weight, bias).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = parted
        query = F.normalize(query, dim=3) * self.scale.clamp(max=MOST_SCALE).exp()
        key = F.normalize(key, dim=3)
        if cache is not None:
            key, value = cache.update(key, value, self.layer)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=allowed, scale=1.0)
        return self.proj(attended.transpose(1, 2).flatten(2))


class VarMLP(nn.Module):
    def __init__(self, config: VarConfig) -> None:
        super().__init__()
        inner = config.hidden_size * config.mlp_ratio
        self.fc1, self.fc2 = nn.Linear(config.hidden_size, inner), nn.Linear(inner, config.hidden_size)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(hidden), approximate="tanh"))


class VarBlock(nn.Module):
    """Six vectors of a condition say how attention and the feed-forward network are let through (gamma), scaled and shifted."""

    def __init__(self, config: VarConfig, layer: int) -> None:
        super().__init__()
        width = config.hidden_size
        self.norm = nn.LayerNorm(width, eps=config.layer_norm_eps, elementwise_affine=False)
        self.attention, self.mlp = VarAttention(config, layer), VarMLP(config)
        self.drop_path = share_of_block(config.drop_path_rate, layer, config.num_hidden_layers)
        # One network for all blocks, which each moves by vectors of its own, or one for each.
        self.told: nn.Module | None = None if config.shared_conditioning else nn.Linear(width, 6 * width)
        self.moved = nn.Parameter(torch.randn(6, width) / width**0.5) if config.shared_conditioning else None

    def forward(self, hidden: Tensor, condition: Tensor, allowed: Tensor | None, cache: DynamicCache | None) -> Tensor:
        """``condition`` is [B, 1, C] behind its activation, or what the network that blocks share makes of it, [B, 1, 6, C]."""
        six = condition + self.moved if self.told is None else self.told(condition).unflatten(2, (6, -1))
        through_attention, through_mlp, scale_attention, scale_mlp, shift_attention, shift_mlp = six.unbind(2)
        attended = self.attention(self.norm(hidden) * (1 + scale_attention) + shift_attention, allowed, cache)
        hidden = hidden + self._kept(attended * through_attention)
        return hidden + self._kept(self.mlp(self.norm(hidden) * (1 + scale_mlp) + shift_mlp) * through_mlp)

    def _kept(self, branch: Tensor) -> Tensor:
        return left_out_at_times(branch, self.drop_path) if self.training else branch


class VarModel(PreTrainedModel):
    """Blocks, and a last norm that is told by the condition, too. What reads and predicts codes is the way to draw, not this."""

    config_class = VarConfig
    _no_split_modules: ClassVar[list[str]] = ["VarBlock"]

    def __init__(self, config: VarConfig) -> None:
        super().__init__(config)
        width = config.hidden_size
        self.embed_tokens = nn.Embedding(config.vocab_size, width)
        self.shared = nn.Linear(width, 6 * width) if config.shared_conditioning else None
        self.layers = nn.ModuleList(VarBlock(config, layer) for layer in range(config.num_hidden_layers))
        self.norm = nn.LayerNorm(width, eps=config.layer_norm_eps, elementwise_affine=False)
        self.told = nn.Linear(width, 2 * width)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        width, layers = self.config.hidden_size, self.config.num_hidden_layers
        if isinstance(module, nn.Linear | nn.Embedding):
            initialization.trunc_normal_(module.weight, std=math.sqrt(1 / width / 3))
            if getattr(module, "bias", None) is not None:
                initialization.zeros_(module.bias)
        if isinstance(module, VarBlock):
            with torch.no_grad():
                for last in (module.attention.proj, module.mlp.fc2):
                    last.weight.div_(math.sqrt(2 * layers))
                if isinstance(module.told, nn.Linear):
                    _soften(module.told, self.config.gamma_std)
                else:
                    assert module.moved is not None
                    module.moved[2:].mul_(0.5)
                    module.moved[:2].mul_(self.config.gamma_std)
        if isinstance(module, VarModel):
            with torch.no_grad():
                module.told.weight.mul_(0.5)

    def forward(
        self,
        inputs_embeds: Tensor,
        condition: Tensor,
        allowed: Tensor | None = None,
        past_key_values: DynamicCache | None = None,
    ) -> Tensor:
        """Hidden states [B, L, C] behind the last norm.

        Args:
            inputs_embeds: [B, L, C].
            condition: [B, C].
            allowed: boolean, broadcast to [B, heads, L, P + L]; every token sees all if absent.
        """
        told = F.silu(condition)[:, None]
        each = told if self.shared is None else self.shared(told).unflatten(2, (6, -1))
        hidden = inputs_embeds
        for layer in self.layers:
            hidden = layer(hidden, each, allowed, past_key_values)
        scale, shift = self.told(told).chunk(2, dim=2)
        return self.norm(hidden) * (1 + scale) + shift


def _soften(linear: nn.Linear, gamma_std: float) -> None:
    """Blocks begin as next to nothing: what lets them through is small, what scales and shifts is halved."""
    width = linear.in_features
    linear.weight[2 * width :].mul_(0.5)
    linear.weight[: 2 * width].mul_(gamma_std)


AutoConfig.register(VarConfig.model_type, VarConfig)
AutoModel.register(VarConfig, VarModel)
