"""Chameleon's language model (arXiv 2405.09818, section 2.3), which `transformers` has only together with an image tokenizer.

Llama with a layer norm for every head of queries and keys; in the larger one norms come behind attention and network (as Swin's).
Its layers are those of `transformers`. Codes of pictures have rows in its vocabulary; as published, it never writes them.

Shapes: B rows, L tokens, V words.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache, GenerationMixin, LlamaConfig
from transformers.masking_utils import create_causal_mask
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.models.chameleon.modeling_chameleon import (
    ChameleonDecoderLayer,
    ChameleonPreTrainedModel,
    ChameleonRMSNorm,
    ChameleonRotaryEmbedding,
    ChameleonSwinDecoderLayer,
)


class ChameleonTextConfig(LlamaConfig):
    """Llama's, and what is different; vocabulary, length and norms are the published ones unless told otherwise.

    Args:
        swin_norm: whether norms come behind attention and network.
        model_parallel_size: on how many machines it was trained; it changes nothing here.
        unwritten: (first, count) of the ids that it never writes.
    """

    model_type = "omma_chameleon"

    def __init__(
        self,
        swin_norm: bool = False,
        model_parallel_size: int = 1,
        unwritten: tuple[int, int] | list[int] = (0, 0),
        vocab_size: int = 65536,
        max_position_embeddings: int = 4096,
        rms_norm_eps: float = 1e-5,
        **kwargs: Any,
    ) -> None:
        self.swin_norm = swin_norm
        self.model_parallel_size = model_parallel_size
        self.unwritten = list(unwritten)
        sizes = {"vocab_size": vocab_size, "max_position_embeddings": max_position_embeddings, "rms_norm_eps": rms_norm_eps}
        super().__init__(**sizes, **kwargs)


class WordHead(nn.Linear):
    """An output layer whose logits of some ids are as low as can be, in training as in generation.

    Args:
        unwritten: (first, count) of these.
    """

    def __init__(self, width: int, vocabulary: int, *, unwritten: list[int]) -> None:
        super().__init__(width, vocabulary, bias=False)
        self.unwritten = slice(unwritten[0], sum(unwritten))

    def forward(self, hidden: Tensor) -> Tensor:
        logits = super().forward(hidden)
        logits[..., self.unwritten] = torch.finfo(logits.dtype).min
        return logits


class ChameleonTextModel(ChameleonPreTrainedModel):
    config_class = ChameleonTextConfig

    def __init__(self, config: ChameleonTextConfig) -> None:
        super().__init__(config)
        layer = ChameleonSwinDecoderLayer if config.swin_norm else ChameleonDecoderLayer
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size, config.pad_token_id)
        self.layers = nn.ModuleList(layer(config, number) for number in range(config.num_hidden_layers))
        self.norm = ChameleonRMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.rotary_emb = ChameleonRotaryEmbedding(config=config)
        self.gradient_checkpointing = False
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        **kwargs: Any,
    ) -> BaseModelOutputWithPast:
        """Hidden states [B, L, H] behind the last norm.

        Raises:
            ValueError: without ids or embeddings.
        """
        if inputs_embeds is None:
            if input_ids is None:
                raise ValueError("give input_ids or inputs_embeds")
            inputs_embeds = self.embed_tokens(input_ids)
        use_cache = self.config.use_cache if use_cache is None else use_cache
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache(config=self.config)
        if position_ids is None:
            seen = past_key_values.get_seq_length() if past_key_values is not None else 0
            position_ids = torch.arange(seen, seen + inputs_embeds.shape[1], device=inputs_embeds.device)[None]
        mask = create_causal_mask(
            config=self.config,
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            past_key_values=past_key_values,
            position_ids=position_ids,
        )
        hidden, turns = inputs_embeds, self.rotary_emb(inputs_embeds, position_ids=position_ids)
        for layer in self.layers:
            hidden = layer(
                hidden,
                attention_mask=mask,
                position_ids=position_ids,
                past_key_values=past_key_values,
                use_cache=use_cache,
                position_embeddings=turns,
                **kwargs,
            )[0]
        return BaseModelOutputWithPast(
            last_hidden_state=self.norm(hidden), past_key_values=past_key_values if use_cache else None
        )


class ChameleonForCausalLM(ChameleonPreTrainedModel, GenerationMixin):
    config_class = ChameleonTextConfig
    _tied_weights_keys: ClassVar[dict[str, str]] = {"lm_head.weight": "model.embed_tokens.weight"}

    def __init__(self, config: ChameleonTextConfig) -> None:
        super().__init__(config)
        self.model = ChameleonTextModel(config)
        self.lm_head = WordHead(config.hidden_size, config.vocab_size, unwritten=config.unwritten)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """Next-token logits [B, L, V] of the last ``logits_to_keep`` tokens (0: all)."""
        output = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(output.last_hidden_state[:, kept])
        loss = None
        if labels is not None:
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=self.config.vocab_size, **kwargs)
        return CausalLMOutputWithPast(loss=loss, logits=logits, past_key_values=output.past_key_values)


AutoConfig.register(ChameleonTextConfig.model_type, ChameleonTextConfig)
AutoModelForCausalLM.register(ChameleonTextConfig, ChameleonForCausalLM)
