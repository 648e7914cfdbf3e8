"""The radar: several shares at once, outside is better. Coordinates only; the template draws."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from omma.board.rows import Row
from omma.evaluation.report.numbers import clipped

RADIUS = 100.0
RINGS = (0.25, 0.5, 0.75, 1.0)
MOST = 5
"""Models in one radar: more outlines hide each other."""


@dataclass(frozen=True, slots=True)
class Spoke:
    """One axis: its end, where its label stands, and how the label is anchored there."""

    label: str
    x: float
    y: float
    text_x: float
    text_y: float
    anchor: str


@dataclass(frozen=True, slots=True)
class Outline:
    """One model: its corners as "x,y x,y ..." and singly, and its shares."""

    name: str
    corners: tuple[tuple[float, float], ...]
    shares: tuple[float, ...]

    @property
    def path(self) -> str:
        return " ".join(f"{x},{y}" for x, y in self.corners)


@dataclass(frozen=True, slots=True)
class Radar:
    title: str
    spokes: tuple[Spoke, ...]
    rings: tuple[str, ...]
    outlines: tuple[Outline, ...]


def radar(title: str, axes: Sequence[str], shares: Mapping[str, Sequence[float]]) -> Radar | None:
    """Every model's shares (0 to 1) on the axes, clockwise from the top; None for fewer than three axes or no model."""
    if len(axes) < 3 or not shares:
        return None

    def at(place: int, share: float) -> tuple[float, float]:
        angle = 2 * math.pi * place / len(axes)
        # Adding 0 makes a zero of a minus zero.
        return round(RADIUS * share * math.sin(angle), 2) + 0.0, round(-RADIUS * share * math.cos(angle), 2) + 0.0

    spokes = []
    for place, label in enumerate(axes):
        (x, y), (text_x, text_y) = at(place, 1.0), at(place, 1.1)
        anchor = "middle" if abs(x) < 5 else "start" if x > 0 else "end"
        spokes.append(Spoke(clipped(label, 16), x, y, text_x, round(text_y + 4, 2), anchor))
    rings = tuple(" ".join(f"{x},{y}" for x, y in (at(place, ring) for place in range(len(axes)))) for ring in RINGS)
    outlines = tuple(
        Outline(name, tuple(at(place, min(1.0, max(0.0, share))) for place, share in enumerate(values)), tuple(values))
        for name, values in shares.items()
    )
    return Radar(title, tuple(spokes), rings, outlines)


def trust_radar(name: str, row: Row) -> Radar | None:
    """What a careful reader asks of one model, each as a share of which 1 is best; what is not known has no axis."""
    known: list[tuple[str, float]] = []
    for label, value in (
        ("right", row.accuracy.value if row.accuracy else None),
        ("gain", row.gain.value if row.gain else None),
        ("not inventing", 1 - row.hallucination.value if row.hallucination else None),
        ("steady", 1 - row.flips if row.flips is not None else None),
        ("calibrated", 1 - row.ece if row.ece is not None else None),
        ("generalising", 1 - max(0.0, row.gap) if row.gap is not None else None),
    ):
        if value is not None:
            known.append((label, value))
    return radar("How far to trust it", [label for label, _ in known], {name: [value for _, value in known]})
