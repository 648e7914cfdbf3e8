"""From a table to a figure: margins, scale, bars, texts and style, chosen so that everything fits and can be read."""

from __future__ import annotations

import random
from dataclasses import dataclass

from omma.data.playground.charts_drawing import Color, Curve, Figure, Pie, Printed, Rect, ink_box
from omma.data.playground.charts_table import COLORS, Table

SIDE = 128
_LIGHT: tuple[Color, ...] = ((255, 255, 255), (255, 255, 255), (250, 246, 234), (236, 241, 247), (242, 242, 242))
_DARK: tuple[Color, ...] = ((26, 28, 36), (18, 32, 44))
_SIZES = (12, 11, 10, 9)
_DIGITS_ON_LIGHT, _DIGITS_ON_DARK = (16, 16, 20), (255, 255, 255)
_DARK_SUM = 375  # slices whose channels sum to less carry white digits
_TRIES = 6
_MIN_UNIT = 6  # pixels between two integers on the axis of values


@dataclass(frozen=True, slots=True)
class Style:
    """What a chart looks like apart from its table.

    ``grid`` is the number of units between grid lines (0: none); ``frame`` says which axes are drawn; ``labelled``
    prints each value; ``legend`` names a pie's slices beside it rather than around it.
    """

    size: tuple[int, int]
    font_name: str
    background: Color
    text_color: Color
    grid: int
    frame: str
    ticks: bool
    labelled: bool
    legend: bool
    bar_share: float


def sample_figure(table: Table, fonts: tuple[str, ...], rng: random.Random) -> tuple[Style, Figure] | None:
    """A random style in which the chart fits, and the chart in it. None if no style was found: its names are too long."""
    place = _pie if table.kind == "pie" else _axes
    for _ in range(_TRIES):
        style = _style(table, fonts, rng)
        if figure := place(table, style, rng):
            return style, figure
    return None


def _style(table: Table, fonts: tuple[str, ...], rng: random.Random) -> Style:
    dark = rng.random() < 0.15
    background = rng.choice(_DARK if dark else _LIGHT)
    full = rng.random() < 0.7
    width = SIDE if full or table.kind != "horizontal" else rng.randint(116, SIDE)
    height = SIDE if full or table.kind == "horizontal" else rng.randint(108, SIDE)
    return Style(
        size=(width, height),
        font_name=rng.choice(fonts),
        background=background,
        text_color=rng.choice(
            ((236, 236, 236), (250, 244, 220)) if dark else ((16, 16, 20), (40, 40, 48), (24, 30, 70))
        ),
        grid=rng.choice((0, 1, 5)),
        frame=rng.choice(("both", "both", "names", "box")),
        ticks=rng.random() < 0.5,
        labelled=rng.random() < (0.5 if table.kind == "pie" else 0.3) and table.kind != "line",
        legend=rng.random() < 0.5,
        bar_share=rng.uniform(0.45, 0.8),
    )


def _axes(table: Table, style: Style, rng: random.Random) -> Figure | None:
    """Bars or a line over an axis of names, with values from 0 to 10 along the other axis. None if it does not fit."""
    width, height = style.size
    n, lying = len(table.names), table.kind == "horizontal"
    for size in _SIZES[rng.randrange(2) :]:
        if size < _least(style):
            return None
        name_width = max(_width(style, size, name) for name in table.names)
        tick_size = min(size, rng.choice((_least(style), 10)))
        title, top = _title(table, style, size, rng)
        line = size + 3
        if lying:
            left, right = name_width + 7, width - (_width(style, size, "10") + 5 if style.labelled else 7)
            bottom = height - tick_size - 5
            unit, slot = (right - left) // 10, (bottom - top) / n
            fits = slot >= line
        else:
            left, right = _width(style, tick_size, "10") + 7, width - 3
            top += size if style.labelled else 2
            bottom = height - line - 3
            unit, slot = (bottom - top) // 10, (right - left) / n
            fits = slot >= name_width + 3
        if fits and unit >= _MIN_UNIT:
            break
    else:
        return None
    across = [(top if lying else left) + slot * (i + 0.5) for i in range(n)]
    half = max(3, round(slot * style.bar_share / 2))
    length = 10 * unit
    if lying:
        area: Rect = (left, top, left + length, bottom)
        bars = [
            (left, round(y) - half, left + unit * v, round(y) + half) for y, v in zip(across, table.values, strict=True)
        ]
    else:
        top = bottom - length
        area = (left, top, right, bottom)
        bars = [
            (round(x) - half, bottom - unit * v, round(x) + half, bottom)
            for x, v in zip(across, table.values, strict=True)
        ]
    texts = list(title)
    for tick in (0, 5, 10):
        if lying:
            texts.append(_put(style, str(tick), left + unit * tick, height - 4, tick_size, "ms", style.text_color))
        else:
            texts.append(_put(style, str(tick), left - 4, bottom - unit * tick, tick_size, "rm", style.text_color))
    for name, place, bar, value in zip(table.names, across, bars, table.values, strict=True):
        if lying:
            texts.append(_put(style, name, left - 4, round(place), size, "rm", style.text_color))
        else:
            texts.append(_put(style, name, round(place), bottom + line - 1, size, "ms", style.text_color))
        if style.labelled:
            where = (
                (bar[2] + 3, round(place), tick_size, "lm") if lying else (round(place), bar[1] - 2, tick_size, "ms")
            )
            texts.append(_put(style, str(value), *where, style.text_color, style.background))
    curve = None
    if table.kind == "line":
        points = tuple((round(x) + 0.5, bottom - unit * v + 0.5) for x, v in zip(across, table.values, strict=True))
        shade = _shade(table.colors[0], rng)
        curve = Curve(
            points, shade, rng.uniform(1.4, 2.4), rng.choice(("circle", "square", "diamond")), rng.uniform(2.8, 3.8)
        )
    elif table.shared:
        shades = [_shade(table.colors[0], rng)] * n
    else:
        shades = [_shade(color, rng) for color in table.colors]
    return Figure(
        size=style.size,
        background=style.background,
        rules=tuple(_rules(style, area, unit, lying=lying)),
        bars=() if curve else tuple(zip(bars, shades, strict=True)),
        outline=style.text_color if rng.random() < 0.2 else None,
        curve=curve,
        pie=None,
        texts=tuple(texts),
        font_name=style.font_name,
    )


def _rules(style: Style, area: Rect, unit: int, *, lying: bool) -> list[tuple[Rect, Color]]:
    """Grid, ticks and axes. The axis of names is always drawn: bars stand on it."""
    left, top, right, bottom = area
    axis = _blend(style.background, style.text_color, 0.75)
    rules: list[tuple[Rect, Color]] = []

    def along(value: int, begin: int, end: int, color: Color) -> None:
        """A hairline at a value, from ``begin`` to ``end`` across the axis of values."""
        at = left + unit * value if lying else bottom - unit * value
        rules.append(((at, begin, at + 1, end), color) if lying else ((begin, at, end, at + 1), color))

    low, high = (top, bottom) if lying else (left, right)
    if style.grid:
        for value in range(style.grid, 11, style.grid):
            along(value, low, high, _blend(style.background, style.text_color, 0.34 if value % 5 == 0 else 0.16))
    if style.frame == "box":
        rules += [((left, top, right, top + 1), axis), ((right, top, right + 1, bottom + 1), axis)]
    if style.frame != "names":
        rules.append(((left, bottom, right, bottom + 1), axis) if lying else ((left, top, left + 1, bottom), axis))
    if style.ticks or style.frame == "names":
        for value in range(0, 11, 1 if style.ticks else 5):
            long = 2 if value % 5 == 0 else 1
            if lying:
                along(value, bottom, bottom + long + 1, axis)
            else:
                along(value, left - long, left, axis)
    rules.append(((left, top, left + 1, bottom + 1), axis) if lying else ((left, bottom, right, bottom + 1), axis))
    return rules


def _pie(table: Table, style: Style, rng: random.Random) -> Figure | None:
    """A pie with a legend at its right or below, or with names around it. None if texts collide or leave the picture."""
    width, height = style.size
    size = max(rng.choice(_SIZES[1:]), _least(style))
    title, top = _title(table, style, size, rng)
    name_width = max(_width(style, size, name) for name in table.names)
    colors = tuple(_shade(color, rng) for color in table.colors)
    rules: list[tuple[Rect, Color]] = []
    texts = list(title)
    if style.legend:
        swatch, line = 7, size + 3
        left = width - name_width - swatch - 6
        radius = min((left - 8) // 2, (height - top - 4) // 2)
        x, y = radius + 4, (top + height) // 2
        first = y - line * len(table.names) // 2
        for i, (name, color) in enumerate(zip(table.names, colors, strict=True)):
            middle = first + line * i + line // 2
            rules.append(((left, middle - 3, left + swatch, middle + 4), color))
            texts.append(_put(style, name, left + swatch + 3, middle, size, "lm", style.text_color))
    else:
        radius = min((width - 2 * name_width - 6) // 2, (height - top - 2 * size - 8) // 2)
        x, y = width // 2, (top + height) // 2
    if radius < 26:
        return None
    edge = rng.choice((style.background, _blend(style.background, style.text_color, 0.8)))
    hole = rng.choice((0.0, 0.0, 0.0, 0.42))
    pie = Pie(x, y, radius, rng.choice((0.0, rng.uniform(0, 360))), table.values, colors, edge, hole)
    for (begin, end), name, value, color in zip(pie.angles(), table.names, table.values, colors, strict=True):
        direction = (begin + end) / 2
        if not style.legend:
            texts.append(_around(pie, direction, name, style, size))
        if style.labelled:
            inside = pie.point(direction, (1 + hole) / 2 if hole else 0.68)
            digits = _DIGITS_ON_DARK if sum(color) < _DARK_SUM else _DIGITS_ON_LIGHT
            texts.append(_put(style, str(value), round(inside[0]), round(inside[1]), _least(style), "mm", digits))
    figure = Figure(
        size=style.size,
        background=style.background,
        rules=tuple(rules),
        bars=(),
        outline=None,
        curve=None,
        pie=pie,
        texts=tuple(texts),
        font_name=style.font_name,
    )
    return figure if _apart([text.box(style.font_name) for text in texts], style.size) else None


def _around(pie: Pie, angle: float, name: str, style: Style, size: int) -> Printed:
    """A name outside the pie, with its middle on the ray through the middle of its slice."""
    left, top, right, bottom = _put(style, name, 0, 0, size, "mm", style.text_color).box(style.font_name)
    # Out from the edge until the nearest corner of the text's box clears the circle.
    for step in range(2, 40):
        x, y = (round(at) for at in pie.point(angle, 1 + step / pie.radius))
        dx = max(x + left - pie.x, pie.x - x - right, 0)
        dy = max(y + top - pie.y, pie.y - y - bottom, 0)
        if dx * dx + dy * dy >= (pie.radius + 2) ** 2:
            break
    return _put(style, name, x, y, size, "mm", style.text_color)


def _title(table: Table, style: Style, size: int, rng: random.Random) -> tuple[list[Printed], int]:
    """The title, if any, and the first free row of pixels below it."""
    if not table.title:
        return [], 4
    at = rng.choice((style.size[0] // 2, 4))
    return [_put(style, table.title, at, size + 1, size, "ls" if at == 4 else "ms", style.text_color)], size + 6


def _least(style: Style) -> int:
    """The smallest size that can be read, in pixels: the letters of STIX are small for their size."""
    return 10 if style.font_name.startswith("stix") else 9


def _put(
    style: Style, text: str, x: int, y: int, size: int, anchor: str, color: Color, ground: Color | None = None
) -> Printed:
    """A text at (x, y): ``anchor`` says which end of its ink is at x (l, m, r), and whether y is its baseline (s) or the
    middle of its digits (m)."""
    left, _, right, _ = ink_box(style.font_name, size, text)
    x -= {"l": left, "m": (left + right) // 2, "r": right}[anchor[0]]
    return Printed(text, x, y + (round(0.35 * size) if anchor[1] == "m" else 0), size, color, ground)


def _width(style: Style, size: int, text: str) -> int:
    left, _, right, _ = ink_box(style.font_name, size, text)
    return right - left


def _apart(boxes: list[Rect], size: tuple[int, int]) -> bool:
    """Whether no two boxes touch and all lie in the picture."""
    if any(left < 1 or top < 1 or right > size[0] - 1 or bottom > size[1] - 1 for left, top, right, bottom in boxes):
        return False
    return not any(
        a[0] < b[2] + 2 and b[0] < a[2] + 2 and a[1] < b[3] + 1 and b[1] < a[3] + 1
        for i, a in enumerate(boxes)
        for b in boxes[:i]
    )


def _shade(name: str, rng: random.Random) -> Color:
    """The named colour, a little different each time."""
    change = rng.randint(-10, 10)  # of all channels alike: gray stays gray
    red, green, blue = (min(255, max(0, channel + change)) for channel in COLORS[name])
    return red, green, blue


def _blend(one: Color, two: Color, share: float) -> Color:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, two, strict=True))
    return red, green, blue
