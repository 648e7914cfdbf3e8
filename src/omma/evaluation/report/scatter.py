"""Accuracy against what it costs, or how fast it comes: dots in a plot, each with its number in the table beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from omma.evaluation.intervals import Estimate
from omma.evaluation.report.curves import Tick, nice_ticks

DOT = (0.045, 0.06)
"""Width and height of a dot on a phone, as shares of a plot's."""
WIDE = 4.0
"""Axes whose ends differ by more than this factor are logarithmic."""


class Ranked(Protocol):
    """What has a name and an accuracy."""

    @property
    def name(self) -> str: ...
    @property
    def accuracy(self) -> Estimate: ...


@dataclass(frozen=True, slots=True)
class Dot:
    """One of those compared, in a plot: places from the left and the bottom, 0 to 1, and the number it has on the page."""

    number: int
    name: str
    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Scatter:
    """Accuracy against what it costs; dots that would hide each other stand side by side."""

    title: str
    dots: tuple[Dot, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def scatter(
    title: str, ranked: Sequence[Ranked], costs: Sequence[float], label: Callable[[float], str]
) -> Scatter:
    """Those compared by cost and accuracy, the best first; the axis of costs is logarithmic where they are far apart."""
    scale: Callable[[float], float] = math.log10 if max(costs) > WIDE * min(costs) > 0 else float
    xs = [scale(cost) for cost in costs]
    spread = max(xs) - min(xs) or abs(xs[0]) or 1.0
    low, high = min(xs) - 0.08 * spread, max(xs) + 0.08 * spread
    bottom = max(0.0, math.floor(10 * min(choice.accuracy.low for choice in ranked)) / 10)
    top = min(1.0, math.ceil(10 * max(choice.accuracy.high for choice in ranked)) / 10)
    if top <= bottom:
        bottom, top = max(0.0, bottom - 0.1), min(1.0, bottom + 0.1)

    def across(x: float) -> float:
        return (x - low) / (high - low)

    def up(y: float) -> float:
        return (y - bottom) / (top - bottom)

    dots: list[Dot] = []
    for number, (choice, x) in enumerate(zip(ranked, xs, strict=True), start=1):
        y, place = up(choice.accuracy.value), across(x)
        # Beside a dot that it would hide, as long as there is room.
        while any(abs(dot.x - place) < DOT[0] and abs(dot.y - y) < DOT[1] for dot in dots) and place < 1 - DOT[0]:
            place += DOT[0]
        dots.append(Dot(number, choice.name, place, y, up(choice.accuracy.low), up(choice.accuracy.high)))
    if scale is float:
        ticks = [cost for cost in nice_ticks(low, high, 3) if cost >= 0]
    else:
        powers = range(math.floor(low), math.ceil(high) + 1)
        ticks = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
    shown = tuple(
        Tick(across(scale(t)), label(t)) for t in ticks if (t > 0 or scale is float) and 0 <= across(scale(t)) <= 1
    )
    return Scatter(
        title, tuple(dots), shown, tuple(Tick(up(y), f"{100 * y:.0f} %") for y in nice_ticks(bottom, top, 3))
    )
