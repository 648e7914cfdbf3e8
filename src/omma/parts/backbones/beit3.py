"""BEiT-3's Transformer for words (arXiv 2208.10442, section 2.1), which `transformers` does not have.

A block norms before attention and before the feed-forward network, and once more inside both of them (sub-LN): before the
projection that ends attention, and between the two layers of the network. Attention looks both ways: who may attend to whom is
said by the caller. Pictures come in as vectors that know their places already (projector `patch-embedding`), words get theirs
here, counted among words alone. The weights that pictures have for themselves are the expert `modality-experts`.

Written words are predicted where a mask stands: to continue a text, a mask is put behind it. Its keys and values are
forgotten again, so the cache holds what has really been said (s2s-ft, arXiv 2110.13640, as BEiT-3 writes captions).

Shapes: B rows, L tokens, P tokens in the cache, M masks behind each row, H width.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    DynamicCache,
    GenerationMixin,
    GradientCheckpointingLayer,
    PretrainedConfig,
    PreTrainedModel,
    initialization,
)
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from omma.parts.attention import PADDING, AttentionPlan, word_positions
from omma.parts.experts.routing import ImageTokens, current_route, routed
from omma.parts.stochastic_depth import left_out_at_times, share_of_block

FIRST_POSITION = 2
"""Row of the position table for the first word; the release leaves the rows before it unused."""


class Beit3Config(PretrainedConfig):
    """Sizes of the published base model unless told otherwise."""

    model_type = "omma_beit3"

    def __init__(
        self,
        vocab_size: int = 64010,
        hidden_size: int = 768,
        intermediate_size: int = 3072,
        num_hidden_layers: int = 12,
        num_attention_heads: int = 12,
        max_position_embeddings: int = 1024,
        layer_norm_eps: float = 1e-5,
        initializer_range: float = 0.02,
        drop_path_rate: float = 0.0,
        mask_token_id: int = 64001,
        bos_token_id: int | None = 0,
        eos_token_id: int | None = 2,
        pad_token_id: int | None = 1,
        tie_word_embeddings: bool = False,
        **kwargs: Any,
    ) -> None:
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.intermediate_size = intermediate_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.max_position_embeddings = max_position_embeddings
        self.layer_norm_eps = layer_norm_eps
        self.initializer_range = initializer_range
        self.drop_path_rate = drop_path_rate
        self.mask_token_id = mask_token_id
        self.bos_token_id = bos_token_id
        self.eos_token_id = eos_token_id
        self.pad_token_id = pad_token_id
        self.tie_word_embeddings = tie_word_embeddings
        super().__init__(**kwargs)


class Beit3Attention(nn.Module):
    def __init__(self, config: Beit3Config, layer: int) -> None:
        super().__init__()
        self.config, self.layer = config, layer
        self.heads = config.num_attention_heads
        width = config.hidden_size
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.inner_norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.o_proj = nn.Linear(width, width)

    def forward(self, hidden_BLH: Tensor, allowed_B1LS: Tensor, cache: DynamicCache | None) -> Tensor:
        query, key, value = (
            linear(hidden_BLH).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for linear in (self.q_proj, self.k_proj, self.v_proj)
        )
        if cache is not None:
            key, value = cache.update(key, value, self.layer)
        attend: Callable[..., Any] = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, sdpa_attention_forward
        )
        attended, _ = attend(
            self, query, key, value, allowed_B1LS, scaling=query.shape[-1] ** -0.5, dropout=0.0, is_causal=False
        )
        return self.o_proj(self.inner_norm(attended.flatten(2)))


class Beit3MLP(nn.Module):
    def __init__(self, config: Beit3Config) -> None:
        super().__init__()
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.inner_norm = nn.LayerNorm(config.intermediate_size, eps=config.layer_norm_eps)
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.fc2(self.inner_norm(F.gelu(self.fc1(hidden))))


class Beit3Block(GradientCheckpointingLayer):
    def __init__(self, config: Beit3Config, layer: int) -> None:
        super().__init__()
        self.input_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.self_attn = Beit3Attention(config, layer)
        self.post_attention_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = Beit3MLP(config)
        self.drop_path = share_of_block(config.drop_path_rate, layer, config.num_hidden_layers)
        for linear in (self.self_attn.o_proj, self.mlp.fc2):
            linear.first_std = config.initializer_range / math.sqrt(2 * (layer + 1))

    def forward(self, hidden_BLH: Tensor, allowed_B1LS: Tensor, cache: DynamicCache | None = None) -> Tensor:
        hidden = hidden_BLH + self._kept(self.self_attn(self.input_layernorm(hidden_BLH), allowed_B1LS, cache))
        return hidden + self._kept(self.mlp(self.post_attention_layernorm(hidden)))

    def _kept(self, branch_BLH: Tensor) -> Tensor:
        return left_out_at_times(branch_BLH, self.drop_path) if self.training else branch_BLH


class Beit3PreTrainedModel(PreTrainedModel):
    config_class = Beit3Config
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _no_split_modules: ClassVar[list[str]] = ["Beit3Block"]
    _supports_sdpa = True
    _supports_attention_backend = True
    knows_pictures = True
    """Its attention and its positions depend on which tokens are pictures: it has to be called inside of `routed`."""

    def _init_weights(self, module: nn.Module) -> None:
        std = getattr(module, "first_std", self.config.initializer_range)
        if isinstance(module, nn.Linear | nn.Embedding):
            initialization.normal_(module.weight, std=std)
            if getattr(module, "bias", None) is not None:
                initialization.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            initialization.ones_(module.weight)
            initialization.zeros_(module.bias)


class Beit3Model(Beit3PreTrainedModel):
    def __init__(self, config: Beit3Config) -> None:
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.embed_positions = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.layers = nn.ModuleList(Beit3Block(config, layer) for layer in range(config.num_hidden_layers))
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: DynamicCache | None = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        masked: Tensor | None = None,
        **kwargs: Any,
    ) -> BaseModelOutputWithPast:
        """Hidden states behind the last norm.

        Args:
            input_ids, inputs_embeds: [B, L] or [B, L, H], one of them.
            attention_mask: [B, P + L] (1 real, 0 padding), for words that see what stands before them and pictures that see
                themselves in both directions; or a boolean [B, 1, L, P + L], True where a token may look.
            position_ids: [B, L], words counted from 0; of no meaning for pictures. Counted here if absent, which is only
                possible without anything in the cache.
            masked: [M] numbers of tokens behind which a mask is to be looked at. Hidden states come back of these M masks
                alone, [B, M, H]; what a mask was to others, or in the cache, there is nothing left of.
        """
        if inputs_embeds is None:
            assert input_ids is not None
            inputs_embeds = self.embed_tokens(input_ids)
        shape, device = inputs_embeds.shape[:2], inputs_embeds.device
        past = past_key_values.get_seq_length() if past_key_values is not None else 0
        route: ImageTokens | None = current_route()
        is_image = torch.zeros(shape, dtype=torch.bool, device=device) if route is None else route.is_image_BL
        real = torch.ones(shape[0], past + shape[1], dtype=torch.bool, device=device)
        if attention_mask is not None and attention_mask.ndim == 2:
            real = attention_mask.bool()
        if attention_mask is not None and attention_mask.ndim == 4:
            allowed = attention_mask
        else:
            allowed = _allowed(real, is_image)
        if position_ids is None:
            if past:
                raise ValueError("words that go on behind a cache need position_ids: how many words are before them")
            position_ids = word_positions(~is_image & real)
        positions = self.embed_positions((position_ids + FIRST_POSITION).clamp(min=0))
        hidden = inputs_embeds + positions * ~is_image[..., None]
        if masked is not None:
            behind = position_ids[:, masked] + 1 + FIRST_POSITION
            token = self.embed_tokens.weight[self.config.mask_token_id]
            hidden = torch.cat([hidden, token + self.embed_positions(behind)], dim=1)
            allowed = _with_masks(allowed, masked)
            route = route.continued(len(masked)) if route is not None else None
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache(config=self.config)
        with routed(route):
            for layer in self.layers:
                hidden = layer(hidden, allowed, past_key_values)
            hidden = self.norm(hidden)
        if masked is not None:
            hidden = hidden[:, shape[1] :]
            if past_key_values is not None:
                past_key_values.crop(-len(masked))
        return BaseModelOutputWithPast(last_hidden_state=hidden, past_key_values=past_key_values if use_cache else None)


def _allowed(real_BS: Tensor, is_image_BL: Tensor) -> Tensor:
    """Who may look at whom [B, 1, L, P + L] if there are P tokens in the cache."""
    past = real_BS.shape[1] - is_image_BL.shape[1]
    document = torch.where(real_BS[:, past:], 0, PADDING)
    inside = AttentionPlan.with_pictures(document, is_image_BL).dense()
    before = real_BS[:, None, None, :past].expand(-1, 1, is_image_BL.shape[1], -1)
    return torch.cat([before, inside], dim=3)


def _with_masks(allowed_B1LS: Tensor, masked_M: Tensor) -> Tensor:
    """[B, 1, L + M, P + L + M]: each mask sees what its token sees, and itself; nobody sees a mask."""
    rows, _, length, _ = allowed_B1LS.shape
    count = len(masked_M)
    itself = torch.eye(count, dtype=torch.bool, device=allowed_B1LS.device).expand(rows, 1, -1, -1)
    nobody = allowed_B1LS.new_zeros(rows, 1, length, count)
    below = torch.cat([allowed_B1LS[:, :, masked_M], itself], dim=3)
    return torch.cat([torch.cat([allowed_B1LS, nobody], dim=3), below], dim=2)


class Beit3ForCausalLM(Beit3PreTrainedModel, GenerationMixin):
    """With the head that predicts masked words, and writes by it."""

    _tied_weights_keys: ClassVar[dict[str, str]] = {"lm_head.weight": "model.embed_tokens.weight"}

    def __init__(self, config: Beit3Config) -> None:
        super().__init__(config)
        self.model = Beit3Model(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: DynamicCache | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """Next-token logits: what a mask behind each of the last ``logits_to_keep`` tokens (0: all) would be."""
        given = input_ids if input_ids is not None else inputs_embeds
        assert given is not None
        length = given.shape[1]
        if isinstance(logits_to_keep, int):
            masked = torch.arange(length, device=given.device)[-logits_to_keep:]
        else:
            masked = logits_to_keep
        output = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            masked=masked,
        )
        logits = self.lm_head(output.last_hidden_state)
        loss = None
        if labels is not None:
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=self.config.vocab_size)
        return CausalLMOutputWithPast(loss=loss, logits=logits, past_key_values=output.past_key_values)


AutoConfig.register(Beit3Config.model_type, Beit3Config)
AutoModelForCausalLM.register(Beit3Config, Beit3ForCausalLM)
