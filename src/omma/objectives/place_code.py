"""The code of a place: one vector for all that stands in it, from which each can be read again.

The embeddings of what stands in a place are added up, each turned by the slot that it stands in: its numbers in another order,
and half of them with the other sign (as vectors are bound in holographic representations, Kanerva 2009). The turns are the same
everywhere and learned by no one, so that an encoder and a language model that have never met speak of places alike.

Shapes: T places, S slots of a place, H numbers of an embedding.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

SEED = 0


class PlaceCode(nn.Module):
    """Codes of places with that many slots, in embeddings of that width."""

    order: Tensor
    back: Tensor
    signs: Tensor
    blank: Tensor

    def __init__(self, slots: int, width: int) -> None:
        super().__init__()
        rng = np.random.default_rng(SEED)
        # numpy's generators promise the same numbers everywhere; torch's do not.
        order = np.stack([rng.permutation(width) for _ in range(slots)])
        signs = np.stack([rng.permutation(np.resize([1.0, -1.0], width)) for _ in range(slots)])
        self.register_buffer("order", torch.from_numpy(order), persistent=False)
        self.register_buffer("back", torch.from_numpy(np.argsort(order, axis=1)), persistent=False)
        self.register_buffer("signs", torch.from_numpy(signs).float(), persistent=False)
        self.register_buffer("blank", torch.from_numpy(rng.permutation(np.resize([1.0, -1.0], width))).float(), persistent=False)

    def turn(self, slot: int, vectors_NH: Tensor) -> Tensor:
        return vectors_NH[:, self.order[slot]] * self.signs[slot].to(vectors_NH)

    def turn_back(self, slot: int, vectors_NH: Tensor) -> Tensor:
        return (vectors_NH * self.signs[slot].to(vectors_NH))[:, self.back[slot]]

    def forward(self, held_TS: Tensor, table: Tensor) -> Tensor:
        """[T, H] of the rows of ``table`` that are held; other numbers hold nothing.

        A place that holds nothing at all is ``blank``, as long as an embedding is on average: gradients behind a norm of
        nothing have no bounds.
        """
        there = (held_TS >= 0) & (held_TS < len(table))
        codes = table.new_zeros(len(held_TS), table.shape[1])
        for slot in range(held_TS.shape[1]):
            places = there[:, slot].nonzero()[:, 0]
            codes = codes.index_add(0, places, self.turn(slot, F.embedding(held_TS[places, slot], table)))
        length = table.detach().norm(dim=-1).mean() / len(self.blank) ** 0.5
        return torch.where(there.any(-1, keepdim=True), codes, self.blank.to(codes) * length)
