"""How experts learn what is a picture: the route of a forward pass, kept where its layers and their recomputation find it.

Whoever calls a model with an expert does so inside `routed`; the expert's hooks ask `current_route`. An argument would be
plainer, but `transformers` hands no arguments of a caller's to the MLPs, norms and projections that experts work on.

A variable that is set around the call is not enough: with gradient checkpointing a block runs once more in the backward
pass, long after the call, perhaps in another thread, and perhaps after other batches went through. So every block that an
expert works in carries its route with it (`carry`): it takes the route where it is called, as one of its own arguments.
Those are what checkpointing keeps for the recomputation, whoever turned it on and in whichever of its forms. A
`ContextVar` and not a global, because models also answer in threads.

Shapes: B rows, L tokens, N image tokens of all rows, M other tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

from torch import Tensor, nn

_ROUTE: ContextVar[Any] = ContextVar("omma_route", default=None)

ARGUMENT = "omma_route"
"""Name of the argument in which blocks carry the route; they never hand it on."""


@dataclass(frozen=True, eq=False)
class ImageTokens:
    """The route of a language model: where image tokens are in the flattened rows.

    Attributes:
        image_N, other_M: places of image tokens and of all others (words and padding), each in ascending order.
        back: [N + M], where each token of the rows stands in image tokens and others one after another.
    """

    image_N: Tensor
    other_M: Tensor
    back: Tensor

    @classmethod
    def of(cls, is_image_BL: Tensor) -> ImageTokens | None:
        """From a boolean mask; None if there is no image token, which leaves the model exactly as it is."""
        # Image tokens sort before others, each in their order.
        order = (~is_image_BL).flatten().long().argsort(stable=True)
        count = int(is_image_BL.sum())
        return cls(order[:count], order[count:], order.argsort()) if count else None


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
