"""Sides: which tokens of rows an encoder-decoder encodes, and which ones it decodes.

What is said to a model is encoded, and so is every picture that is read; what it says itself is decoded, and so are the slots of
a picture that it draws. An answer reaches from the token that begins it to the token that ends it: both are structure, which only
the chat format writes, so that the ids of a row tell its sides, whether it is learned, packed, read again or still being written.

An answer sees what was encoded before it, in whatever *segment*: a stretch of encoded tokens without anything decoded between
them. A segment sees itself in both directions and those before it, never a later one, so what an answer was made of stays the
same, whatever is said afterwards.

Shapes: B rows, L tokens that are new, S tokens of whole rows, those in the cache (S - L) before the new ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from omma.parts.attention import PADDING, AttentionPlan

SLOT = -1
"""Id of a slot of a picture that is drawn: no token stands there."""


@dataclass(frozen=True, eq=False)
class Sides:
    """The route of an encoder-decoder through whole rows.

    Attributes:
        document_BS: document of every token, `PADDING` for padding.
        decoded_BS, encoded_BS: on which side it is; padding is on neither.
        segment_BS: number of the last segment that begins up to it, rising within a row.
        is_image_BS, is_slot_BS: whether it is of a picture that is read, or of one that is drawn.
        place_BS: number of a word among those of its side and document, and of any other token in its picture.
    """

    document_BS: Tensor
    decoded_BS: Tensor
    encoded_BS: Tensor
    segment_BS: Tensor
    is_image_BS: Tensor
    is_slot_BS: Tensor
    place_BS: Tensor

    @classmethod
    def of(cls, ids_BS: Tensor, document_BS: Tensor, *, image: int, begin: int, end: int, padding: int | None) -> Sides:
        """From the ids of whole rows.

        Args:
            image: of what stands for pictures that are read.
            begin, end: of what begins an answer and what ends it.
            padding: of what is written behind an answer that has ended before others of its batch.
        """
        index = torch.arange(ids_BS.shape[1], device=ids_BS.device).expand_as(ids_BS)
        first = index - AttentionPlan.causal(document_BS).positions()
        real, is_image, is_slot = document_BS != PADDING, ids_BS == image, ids_BS == SLOT

        # What ends an answer, and whatever fills its row up, is of the side of what stands before it.
        fills = ids_BS == end
        if padding is not None:
            fills = fills | (ids_BS == padding)
        inside = _last(ids_BS == begin, index) > torch.maximum(_last(ids_BS == end, index), first - 1)
        before = _last(~fills, index)
        inside = inside.gather(1, before.clamp(min=0)) & (before >= first)

        decoded = inside & ~is_image & real
        encoded = ~decoded & real
        segment = _begins(encoded, document_BS).long().cumsum(1)
        word = ~is_image & ~is_slot
        place = torch.where(decoded, _number(word & decoded, first), _number(word & encoded, first))
        run = index - _last(_begins(is_image, document_BS) | _begins(is_slot, document_BS), index)
        return cls(document_BS, decoded, encoded, segment, is_image, is_slot, torch.where(word, place, run))

    def sees(self, other: Sides) -> Tensor:
        """[B, S, S of the other]: whether what a token is made of holds what another one, encoded, is."""
        same = self.document_BS[:, :, None] == other.document_BS[:, None]
        return same & (other.segment_BS[:, None] <= self.segment_BS[:, :, None]) & other.encoded_BS[:, None]

    def picked(self, picked: Picked) -> Sides:
        """Of some tokens only; those that are not real are padding."""
        some = self._each(lambda tensor: tensor.gather(1, picked.index_BN))
        real = picked.real_BN
        document = torch.where(real, some.document_BS, PADDING)
        return replace(some, document_BS=document, decoded_BS=some.decoded_BS & real, encoded_BS=some.encoded_BS & real)

    def between(self, start: int, stop: int) -> Sides:
        """Of these places of the rows only."""
        return self._each(lambda tensor: tensor[:, start:stop])

    def _each(self, change: Callable[[Tensor], Tensor]) -> Sides:
        return Sides(**{field.name: change(getattr(self, field.name)) for field in fields(self)})


@dataclass(frozen=True, eq=False)
class Picked:
    """Some tokens of rows, moved together.

    Attributes:
        index_BN: their places, and those of others where a row has less of them.
        real_BN: whether a token is one of them.
    """

    index_BN: Tensor
    real_BN: Tensor

    @classmethod
    def of(cls, wanted_BL: Tensor) -> Picked:
        """In order. There is at least one in a row, which may not be real."""
        counts = wanted_BL.sum(1)
        most = max(1, int(counts.max()))
        order = wanted_BL.long().argsort(dim=1, descending=True, stable=True)[:, :most]
        return cls(order, torch.arange(most, device=wanted_BL.device) < counts[:, None])

    def take(self, rows_BLC: Tensor) -> Tensor:
        """[B, N, C] of all tokens."""
        return rows_BLC.gather(1, self.index_BN[..., None].expand(-1, -1, rows_BLC.shape[2]))

    def put(self, some_BNC: Tensor, length: int) -> Tensor:
        """[B, L, C], zeros where there is none of them."""
        rows = some_BNC.new_zeros(len(some_BNC), length, some_BNC.shape[2])
        index = self.index_BN[..., None].expand_as(some_BNC)
        return rows.scatter(1, index, some_BNC * self.real_BN[..., None])


def _last(is_it_BS: Tensor, index_BS: Tensor) -> Tensor:
    """Index of the last such token up to each one; -1 if there is none."""
    return torch.where(is_it_BS, index_BS, -1).cummax(1).values


def _begins(is_it_BS: Tensor, document_BS: Tensor) -> Tensor:
    """Where a stretch of such tokens begins."""
    begins = is_it_BS.clone()
    begins[:, 1:] &= ~is_it_BS[:, :-1] | (document_BS[:, 1:] != document_BS[:, :-1])
    return begins


def _number(is_it_BS: Tensor, first_BS: Tensor) -> Tensor:
    """How many such tokens stand before each one in its document, which begins at ``first``."""
    before = is_it_BS.long().cumsum(1) - is_it_BS.long()
    return before - before.gather(1, first_BS)
