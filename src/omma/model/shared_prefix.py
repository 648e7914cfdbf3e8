"""Prompts about the same pictures begin alike, and nearly all of their tokens are in that beginning: it is read once.

A causal language model's keys and values of a beginning do not depend on what follows, so those of one picture serve for all
questions about it.

Shapes: P beginnings, B prompts, L tokens of a beginning, H width of the language model.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache

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
        """None if it does not pay, or does not fit: no pictures, none shown twice, or beginnings of several lengths.

        Args:
            ids: of each prompt.
            pictures: of each prompt, whatever tells them apart.
        """
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
        self, model: OmmaForConditionalGeneration, ids: Sequence[np.ndarray], vectors_of: Callable[[int], Tensor]
    ) -> DynamicCache | None:
        """Keys and values of every prompt's beginning; None for a model that keeps something else.

        Args:
            vectors_of: the image vectors [K, H] of a prompt, by its number.
        """
        beginnings = torch.from_numpy(np.stack([ids[number][: self.length] for number in self.first])).to(model.device)
        vectors = torch.cat([vectors_of(number) for number in self.first])
        cache = DynamicCache(config=model.config.get_text_config())
        found = model(
            input_ids=beginnings, image_vectors=vectors, past_key_values=cache, use_cache=True, logits_to_keep=1
        ).past_key_values
        if type(found) is not DynamicCache or found.get_seq_length() != self.length:
            return None
        found.batch_select_indices(torch.tensor(self.which, device=model.device))
        return found
