"""Painters: what stands between a Transformer and an image tokenizer, and draws with them.

A picture takes so many *slots* in the sequence. While it is learned, all of them are filled at once with what was there before
(`Painter.inputs`), and `AttentionPlan` says which slots see which (`Painter.blocks`). Drawing fills them in as many steps as the
way of drawing takes.

Shapes: N pictures, T codes, S slots, C width of the Transformer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import TopKLogitsWarper, TopPLogitsWarper

from omma.parts.base import Part, PartConfig, Registry

Step = Callable[[Tensor], Tensor]
"""What a Transformer makes of the next slots, [B, slots, C] to [B, slots, C], with all that it saw before in its cache."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How codes are drawn from their probabilities.

    Attributes:
        guidance: strength of classifier-free guidance (arXiv 2207.12598); 0 for none.
        top_k: of so many of the likeliest codes; all if 0. It comes before `top_p`.
        top_p: of the likeliest codes that together have this probability.
    """

    guidance: float = 0.0
    top_k: int = 0
    top_p: float = 1.0

    def filtered(self, logits: Tensor) -> Tensor:
        """Logits [..., V] with those of codes that are not drawn at minus infinity."""
        flat = logits.flatten(0, -2)
        if self.top_k:
            flat = TopKLogitsWarper(self.top_k)(None, flat)  # type: ignore[arg-type]
        if self.top_p < 1:
            flat = TopPLogitsWarper(self.top_p)(None, flat)  # type: ignore[arg-type]
        return flat.view_as(logits)


class Painter(Part, nn.Module):
    """A way to draw.

    Attributes:
        slots: of a picture, S.
    """

    slots: int

    class Config(PartConfig):
        pass

    def blocks(self) -> Tensor:
        """Block [S] of every slot: a slot sees those of its own block and of earlier ones."""
        raise NotImplementedError

    def inputs(self, codes_NT: Tensor, start_NC: Tensor) -> Tensor:
        """What fills the slots [N, S, C] while a picture is learned.

        Args:
            start_NC: what the first slot begins with, such as a class or the token that announces a picture.
        """
        raise NotImplementedError

    def logits(self, hidden_NSC: Tensor) -> Tensor:
        """Of the codes [N, T, V], from what the Transformer makes of the slots."""
        raise NotImplementedError

    def draw(self, step: Step, start_BC: Tensor, sampling: Sampling, dice: Dice) -> Tensor:
        """Codes [N, T], drawn step by step.

        Args:
            start_BC: of N pictures; with guidance also of the same N without what is asked for, behind them.
        """
        raise NotImplementedError


class Dice:
    """Random numbers for pictures, each with a seed of its own: no picture depends on which are drawn beside it."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __len__(self) -> int:
        return len(self.generators)

    def choose(self, logits_NTV: Tensor) -> Tensor:
        """Numbers [N, T], each with its probability."""
        shape = logits_NTV.shape[1:]
        exponential = [torch.empty(shape).exponential_(generator=generator) for generator in self.generators]
        # The smallest of exponential waiting times at these rates: the Gumbel-max trick.
        waiting = torch.stack(exponential).to(logits_NTV.device).log()
        return (logits_NTV.float() - waiting).argmax(-1)


PAINTERS: Registry[type[Painter]] = Registry("painter")
