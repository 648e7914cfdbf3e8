"""How experts learn what is a picture: the route of a forward pass, kept where its layers and their recomputation find it.

Whoever calls a model with an expert does so inside `routed`; the expert's hooks ask `current_route`. An argument would be
plainer, but `transformers` hands no arguments of a caller's to the MLPs, norms and projections that experts work on.

A variable that is set around the call is not enough: with gradient checkpointing a block runs once more in the backward
pass, long after the call, perhaps in another thread, and perhaps after other batches went through. So every block that an
expert works in carries its route with it (`carry`): it takes the route where it is called, as one of its own arguments.
Those are what checkpointing keeps for the recomputation, whoever turned it on and in whichever of its forms. A
`ContextVar` and not a global, because models also answer in threads.

Shapes: B rows, L tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import torch
from torch import Tensor, nn

_ROUTE: ContextVar[Any] = ContextVar("omma_route", default=None)

ARGUMENT = "omma_route"
"""Name of the argument in which blocks carry the route; they never hand it on."""


@dataclass(frozen=True, eq=False)
class ImageTokens:
    """The route of a language model: which tokens of the rows are pictures.

    Attributes:
        is_image_BL: whether a token is of a picture; neither words nor padding are.
        in_pair_BL: whether it is in a document that holds both pictures and words.
    """

    is_image_BL: Tensor
    in_pair_BL: Tensor

    @classmethod
    def of(
        cls, is_image_BL: Tensor, document_BL: Tensor | None = None, *, seen_B: Tensor | None = None
    ) -> ImageTokens | None:
        """From a boolean mask; None if there is nothing of a picture, which leaves the model exactly as it is.

        Args:
            document_BL: of packed rows, negative for padding; one document a row if absent.
            seen_B: rows whose earlier tokens, not among these any more, hold a picture.
        """
        seen = torch.zeros_like(is_image_BL[:, 0]) if seen_B is None else seen_B
        if not is_image_BL.any() and not seen.any():
            return None
        if document_BL is None:
            both = (is_image_BL.any(1) & ~is_image_BL.all(1)) | seen
            return cls(is_image_BL, both[:, None].expand_as(is_image_BL))
        # A document's tokens stand together, so those of both kinds are found from number to number.
        number = torch.ones_like(document_BL)
        number[:, 1:] = document_BL[:, 1:] != document_BL[:, :-1]
        number = number.flatten().cumsum(0) - 1
        kinds = torch.stack([is_image_BL, ~is_image_BL & (document_BL >= 0)]).flatten(1).long()
        found = kinds.new_zeros(2, int(number[-1]) + 1).index_add_(1, number, kinds)
        return cls(is_image_BL, (found > 0).all(0)[number].view_as(is_image_BL))

    def continued(self, words: int) -> ImageTokens:
        """With so many words more at the end of every row."""
        pad = torch.nn.functional.pad
        last = self.in_pair_BL[:, -1:].expand(-1, words)
        return ImageTokens(pad(self.is_image_BL, (0, words)), torch.cat([self.in_pair_BL, last], dim=1))

    @cached_property
    def by_modality(self) -> Parted:
        """Image tokens, and all others."""
        return Parted.of(1 - self.is_image_BL.long(), 2)

    @cached_property
    def by_modality_and_pair(self) -> Parted:
        """Image tokens that have no words beside them, others that have no picture beside them, and all the rest."""
        return Parted.of(torch.where(self.in_pair_BL, 2, 1 - self.is_image_BL.long()), 3)


@dataclass(frozen=True, eq=False)
class Parted:
    """Flattened rows taken apart.

    Attributes:
        places: of the tokens of each part, in ascending order.
        back: [B * L], where each token of the rows stands in the parts one after another.
    """

    places: tuple[Tensor, ...]
    back: Tensor

    @classmethod
    def of(cls, part_BL: Tensor, parts: int) -> Parted:
        order = part_BL.flatten().argsort(stable=True)
        counts = part_BL.flatten().bincount(minlength=parts)
        return cls(order.split(counts.tolist()), order.argsort())


def current_route() -> Any:
    """The route of the forward pass that is under way; None if there is nothing for experts to do."""
    return _ROUTE.get()


@contextmanager
def routed(route: Any) -> Iterator[None]:
    """Forward passes inside the block take this route."""
    token = _ROUTE.set(route)
    try:
        yield
    finally:
        _ROUTE.reset(token)


class _Carrying:
    """Mixed into the class of a block, before it."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(*args, **{ARGUMENT: current_route()}, **kwargs)  # type: ignore[misc]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        with routed(kwargs.pop(ARGUMENT)):
            return super().forward(*args, **kwargs)  # type: ignore[misc]


@cache
def _carrying(kind: type[nn.Module]) -> type[nn.Module]:
    return type(kind.__name__, (_Carrying, kind), {"__module__": kind.__module__})


def carry(block: nn.Module) -> None:
    """Let a block carry the route through gradient checkpointing, in place."""
    # A subclass, because checkpointing happens between the call of a block and its class's `forward`: hooks on the block
    # are on the wrong side of it.
    block.__class__ = _carrying(type(block))  # type: ignore[arg-type]
