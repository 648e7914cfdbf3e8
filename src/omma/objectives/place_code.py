"""The code of a place: one vector for all that stands in it, from which each can be read again.

The embeddings of what stands in a place are added up, each turned by the slot that it stands in: half of its numbers stay where
they are, and say what is there, whatever the slot; the others are put in another order, and half of them get the other sign, and
say where (as vectors are bound in holographic representations, Kanerva 2009). What all embeddings have in common says nothing,
and is taken away first. The turns are the same everywhere and learned by no one, so that an encoder and a language model that
have never met speak of places alike.

Where a place is in the picture is part of its code, too: cosines along both axes, in directions that are fixed like the turns.
A language model counts places in one row after the other, and what stands above what does not follow from that easily.

Shapes: N pictures, T places of one (R rows of C), S slots of a place, D marks of a slot, H numbers of an embedding.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

SEED = 0
STAYING = 0.25
"""Share of a likeness that the numbers which stay where they are have: two of the same elsewhere in a place, whose halves add up,
are not to look like one here."""
WAVES = 8
"""Cosines along an axis, from half a wave over the picture to four."""
WHERE = 0.5
"""How long what says where a place is is, on average, next to an embedding."""


class PlaceCode(nn.Module):
    """Codes of the places of a grid (rows and columns), with that many slots, in embeddings of that width."""

    order: Tensor
    back: Tensor
    signs: Tensor
    weights: Tensor
    blank: Tensor
    where: Tensor

    def __init__(self, slots: int, width: int, grid: Sequence[int]) -> None:
        super().__init__()
        # numpy's generators promise the same numbers everywhere; torch's do not.
        rng = np.random.default_rng(SEED)
        moved = np.sort(rng.permutation(width)[: width // 2])
        order, signs = np.tile(np.arange(width), (slots, 1)), np.ones((slots, width))
        for slot in range(slots):
            order[slot, moved] = rng.permutation(moved)
            signs[slot, moved] = rng.permutation(np.resize([1.0, -1.0], len(moved)))
        self.register_buffer("order", torch.from_numpy(order), persistent=False)
        self.register_buffer("back", torch.from_numpy(np.argsort(order, axis=1)), persistent=False)
        self.register_buffer("signs", torch.from_numpy(signs).float(), persistent=False)
        weights = np.full(width, 2 * STAYING)
        weights[moved] = 2 * (1 - STAYING)
        self.register_buffer("weights", torch.from_numpy(weights).float(), persistent=False)
        self.register_buffer("blank", torch.from_numpy(rng.permutation(np.resize([1.0, -1.0], width))).float(), persistent=False)
        self.register_buffer("where", torch.from_numpy(_where(rng, width, grid)).float(), persistent=False)

    def turn(self, slot: int, vectors_NH: Tensor) -> Tensor:
        return vectors_NH[:, self.order[slot]] * self.signs[slot].to(vectors_NH)

    def likeness(self, slot: int, codes_NH: Tensor, table_WH: Tensor) -> Tensor:
        """[N, W]: how much like each word the code is in that slot; about one for a word of length one that is there."""
        turned_back = (codes_NH * self.signs[slot].to(codes_NH))[:, self.back[slot]]
        return F.linear(turned_back * self.weights.to(codes_NH), table_WH.to(codes_NH))

    def forward(self, held_NTSD: Tensor, share_NTSD: Tensor, table: Tensor) -> Tensor:
        """[N, T, H] of the rows of ``table`` that are held, their mean taken away, each by its share; other numbers hold nothing.

        As much of a place as holds nothing is ``blank``, which is as long as a row is on average.
        """
        table = table - table.mean(0)
        held, share = held_NTSD.flatten(0, 1), share_NTSD.flatten(0, 1).to(table)
        there = (held >= 0) & (held < len(table))
        codes = table.new_zeros(len(held), table.shape[1])
        for slot in range(held.shape[1]):
            for depth in range(held.shape[2]):
                places = there[:, slot, depth].nonzero()[:, 0]
                rows = F.embedding(held[places, slot, depth], table) * share[places, slot, depth, None]
                codes = codes.index_add(0, places, self.turn(slot, rows))
        length = table.detach().norm(dim=-1).mean()
        blank = self.blank.to(codes) * length / len(self.blank) ** 0.5
        codes = codes + (1 - (share * there).sum((1, 2)).clamp(max=1))[:, None] * blank
        return codes.view(*held_NTSD.shape[:2], codes.shape[1]) + self.where.to(codes) * (WHERE * length)


def _where(rng: np.random.Generator, width: int, grid: Sequence[int]) -> np.ndarray:
    """[T, H], as long as 1 on average; slow waves are longer than fast ones, and as many as there are directions for."""
    waves = min(WAVES, width // 2)
    halves = np.arange(1, waves + 1)
    rows, columns = (
        np.cos(np.pi * halves * (np.arange(cells)[:, None] + 0.5) / cells) / np.sqrt(halves) for cells in grid
    )
    directions = np.linalg.qr(rng.standard_normal((width, width)))[0][: 2 * waves]
    found = ((rows @ directions[:waves])[:, None] + (columns @ directions[waves:])[None]).reshape(-1, width)
    return found / np.linalg.norm(found, axis=1).mean()
