"""How likely a greedily decoded reply was, and where it ends. Shapes: B replies, L tokens."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor
from transformers import LogitsProcessor


class GreedyChances(LogitsProcessor):
    """Changes nothing, and keeps how likely the likeliest token was, which is the one that greedy decoding takes."""

    def __init__(self) -> None:
        self.steps: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        self.steps.append(scores.amax(-1).float() - scores.float().logsumexp(-1))
        return scores

    def chosen(self) -> Tensor:
        """Log-probabilities [B, L] of the generated tokens, in nats."""
        return torch.stack(self.steps, dim=1).cpu()


def length_of(reply_L: Tensor, ends: Collection[int]) -> tuple[int, bool]:
    """(tokens of a reply up to the first of ``ends``, which counts; whether there is one)."""
    ended = torch.isin(reply_L, torch.tensor(sorted(ends), dtype=reply_L.dtype, device=reply_L.device)).nonzero()
    return (int(ended[0]) + 1, True) if len(ended) else (len(reply_L), False)
