"""Attention as two matrix products, for bf16 on CPUs, where that is three to five times as fast as the fused kernel.

Memory grows with the square of the length, as it does not in the fused kernel: this is for the few hundred tokens of a
picture or a document. Shapes: B rows, H heads, L queries, S keys, D channels of a head.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import sdpa_mask

NAME = "omma_products"


def is_faster(tensor: Tensor) -> bool:
    """Whether matrix products beat the fused kernel on such tensors."""
    return tensor.device.type == "cpu" and tensor.dtype == torch.bfloat16


def products(
    query_BHLD: Tensor, key_BHSD: Tensor, value_BHSD: Tensor, scale: float, dropout: float = 0.0, mask: Tensor | None = None
) -> Tensor:
    """Attention [B, H, L, D]; keys and values may have fewer heads.

    Args:
        mask: [L, S] or [B, 1 or H, L, S]; boolean, True where a query may look, or to be added to the scores.
    """
    rows, heads, length, width = query_BHLD.shape
    shared, keys = key_BHSD.shape[1:3]
    # Heads that share keys are laid one after another, as if they were more queries.
    query = query_BHLD.reshape(rows * shared, -1, width)
    key, value = (t.reshape(rows * shared, keys, width) for t in (key_BHSD, value_BHSD))
    if mask is None:
        bias = query.new_zeros(())
    else:
        bias = query.new_zeros(mask.shape).masked_fill_(~mask, -torch.inf) if mask.dtype == torch.bool else mask.to(query)
        if bias.dim() == 2:
            bias = bias.repeat(heads // shared, 1)
        else:
            bias = bias.expand(rows, heads, length, keys).reshape(rows * shared, -1, keys)
    scores = torch.baddbmm(bias, query, key.transpose(1, 2), alpha=scale)
    return (F.dropout(scores.softmax(-1), dropout) @ value).view(rows, heads, length, width)


def refuse_other_scores(attention: str, given: Mapping[str, Any]) -> None:
    """Raises ValueError if a model gives its attention function more than plain products are made of."""
    unknown = [name for name in ("softcap", "s_aux", "position_bias") if given.get(name) is not None]
    if unknown:
        raise ValueError(f"{attention} knows no {unknown[0]}, which this model has")


def product_attention(
    module: nn.Module,
    query_BHLD: Tensor,
    key_BHSD: Tensor,
    value_BHSD: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float | None = None,
    dropout: float = 0.0,
    is_causal: bool | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """An attention function of `transformers`. Returns [B, L, H, D].

    Raises:
        ValueError: for a model whose scores are not plain products (soft caps, sinks).
    """
    refuse_other_scores("product attention", kwargs)
    length, keys = query_BHLD.shape[2], key_BHSD.shape[2]
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    if attention_mask is None and causal and length > 1:
        attention_mask = torch.ones(length, keys, dtype=torch.bool, device=query_BHLD.device).tril()
    scale = query_BHLD.shape[-1] ** -0.5 if scaling is None else scaling
    attended = products(query_BHLD, key_BHSD, value_BHSD, scale, dropout, attention_mask)
    return attended.transpose(1, 2), None


AttentionInterface.register(NAME, product_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)


@contextmanager
def attending_by_products(*models: PreTrainedModel) -> Iterator[None]:
    """Product attention inside the block, for the models that know the attention interface of `transformers`."""
    able = [model for model in models if model._supports_attention_backend]
    before = [model.config._attn_implementation for model in able]
    try:
        for model in able:
            model.config._attn_implementation = NAME
        yield
    finally:
        for model, name in zip(able, before, strict=True):
            model.config._attn_implementation = name


def attending_fastest(*models: PreTrainedModel) -> AbstractContextManager[None]:
    """Inside, these models attend in the way that is fastest where the first one lies."""
    return attending_by_products(*models) if is_faster(next(models[0].parameters())) else nullcontext()
