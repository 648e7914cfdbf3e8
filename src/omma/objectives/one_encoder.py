"""One encoder of several side by side, as if it were the only one: so that objectives for an encoder by itself can train it
where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from omma.errors import BadInput
from omma.model.composition import Composition
from omma.model.pixels import painted
from omma.parts.encoders.base import Normalization
from omma.parts.encoders.side_by_side import SideBySide
from omma.parts.resolution.base import Plan, Resolution, ViewTokens

PICTURES = ((640, 480), (200, 300))
"""Sizes of pictures whose views are looked at to see whether each shows the whole, always in the same size."""


class OneBranch(Resolution):
    """The views of one branch of a strategy that cuts for several encoders, padded as they are there."""

    def __init__(self, whole: Resolution, branch: int, normalizations: Sequence[Normalization]) -> None:
        super().__init__(whole.config)
        self.whole, self.branch, self.normalizations = whole, branch, normalizations
        views = [self.plan(*size).views for size in PICTURES]
        self.is_plain = all(len(one) == 1 and one[0].cell is None for one in views) and len({v[0].size for v in views}) == 1

    def plan(self, width: int, height: int) -> Plan:
        plan = painted(self.whole.plan(width, height), self.normalizations)
        views = tuple(replace(view, branch=0) for view in plan.views if view.branch == self.branch)
        return replace(plan, views=views, layout=tuple(map(ViewTokens, range(len(views)))))


def not_one_encoder(model: Composition, expected: str) -> BadInput:
    """The complaint of an objective that cannot train a model's encoder as it is."""
    several = isinstance(model.encoder, SideBySide)
    return BadInput(
        "model.encoder",
        expected=expected,
        found="none" if model.encoder is None else model.encoder.config.type,
        remedy="say which of them learns, for instance objective.encoder=0" if several else "use one of type transformers",
    )


def one_encoder(model: Composition, number: int | None) -> Composition:
    """What an objective for an encoder by itself trains: the model as it is, or one of its encoders with its own view.

    Args:
        number: which of several encoders side by side, from 0; None for a model that has one.

    Raises:
        BadInput: if there are not so many.
    """
    if number is None:
        return model
    several = model.encoder.encoders if isinstance(model.encoder, SideBySide) else ()
    if number >= len(several):
        raise BadInput(
            "recipe field objective.encoder",
            expected=f"one of {len(several)} encoders side by side, counted from 0" if several else "encoders side by side",
            found=str(number) if several else "one" if model.encoder is not None else "none",
            remedy=f"choose one up to {len(several) - 1}" if several else "leave the field out",
        )
    assert model.resolution is not None and model.encoder is not None
    resolution = OneBranch(model.resolution, number, model.encoder.normalizations)
    return Composition(resolution=resolution, encoder=several[number])


def shown_to_all(model: Composition) -> Resolution:
    """The view whose grid all features of a picture lie in: that of the only encoder, or of the first of several.

    Raises:
        BadInput: if the features of others are not joined to those of the first, place by place.
    """
    assert model.resolution is not None and model.encoder is not None
    if model.encoder.branches == 1:
        return model.resolution
    views = model.resolution.plan(*PICTURES[0]).views
    if any(view.branch and model.encoder.grid(view.size, view.branch) != (0, 0) for view in views):
        raise BadInput(
            "model.encoder",
            expected="features in one grid, in which a place can be found",
            found=f"{model.encoder.config.type}, each with a grid of its own",
            remedy="join them by channel",
        )
    return OneBranch(model.resolution, 0, model.encoder.normalizations)
