"""One description of attention, and every mask derived from it.

Two integers per token say everything. A token attends to the tokens of its own *document* whose *block* is not later
than its own:

    allowed(q, k) = document[q] == document[k] >= 0  and  block[k] <= block[q]

Blocks counting 0, 1, 2, ... give causal attention; a repeated block id is a span that sees itself in both directions (a
prefix, a picture, one scale of next-scale prediction); several documents in one row are packed samples that never see
each other; document -1 is padding. (The single integer vector is big_vision's idea; documents are ours for packing.)

Shapes: B rows, L tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

PADDING = -1
"""Document id of padding tokens."""


@dataclass(frozen=True)
class AttentionPlan:
    """Who may attend to whom.

    Attributes:
        document_BL: int64 document id per token, `PADDING` for padding.
        block_BL: int64 block id per token, never decreasing within a document.
    """

    document_BL: Tensor
    block_BL: Tensor

    def __post_init__(self) -> None:
        if self.document_BL.shape != self.block_BL.shape:
            raise ValueError(
                f"document ids have shape {tuple(self.document_BL.shape)}, block ids {tuple(self.block_BL.shape)}"
            )

    @classmethod
    def causal(cls, document_BL: Tensor) -> AttentionPlan:
        """Plain causal attention inside each document."""
        return cls(document_BL, torch.arange(document_BL.shape[1], device=document_BL.device).expand_as(document_BL))

    @classmethod
    def bidirectional(cls, document_BL: Tensor) -> AttentionPlan:
        """Every token sees its whole document."""
        return cls(document_BL, torch.zeros_like(document_BL))

    @classmethod
    def with_pictures(cls, document_BL: Tensor, is_image_BL: Tensor) -> AttentionPlan:
        """Causal attention of words; the tokens of a picture see each other in both directions."""
        index = torch.arange(document_BL.shape[1], device=document_BL.device).expand_as(document_BL)
        goes_on = torch.zeros_like(is_image_BL)
        goes_on[:, 1:] = is_image_BL[:, 1:] & is_image_BL[:, :-1] & (document_BL[:, 1:] == document_BL[:, :-1])
        return cls(document_BL, torch.where(goes_on, 0, index).cummax(dim=1).values)

    def dense(self) -> Tensor:
        """Boolean mask [B, 1, L, L], True where attention is allowed, for scaled_dot_product_attention.

        Padding attends to itself alone, so that no softmax row is empty; nothing else attends to it.
        """
        document, block = self.document_BL, self.block_BL
        same = document[:, :, None] == document[:, None, :]
        real = (document != PADDING)[:, None, :]
        allowed = same & real & (block[:, None, :] <= block[:, :, None])
        diagonal = torch.eye(document.shape[1], dtype=torch.bool, device=document.device)
        return (allowed | diagonal)[:, None]

    def flex(self) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
        """The same rule as a ``mask_mod`` for ``torch.nn.attention.flex_attention.create_block_mask``."""
        document, block = self.document_BL, self.block_BL

        def mask_mod(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
            real = (document[b, q] == document[b, k]) & (document[b, k] != PADDING)
            return (real & (block[b, k] <= block[b, q])) | (q == k)

        return mask_mod

    def is_causal(self) -> bool:
        """Whether every document is plainly causal: what varlen kernels can run."""
        inside = self.document_BL[:, 1:] == self.document_BL[:, :-1]
        grows = self.block_BL[:, 1:] > self.block_BL[:, :-1]
        return bool((grows | ~inside).all())

    def varlen(self) -> tuple[Tensor, int]:
        """Cumulative document lengths [documents + 1] (int32) over the flattened rows, and the longest length.

        Raises:
            ValueError: if a block holds several tokens; varlen kernels know only causal attention.
        """
        if not self.is_causal():
            raise ValueError("varlen attention is causal, but a block of this plan holds several tokens")
        edges = self.edges()
        return edges.to(torch.int32), int(edges.diff().max())

    def edges(self) -> Tensor:
        """Where documents begin and end, [documents + 1], over the flattened rows.

        Padding runs count as documents of their own, so documents cover all B * L tokens.
        """
        flat = self.document_BL.flatten()
        starts = torch.ones_like(flat, dtype=torch.bool)
        starts[1:] = flat[1:] != flat[:-1]
        starts[:: self.document_BL.shape[1]] = True
        return torch.cat([starts.nonzero().flatten(), torch.tensor([flat.numel()], device=flat.device)])

    def positions(self) -> Tensor:
        """Position ids [B, L]: each document counts from 0, wherever it stands in its row."""
        length = self.document_BL.shape[1]
        index = torch.arange(length, device=self.document_BL.device).expand_as(self.document_BL)
        starts = torch.ones_like(self.document_BL, dtype=torch.bool)
        starts[:, 1:] = self.document_BL[:, 1:] != self.document_BL[:, :-1]
        first = torch.where(starts, index, torch.zeros_like(index)).cummax(dim=1).values
        return index - first


def word_positions(is_word_BL: Tensor, document_BL: Tensor | None = None) -> Tensor:
    """Position ids [B, L] that count words alone, from 0 in each document; -1 before the first one.

    Args:
        is_word_BL: neither picture nor padding.
        document_BL: of packed rows; one document a row if absent.
    """
    count = is_word_BL.long().cumsum(dim=1)
    if document_BL is None:
        return count - 1
    starts = torch.ones_like(is_word_BL)
    starts[:, 1:] = document_BL[:, 1:] != document_BL[:, :-1]
    before = torch.where(starts, count - is_word_BL.long(), 0).cummax(dim=1).values
    return count - before - 1
