"""Training curves as SVG paths. Text stays outside the SVG, so that it keeps its size when the drawing is stretched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from omma.evaluation.results import StageCurve

BOX = 1000
"""Width and height of the drawing in its own units."""

BINS = 240
"""Points drawn at most; longer curves are averaged."""


@dataclass(frozen=True, slots=True)
class Tick:
    place: float
    """From the left or the bottom, 0 to 1."""
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One line over steps: what was measured, and the same smoothed (empty if smoothing would change nothing)."""

    title: str
    raw: str
    smooth: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class StageCharts:
    """What the page shows of one stage."""

    stage: str
    steps: int
    first_loss: float | None
    last_loss: float | None
    broken: int
    """Logged steps whose loss was not a finite number."""
    tokens_per_second: float | None
    charts: tuple[Chart, ...]


def stage_charts(curves: Sequence[StageCurve]) -> list[StageCharts]:
    """The charts of every stage that logged at least two steps."""
    return [_stage(curve) for curve in curves if len(curve.points) >= 2]


def _stage(curve: StageCurve) -> StageCharts:
    steps = [point.step for point in curve.points]
    losses = [point.loss for point in curve.points]
    finite = [loss for loss in losses if math.isfinite(loss)]
    speeds = [point.tokens_per_second for point in curve.points if point.tokens_per_second is not None]
    charts = [_chart("learning rate", steps, [point.lr for point in curve.points], smooth=False)]
    tail = finite[-max(1, len(finite) // 20) :]
    if finite:
        charts.insert(0, _chart("loss", steps, losses, smooth=True))
    return StageCharts(
        stage=curve.stage,
        steps=steps[-1],
        first_loss=finite[0] if finite else None,
        last_loss=sum(tail) / len(tail) if tail else None,
        broken=len(losses) - len(finite),
        tokens_per_second=median(speeds) if speeds else None,
        charts=tuple(charts),
    )


def _chart(title: str, steps: Sequence[int], values: Sequence[float], *, smooth: bool) -> Chart:
    xs, ys = _averaged(steps, values)
    finite = [y for y in ys if math.isfinite(y)]
    low, high = min(0.0, *finite), max(0.0, *finite)
    high = high if high > low else low + 1
    first, last = steps[0], max(steps[-1], steps[0] + 1)

    def path(values: Sequence[float]) -> str:
        pieces, pen = [], "M"
        for x, y in zip(xs, values, strict=True):
            if math.isfinite(y):
                pieces.append(f"{pen}{BOX * (x - first) / (last - first):.0f} {BOX * (high - y) / (high - low):.0f}")
                pen = "L"
            else:
                pen = "M"  # a gap where the value was not a number
        return "".join(pieces)

    width = len(ys) // 24 if smooth else 0
    return Chart(
        title=title,
        raw=path(ys),
        smooth=path(_moving_average(ys, width)) if width else "",
        x_ticks=tuple(
            Tick((x - first) / (last - first), f"{x:,.0f}") for x in nice_ticks(first, last, 3) if x == int(x)
        ),
        y_ticks=tuple(Tick((y - low) / (high - low), f"{y:.3g}") for y in nice_ticks(low, high, 4 if smooth else 2)),
    )


def _averaged(steps: Sequence[int], values: Sequence[float]) -> tuple[list[float], list[float]]:
    """At most `BINS` points, each the mean of equally many neighbours (not a number if one of them is)."""
    size = math.ceil(len(steps) / BINS)
    groups = [slice(start, start + size) for start in range(0, len(steps), size)]
    return [_mean(steps[group]) for group in groups], [_mean(values[group]) for group in groups]


def _moving_average(values: Sequence[float], reach: int) -> list[float]:
    """Mean of the finite values up to ``reach`` places before and after each place, over a symmetric window."""
    smoothed = []
    for place in range(len(values)):
        side = min(reach, place, len(values) - 1 - place)
        window = [value for value in values[place - side : place + side + 1] if math.isfinite(value)]
        smoothed.append(_mean(window) if window and math.isfinite(values[place]) else math.nan)
    return smoothed


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def nice_ticks(low: float, high: float, count: int) -> list[float]:
    """At least ``count`` (2 to 4) round numbers between ``low < high``, as far apart as 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.ceil(math.log10(high - low))
    while True:
        for step in (power, power / 2, power / 5):
            # Steps such as 0.1 are not exact, and an end of the axis must not be lost to that.
            first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
            if last - first + 1 >= count:
                return [number * step for number in range(first, last + 1)]
        power /= 10
