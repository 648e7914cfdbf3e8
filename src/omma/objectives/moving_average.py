"""A module's moving average, which is not learned and yet goes with checkpoints."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class MovingAverage(nn.Module):
    """A copy of a module in evaluation mode whose numbers follow those of the original.

    Its numbers are float32 buffers instead of parameters: no pattern of ``learn`` matches them, no precision rounds them,
    no gradient reaches them, and checkpoints hold them.

    Attributes:
        module: the copy, to be called as the original.
    """

    def __init__(self, original: nn.Module) -> None:
        super().__init__()
        self.module = copy.deepcopy(original).eval()
        for owner in self.module.modules():
            for name, parameter in list(owner.named_parameters(recurse=False)):
                delattr(owner, name)
                owner.register_buffer(name, parameter.detach().float())

    def train(self, mode: bool = True) -> MovingAverage:
        """It stays in evaluation mode."""
        return super().train(False)

    @torch.no_grad()
    def follow(self, original: nn.Module, momentum: float) -> None:
        """average = momentum * average + (1 - momentum) * original, for all parameters that learn."""
        averages = dict(self.module.named_buffers())
        for name, parameter in original.named_parameters():
            if parameter.requires_grad:
                average: Tensor = averages[name]
                average.lerp_(parameter.to(average), 1 - momentum)

    @torch.no_grad()
    def hand_over(self, original: nn.Module) -> None:
        """Give the original the averaged numbers."""
        averages = dict(self.module.named_buffers())
        for name, parameter in original.named_parameters():
            parameter.copy_(averages[name])
