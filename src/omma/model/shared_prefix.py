"""Prompts about the same pictures begin alike, and nearly all of their tokens are in that beginning: it is read once.

A causal language model's keys and values of a beginning do not depend on what follows, so those of one picture serve for all
questions about it.

Shapes: P beginnings, B prompts, L tokens of a beginning, H width of the language model.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import CacheLayerMixin, DynamicLayer

from omma.model.modeling import OmmaForConditionalGeneration


@dataclass(frozen=True, slots=True)
class SharedPrefix:
    """What prompts of a batch begin with.

    Attributes:
        length: tokens of a beginning, the same for all.
        first: for each beginning, a prompt that begins so.
        which: for each prompt, the number of its beginning.
    """

    length: int
    first: list[int]
    which: list[int]

    @classmethod
    def of(
        cls, model: OmmaForConditionalGeneration, ids: Sequence[np.ndarray], pictures: Sequence[Hashable]
    ) -> SharedPrefix | None:
        """None if it does not pay, or does not fit: no pictures, none shown twice, beginnings of several lengths, or a language
        model that sees what follows them.

        Args:
            ids: of each prompt.
            pictures: of each prompt, whatever tells them apart.
        """
        if model.language_model_encodes:
            return None
        places = [np.flatnonzero(row == model.config.image_token_id) for row in ids]
        lengths = {int(place[-1]) + 1 if len(place) else 0 for place in places}
        if len(lengths) != 1 or 0 in lengths:
            return None
        (length,) = lengths
        first: dict[Hashable, int] = {}
        keys = [(row[:length].tobytes(), shown) for row, shown in zip(ids, pictures, strict=True)]
        for number, key in enumerate(keys):
            first.setdefault(key, number)
        if len(first) == len(keys):
            return None
        order = {key: number for number, key in enumerate(first)}
        return cls(length, list(first.values()), [order[key] for key in keys])

    def read(
        self,
        model: OmmaForConditionalGeneration,
        ids: Sequence[np.ndarray],
        vectors_of: Callable[[int], Tensor],
        *,
        room: int,
    ) -> DynamicCache | None:
        """Keys and values of every prompt's beginning; None for a model that keeps something else.

        Args:
            vectors_of: the image vectors [K, H] of a prompt, by its number.
            room: tokens that are going to follow at most.
        """
        beginnings = torch.from_numpy(np.stack([ids[number][: self.length] for number in self.first])).to(model.device)
        vectors = torch.cat([vectors_of(number) for number in self.first])
        cache = DynamicCache(config=model.config.get_text_config())
        found = model(
            input_ids=beginnings, image_vectors=vectors, past_key_values=cache, use_cache=True, logits_to_keep=1
        ).past_key_values
        if type(found) is not DynamicCache or found.get_seq_length() != self.length:
            return None
        which = torch.tensor(self.which, device=model.device)
        found.layers = [
            RoomyLayer(layer, which, room) if type(layer) is DynamicLayer else _selected(layer, which)
            for layer in found.layers
        ]
        return found


class RoomyLayer(DynamicLayer):
    """A layer of a cache with room for what follows: what is there already is not copied for every token that is written.

    Holds the chosen rows of another layer, and goes on like that one when the room is used up.
    """

    def __init__(self, other: DynamicLayer, which_B: Tensor, room: int) -> None:
        super().__init__()
        assert other.keys is not None and other.values is not None
        self.dtype, self.device, self.is_initialized = other.keys.dtype, other.keys.device, True
        self._all_keys, self.keys = self._with_room(other.keys, which_B, room)
        self._all_values, self.values = self._with_room(other.values, which_B, room)

    @staticmethod
    def _with_room(states_PNLC: Tensor, which_B: Tensor, room: int) -> tuple[Tensor, Tensor]:
        """[B, heads, L + room, C], and what of it is written, [B, heads, L, C]."""
        _, heads, length, width = states_PNLC.shape
        everything = states_PNLC.new_empty(len(which_B), heads, length + room, width)
        written = everything[:, :, :length]
        written.copy_(states_PNLC[which_B])
        return everything, written

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        assert self.keys is not None and self.values is not None
        before = self.keys.shape[-2]
        after = before + key_states.shape[-2]
        # Once rows are chosen, what is there lies elsewhere.
        ahead = self.keys.data_ptr() == self._all_keys.data_ptr() and len(self.keys) == len(self._all_keys)
        if not ahead or after > self._all_keys.shape[-2]:
            return super().update(key_states, value_states, *args, **kwargs)
        self._all_keys[:, :, before:after] = key_states
        self._all_values[:, :, before:after] = value_states
        self.keys, self.values = self._all_keys[:, :, :after], self._all_values[:, :, :after]
        return self.keys, self.values


def _selected(layer: CacheLayerMixin, which_B: Tensor) -> CacheLayerMixin:
    layer.batch_select_indices(which_B)
    return layer
