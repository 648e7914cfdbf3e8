"""Attention of one set of vectors to another, with a linear map of its own for queries, keys, values and the outcome.

Shapes: N views, M queries, T keys, C channels.
"""

from __future__ import annotations

from torch import Tensor, nn


class Attention(nn.Module):
    """Multi-head attention ("Attention Is All You Need", arXiv 1706.03762, section 3.2.2).

    Args:
        width: channels C of what comes in and goes out.
        head_width: of each head; all of them together need not be C wide.
    """

    def __init__(self, width: int, heads: int, head_width: int, *, bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        inner = heads * head_width
        self.q_proj = nn.Linear(width, inner, bias=bias)
        self.k_proj = nn.Linear(width, inner, bias=bias)
        self.v_proj = nn.Linear(width, inner, bias=bias)
        self.o_proj = nn.Linear(inner, width, bias=bias)

    def forward(self, queries_NMC: Tensor, keys_NTC: Tensor, values_NTC: Tensor) -> Tensor:
        """What the queries find, [N, M, C]."""
        found = nn.functional.scaled_dot_product_attention(
            self._split(self.q_proj(queries_NMC)),
            self._split(self.k_proj(keys_NTC)),
            self._split(self.v_proj(values_NTC)),
        )
        return self.o_proj(found.transpose(1, 2).flatten(2))

    def _split(self, inner: Tensor) -> Tensor:
        """[N, heads, M, head width]"""
        return inner.unflatten(2, (self.heads, -1)).transpose(1, 2)
