"""How numbers are written for people: one place, so that the whole page agrees."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from omma.evaluation.intervals import Estimate

MINUS = "\u2212"


def percent(share: float) -> str:
    """0.8234 -> "82.3"; what is not known is a dash."""
    return f"{100 * share:.1f}" if not math.isnan(share) else "\u2013"


def span(estimate: Estimate) -> str:
    """The interval in per cent: "78.1 to 86.0"."""
    return f"{percent(estimate.low)} to {percent(estimate.high)}"


def points(share: float) -> str:
    """A difference in percentage points with its sign: 0.123 -> "+12.3"."""
    text = f"{100 * abs(share):.1f}"
    return text if text == "0.0" else ("+" if share > 0 else MINUS) + text


def points_span(estimate: Estimate) -> str:
    """The interval of a difference: "+4.0 to +20.1"."""
    return f"{points(estimate.low)} to {points(estimate.high)}"


def p_value(p: float) -> str:
    """0.0312 -> "0.031"; what is smaller than the resamples can tell, "< 0.001"."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def figure_value(value: float, unit: str) -> str:
    """A figure of a benchmark as it is published: shares a hundredfold, points as they are; what is not known is a dash."""
    return percent(value if unit == "share" else value / 100)


def figure_span(estimate: Estimate, unit: str) -> str:
    """Its interval."""
    return f"{figure_value(estimate.low, unit)} to {figure_value(estimate.high, unit)}"


def place(share: float) -> str:
    """A CSS length along an axis from 0 to 1, kept inside it: 0.5 -> "50.00%"."""
    return f"{100 * min(1.0, max(0.0, share)):.2f}%"


def seconds(value: float) -> str:
    """A duration in the two largest units that matter: "38 s", "12 min 5 s", "3 h 20 min"."""
    if value < 9.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    minutes = round(whole / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def big(value: float) -> str:
    """A count with thousands separators, or with one decimal if it is small and not whole."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def brief(value: float) -> str:
    """A rate with two digits or so, whatever its size: 0.0312 -> "0.031", 4.31 -> "4.3", 14_385 -> "14 k"."""
    if value >= 999.5:
        return f"{value / 1e6:,.1f} M" if value >= 999_500 else f"{value / 1e3:,.0f} k"
    return f"{value:.0f}" if value >= 9.95 else f"{value:.2g}"


def scaled(value: float) -> str:
    """A count in thousands, millions or billions: 3_140_000 -> "3.1 M"."""
    for unit, name in ((1e9, " B"), (1e6, " M"), (1e3, " k")):
        if value >= unit:
            return f"{value / unit:.1f}{name}"
    return f"{value:,.0f}"


def memory(value: float) -> str:
    """Bytes as GiB or MiB, or KiB where that would be less than one."""
    if value >= 2**30:
        return f"{value / 2**30:.1f} GiB"
    return f"{value / 2**20:.0f} MiB" if value >= 2**20 else f"{value / 2**10:.0f} KiB"


def flops(value: float) -> str:
    """Floating-point operations with three digits: 7.91e12 -> "7.91 TFLOPs"."""
    for unit, name in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if value >= unit:
            scale = value / unit
            return f"{scale:.{0 if scale >= 99.95 else 1 if scale >= 9.995 else 2}f} {name}FLOPs"
    return f"{value:,.0f} FLOPs"


def moment(text: str) -> str:
    """An ISO 8601 time as "2026-11-23 15:40 UTC"; anything else as it is."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    except ValueError:
        return clipped(text, 40)


def clipped(text: str, length: int = 400) -> str:
    """Long texts cut with an ellipsis, so that one runaway reply cannot fill the page."""
    return text if len(text) <= length else f"{text[:length].rstrip()}\u2026"


FILTERS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        *(percent, span, points, points_span, figure_value, figure_span, p_value, place),
        *(seconds, big, brief, scaled, memory, flops, moment, clipped),
    )
}
"""Under these names the page's template uses them."""
