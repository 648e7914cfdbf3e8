"""Dots and lines in panels side by side, as one SVG file for light and dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from omma.evaluation.report.curves import nice_ticks

WIDTH, HEIGHT = 460, 340
"""Of a panel, in the units of the drawing."""
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 34, 46
"""Of a panel, for what is written beside the plot."""

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1c2126 } .title { font-weight: 600 } .soft { fill: #5a636d }
.paper { fill: #ffffff } .grid { stroke: #e4e2dc; stroke-width: 1 } .line { fill: none; stroke-width: 1.5 }
.dashed { stroke-dasharray: 5 4 } .hollow { fill: none; stroke-width: 1 }
.hue-0 { stroke: #17667f } .dot.hue-0 { fill: #17667f } .hue-1 { stroke: #a86a12 } .dot.hue-1 { fill: #a86a12 }
@media (prefers-color-scheme: dark) {
text { fill: #e9e7e2 } .soft { fill: #a2abb4 } .paper { fill: #14181c } .grid { stroke: #2e353d }
.hue-0 { stroke: #63bcd6 } .dot.hue-0 { fill: #63bcd6 } .hue-1 { stroke: #e0a24a } .dot.hue-1 { fill: #e0a24a }
}
.dot.hollow { fill: none }
"""
"""The colours of the reports."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """What was measured, and a line.

    Attributes:
        name: in the legend; nothing to be left out of it.
        group: lines of one group have one colour.
    """

    name: str
    group: str
    dots: Sequence[Point]
    path: Sequence[Point]
    hollow: bool = False
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    x_name: str
    y_name: str
    lines: Sequence[Line]


def draw(panels: Sequence[Panel], title: str) -> str:
    """All panels, with axes that begin at zero, each as long as its own numbers; equal groups have equal colours."""
    groups = list(dict.fromkeys(line.group for panel in panels for line in panel.lines))
    inside = "".join(
        f'<g transform="translate({number * WIDTH} 0)">{_panel(panel, groups)}</g>' for number, panel in enumerate(panels)
    )
    width = WIDTH * len(panels)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" width="{width}" height="{HEIGHT}" role="img">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>"
        f'<rect class="paper" width="{width}" height="{HEIGHT}"/>{inside}</svg>\n'
    )


def _panel(panel: Panel, groups: list[str]) -> str:
    points = [point for line in panel.lines for point in (*line.dots, *line.path)]
    most_x, most_y = 1.03 * max(x for x, _ in points), 1.05 * max(y for _, y in points)

    def across(x: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * x / most_x, 1)

    def up(y: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * y / most_y, 1)

    drawn = [f'<text class="title" x="{LEFT}" y="20">{escape(panel.title)}</text>']
    for y in nice_ticks(0, most_y, 4):
        drawn.append(f'<path class="grid" d="M{LEFT} {up(y)}H{WIDTH - RIGHT}"/>')
        drawn.append(f'<text class="soft" x="{LEFT - 8}" y="{up(y) + 4}" text-anchor="end">{y:,.0f}</text>')
    for x in nice_ticks(0, most_x, 4):
        drawn.append(f'<text class="soft" x="{across(x)}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{x:,.0f}</text>')
    drawn.append(f'<text class="soft" x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">{escape(panel.x_name)}</text>')
    drawn.append(f'<text class="soft" x="8" y="20">{escape(panel.y_name)}</text>')
    names = sum(bool(line.name) for line in panel.lines)
    drawn.append(f'<rect class="paper" x="{LEFT + 8}" y="{TOP - 4}" width="226" height="{19 * names + 6}"/>')
    named = 0
    for line in panel.lines:
        look = f"hue-{groups.index(line.group)}"
        kind = f"line {look}" + (" dashed" if line.dashed else "")
        if line.path:
            path = "L".join(f"{across(x)} {up(y)}" for x, y in line.path)
            drawn.append(f'<path class="{kind}" d="M{path}"/>')
        dot = f"dot {look}" + (" hollow" if line.hollow else "")
        drawn += [f'<circle class="{dot}" cx="{across(x)}" cy="{up(y)}" r="3"/>' for x, y in line.dots]
        if line.name:
            y = TOP + 14 + 19 * named
            drawn.append(f'<path class="{kind}" d="M{LEFT + 12} {y - 4}h26"/>')
            drawn.append(f'<text x="{LEFT + 46}" y="{y}">{escape(line.name)}</text>')
            named += 1
    return "".join(drawn)
