"""Attention of packed documents without the square of the row: each document is a sequence of its own.

The varlen form of `omma.parts.attention` for machines without varlen kernels. Tokens stay packed everywhere else; only
inside attention the documents are gathered, side by side with others of like length, so the work is the sum of squares
of their lengths. Right padding needs no mask where attention is causal: nothing real looks at it. Documents with blocks of
several tokens bring a mask.

Shapes: N tokens of all rows, H heads, D channels of a head, B rows, L tokens of a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AttentionInterface, PreTrainedModel

from omma.model.product_attention import is_faster, products, refuse_other_scores
from omma.parts.attention import AttentionPlan

NAME = "omma_documents"
LIKE = 0.9
"""Documents share a gather with longer ones if they have at least this fraction of their length."""

BLOCK = 256
"""Queries that share one product; fewer, and products are too small to be fast."""


class _Gather(torch.autograd.Function):
    """``tokens[index]`` where every token stands once and fillers besides: its gradient is a gather too, not a sum."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, index: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(back)
        return tokens.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        (back,) = ctx.saved_tensors
        return gradient.index_select(0, back), None, None


class _Return(torch.autograd.Function):
    """The way back: fillers are dropped, and get no gradient."""

    @staticmethod
    def forward(ctx: Any, gathered: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(back)
        ctx.length = len(gathered)
        return gathered.index_select(0, back)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        (back,) = ctx.saved_tensors
        return gradient.new_zeros(ctx.length, *gradient.shape[1:]).index_copy_(0, back, gradient), None


@dataclass(frozen=True)
class Documents:
    """Where the tokens of packed rows go for attention, and back.

    Attributes:
        index: [M] of the N flattened tokens, bucket after bucket; short documents are filled up with their last token.
        shapes: (documents, longest) of every bucket.
        back: [N], the place of every token in ``index``.
        masks: of every bucket, bool [documents, 1, longest, longest], True where a query may look; None where that is causal.
    """

    index: Tensor
    shapes: tuple[tuple[int, int], ...]
    back: Tensor
    masks: tuple[Tensor | None, ...]

    @classmethod
    def of(cls, plan: AttentionPlan) -> Documents:
        """The documents of a plan."""
        edges = plan.edges()
        causal, block = plan.is_causal(), plan.block_BL.flatten()
        spans = sorted(zip(edges[:-1].tolist(), edges.diff().tolist(), strict=True), key=lambda span: -span[1])
        device = plan.document_BL.device
        groups: list[list[tuple[int, int]]] = []
        for span in spans:
            if not groups or span[1] < LIKE * groups[-1][0][1]:
                groups.append([])
            groups[-1].append(span)
        back = torch.empty(int(edges[-1]), dtype=torch.int64, device=device)
        buckets, masks, before = [], list[Tensor | None](), 0
        for group in groups:
            starts, lengths = torch.tensor(group, device=device).T
            longest = int(lengths[0])
            place = torch.arange(longest, device=device)
            bucket = starts[:, None] + torch.minimum(place, lengths[:, None] - 1)
            real = place < lengths[:, None]
            back[bucket[real]] = before + real.flatten().nonzero().flatten()
            buckets.append(bucket)
            masks.append(None if causal else _mask(block[bucket], real))
            before += bucket.numel()
        index = torch.cat([bucket.flatten() for bucket in buckets])
        return cls(index, tuple((len(b), b.shape[1]) for b in buckets), back, tuple(masks))


def document_attention(
    module: nn.Module,
    query_BHLD: Tensor,
    key_BHLD: Tensor,
    value_BHLD: Tensor,
    attention_mask: Tensor | None,
    *,
    documents: Documents,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """An attention function of `transformers`; keys and values may have fewer heads. Returns [B, L, H, D].

    Raises:
        ValueError: for a language model whose scores are not plain products (soft caps, sinks).
    """
    refuse_other_scores("document attention", kwargs)
    rows, _, length, _ = query_BHLD.shape
    sizes = [count * longest for count, longest in documents.shapes]
    query, key, value = (
        _Gather.apply(t.transpose(1, 2).flatten(0, 1), documents.index, documents.back).split(sizes)
        for t in (query_BHLD, key_BHLD, value_BHLD)
    )
    outputs = []
    for shape, mask, *bucket in zip(documents.shapes, documents.masks, query, key, value, strict=True):
        q, k, v = (t.unflatten(0, shape).transpose(1, 2) for t in bucket)
        window = sliding_window if sliding_window is not None and sliding_window < shape[1] else None
        scale = scaling or q.shape[-1] ** -0.5
        if mask is None:
            attended = (_products if is_faster(q) else _fused)(q, k, v, scale, dropout, window)
        else:
            seen = mask if window is None else mask & mask.new_ones(mask.shape).triu(1 - window)
            attended = _masked(q, k, v, scale, dropout, seen)
        outputs.append(attended.transpose(1, 2).flatten(0, 1))
    packed = _Return.apply(torch.cat(outputs), documents.back)
    return packed.unflatten(0, (rows, length)), None


def _mask(block_DL: Tensor, real_DL: Tensor) -> Tensor | None:
    """Where the queries of documents may look, [D, 1, L, L]: not into a later block; None where that is plainly causal."""
    if bool((block_DL.diff() > 0)[real_DL[:, 1:]].all()):
        return None
    return (real_DL[:, None] & (block_DL[:, None] <= block_DL[:, :, None]))[:, None]


def _allowed(length: int, window: int | None, device: torch.device) -> Tensor:
    """[L, L], True where a query may look: not later than itself and, with a window, among the last so many."""
    allowed = torch.ones(length, length, dtype=torch.bool, device=device).tril()
    return allowed if window is None else allowed.triu(1 - window)


def _products(
    query_BHLD: Tensor, key_BHLD: Tensor, value_BHLD: Tensor, scale: float, dropout: float, window: int | None
) -> Tensor:
    """Block after block of queries, each with the keys that one of them may look at: nearly half of the scores are spared."""
    length = query_BHLD.shape[2]
    allowed = _allowed(length, window, query_BHLD.device)
    blocks = []
    for start in range(0, length, BLOCK):
        stop = min(start + BLOCK, length)
        first = 0 if window is None else max(0, start + 1 - window)
        key, value = (t[:, :, first:stop] for t in (key_BHLD, value_BHLD))
        blocks.append(products(query_BHLD[:, :, start:stop], key, value, scale, dropout, allowed[start:stop, first:stop]))
    return torch.cat(blocks, dim=2)


def _masked(
    query_BHLD: Tensor, key_BHLD: Tensor, value_BHLD: Tensor, scale: float, dropout: float, mask: Tensor
) -> Tensor:
    if is_faster(query_BHLD):
        return products(query_BHLD, key_BHLD, value_BHLD, scale, dropout, mask)
    return F.scaled_dot_product_attention(
        query_BHLD, key_BHLD, value_BHLD, attn_mask=mask, dropout_p=dropout, scale=scale, enable_gqa=True
    )


def _fused(
    query_BHLD: Tensor, key_BHLD: Tensor, value_BHLD: Tensor, scale: float, dropout: float, window: int | None
) -> Tensor:
    mask = None if window is None else _allowed(query_BHLD.shape[2], window, query_BHLD.device)
    return F.scaled_dot_product_attention(
        query_BHLD,
        key_BHLD,
        value_BHLD,
        attn_mask=mask,
        dropout_p=dropout,
        is_causal=mask is None,
        scale=scale,
        enable_gqa=True,
    )


# Under a name without a mask function, `transformers` builds no mask at all.
AttentionInterface.register(NAME, document_attention)


@contextmanager
def attending_documents(model: PreTrainedModel) -> Iterator[None]:
    """Document attention inside the block, for a language model that knows the attention interface of `transformers`.

    Inside, `attends_documents` tells whether it is on; every forward pass is then given ``documents``.
    """
    before = model.config._attn_implementation
    if model._supports_attention_backend:
        model.config._attn_implementation = NAME
    try:
        yield
    finally:
        model.config._attn_implementation = before


def attends_documents(model: PreTrainedModel) -> bool:
    """Whether the language model is inside `attending_documents`."""
    return model.config._attn_implementation == NAME
