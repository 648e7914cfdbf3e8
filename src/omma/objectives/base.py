"""Objectives: what is learned, as objects under one training loop.

An objective has two halves. The *collator* runs in worker processes, knows no modules, and turns the samples of one
optimizer step into micro-batches of plain numpy arrays. The objective itself is a module (it owns whatever it trains
besides the model: a text tower, a captioner) that turns a micro-batch into sums of losses.

Losses are sums, and every term says by how much it is to be divided over the *whole step* (target tokens, pictures).
The loop divides, so the gradient does not depend on how a step is cut into micro-batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
from torch import Tensor, nn

from omma.data.sample import Sample
from omma.parts.base import Part, PartConfig, Registry

MicroBatch = dict[str, np.ndarray]
"""Arrays by name. ``None`` never stands for an array: what a batch lacks is not in it."""


@dataclass(frozen=True)
class BadSample:
    """A sample that could not be used, and the sentence that says why."""

    position: int
    reason: str


@dataclass
class Step:
    """What one optimizer step eats.

    Attributes:
        micro_batches: forward and backward run over one at a time.
        bad: samples that were left out.
        samples, tokens, images: how much real data it holds (padding not counted), for the speed display.
    """

    micro_batches: list[MicroBatch]
    bad: list[BadSample] = field(default_factory=list)
    samples: int = 0
    tokens: int = 0
    images: int = 0


class Collator(Protocol):
    """Picklable; called in worker processes with the good samples of one step."""

    def prepare(self, sample: Sample, position: int = 0) -> Any:
        """Everything that one sample needs, alone. Raises BadInput if the sample is at fault.

        Args:
            position: of the sample in the run. What is random about it follows from this and its id, so that a resumed run
                is the same and no two epochs are.
        """

    def collate(self, prepared: Sequence[Any]) -> Step:
        """The micro-batches of one step."""


class Objective(Part, nn.Module):
    """One thing to learn. Built with ``model`` (the composition that is trained) and what the collator needs.

    Attributes:
        any_resolution: whether samples whose pictures are cut in different ways can be in one step.
    """

    any_resolution: ClassVar[bool] = False

    class Config(PartConfig):
        pass

    def running(self) -> AbstractContextManager[None]:
        """The state that the model has to be in while this objective trains it; nothing in particular by default."""
        return nullcontext()

    def stepping(self, done: float) -> AbstractContextManager[None]:
        """One optimizer step: what changes before it by schedule, and behind it by what was learned. Nothing by default.

        What lies behind must not depend on how the step was cut into micro-batches, and what it changes is a persistent
        buffer: those are in checkpoints.

        Args:
            done: share of the stage's steps that lie before this one.
        """
        return nullcontext()

    def finish(self) -> None:
        """What is left to do when the stage is over and the model in float32 again."""

    def collator(self) -> Collator:
        """The half that runs in workers."""
        raise NotImplementedError

    def weights(self, batch: MicroBatch) -> dict[str, float]:
        """By term: what the micro-batch contributes to the divisor of that term."""
        raise NotImplementedError

    def losses(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """By term: the sum of the losses over the micro-batch, as a scalar tensor."""
        raise NotImplementedError

    def coefficients(self) -> dict[str, float]:
        """By term: its share in the total loss."""
        raise NotImplementedError


OBJECTIVES: Registry[type[Objective]] = Registry("objective")
