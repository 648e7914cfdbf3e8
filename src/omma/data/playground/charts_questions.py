"""Questions about a chart's table, each kind with its phrasings and its balance."""

from __future__ import annotations

import random
from collections.abc import Callable

from omma.data.playground.base import Question
from omma.data.playground.charts_layout import Style
from omma.data.playground.charts_table import CLEAR, Table

Maker = Callable[[Table, Style, random.Random], tuple[str, str] | None]

_VALUE = (
    "what is the value for {name}?", "what is the value of {name}?", "how much is {name}?", "which value does {name} have?",
    "read the value for {name}.", "what number does {name} reach?", "give the value of {name}.", "{name} has what value?",
)  # fmt: skip
_SHARE = (
    "what percentage is {name}?", "how many percent are {name}?", "what is the share of {name} in percent?",
    "which percentage does {name} have?", "read the percentage of {name}.", "what is the value for {name}?",
    "how large is {name} in percent?", "give the percentage for {name}.",
)  # fmt: skip
_LOOKUP = (
    "which {noun} has the value {value}?", "what has the value {value}?", "which {noun} is at {value}?",
    "which category has the value {value}?", "find the {noun} with the value {value}.", "name the {noun} with a value of {value}.",
    "whose value is {value}?", "for which {noun} is the value {value}?",
)  # fmt: skip
_EXTREME = (
    "which {noun} is the {most}?", "which category is the {most}?", "what is the {most} {noun}?", "name the {most} {noun}.",
    "find the {most} {noun}.", "which one is the {most}?", "what does the {most} {noun} stand for?", "tell me the {most} {noun}.",
)  # fmt: skip
_COLOR_OF = (
    "what color is the {noun} for {name}?", "what is the color of {name}?", "which color has {name}?",
    "in which color is {name} drawn?", "what color is {name}?", "name the color of the {noun} for {name}.",
    "which color stands for {name}?", "tell me the color of {name}.",
)  # fmt: skip
_OF_COLOR = (
    "which category is {color}?", "which {noun} is {color}?", "what does the {color} {noun} stand for?",
    "what is the name of the {color} {noun}?", "what is {color}?", "name the {color} {noun}.",
    "which category is drawn in {color}?", "the {color} {noun} is which category?",
)  # fmt: skip
_SHARED_COLOR = (
    "what color {are} the {things}?", "which color {have} the {things}?", "in which color {are} the {things} drawn?",
    "name the color of the {things}.", "what is the color of the {things}?", "which color is used for the {things}?",
    "tell me the color of the {things}.", "what color do you see for the {things}?",
)  # fmt: skip
_COLOR_VALUE = (
    "what is the value of the {color} {noun}?", "how much is the {color} {noun}?", "which value does the {color} {noun} have?",
    "read the value of the {color} {noun}.", "what number does the {color} {noun} reach?", "give the value of the {color} {noun}.",
    "the {color} {noun} has what value?", "tell me the value of the {color} {noun}.",
)  # fmt: skip
_COUNT = (
    "how many {noun}s are there?", "count the {noun}s.", "how many {noun}s do you see?", "how many categories are there?",
    "how many {noun}s are shown?", "what is the number of {noun}s?", "how many {noun}s does the chart have?",
    "tell me how many {noun}s there are.",
)  # fmt: skip
_COMPARE = (
    "which is {more}, {one} or {two}?", "{one} or {two}: which is {more}?", "of {one} and {two}, which is {more}?",
    "what is {more}, {one} or {two}?", "between {one} and {two}, which is {more}?", "compare {one} and {two}: which is {more}?",
    "which one is {more}: {one} or {two}?", "tell me which is {more}, {one} or {two}.",
)  # fmt: skip
_IS_MORE = (
    "is {one} {more} than {two}?", "is the value of {one} {more} than {two}?", "would you say {one} is {more} than {two}?",
    "does the chart show {one} {more} than {two}?", "true or false, yes or no: {one} is {more} than {two}?",
    "is the {noun} for {one} {more} than for {two}?", "{one} is {more} than {two}, yes or no?", "can you see {one} {more} than {two}?",
)  # fmt: skip
_DIFFERENCE = (
    "what is the difference between {one} and {two}?", "how much do {one} and {two} differ?", "by how much do {one} and {two} differ?",
    "how far apart are {one} and {two}?", "give the difference of {one} and {two}.", "what is the gap between {one} and {two}?",
    "how big is the gap from {one} to {two}?", "what is the difference of {one} and {two}?",
)  # fmt: skip
_SUM = (
    "what is the sum of {one} and {two}?", "how much are {one} and {two} together?", "add {one} and {two}.",
    "what do {one} and {two} add up to?", "what is {one} plus {two}?", "give the total of {one} and {two}.",
    "what is the total for {one} and {two}?", "sum {one} and {two}.",
)  # fmt: skip
_ORDER = (
    "which {noun} is the {ordinal} {side}?", "which category is the {ordinal} {side}?", "what is the {ordinal} {noun} {side}?",
    "name the {ordinal} {noun} {side}.", "which name is the {ordinal} {side}?", "what is the {ordinal} category {side}?",
    "read the {ordinal} name {side}.", "what is printed at the {ordinal} {noun} {side}?",
)  # fmt: skip
_NEIGHBOUR = (
    "which {noun} comes {how} {name}?", "which category comes {how} {name}?", "what comes {how} {name}?",
    "what is {how} {name}?", "name the {noun} {how} {name}.", "which name stands {how} {name}?",
    "what do you find {how} {name}?", "what is the category {how} {name}?",
)  # fmt: skip
_THRESHOLD = (
    "how many {noun}s are {how} {limit}?", "count the {noun}s {how} {limit}.", "how many values are {how} {limit}?",
    "how many of the {noun}s are {how} {limit}?", "how many categories are {how} {limit}?", "what number of {noun}s is {how} {limit}?",
    "tell me how many {noun}s are {how} {limit}.", "how many {noun}s have a value {how} {limit}?",
)  # fmt: skip
_TREND = (
    "does the line rise or fall from {one} to {two}?", "from {one} to {two}, does it rise or fall?",
    "does the value rise or fall between {one} and {two}?", "rise or fall: what happens from {one} to {two}?",
    "what does the line do from {one} to {two}, rise or fall?", "does it go up or down from {one} to {two}: rise or fall?",
    "between {one} and {two}, rise or fall?", "would you say rise or fall from {one} to {two}?",
)  # fmt: skip
_TITLE = (
    "what is the title?", "what is the title of the chart?", "read the title.", "what does the title say?",
    "what is this chart about?", "which title is printed at the top?", "what is the chart called?", "name the title.",
)  # fmt: skip
_TYPE = (
    "what kind of chart is this?", "which type of chart is this?", "what chart is this?", "name the kind of chart.",
    "what type of chart do you see?", "which kind of chart is shown?", "what sort of chart is it?", "tell me the type of chart.",
)  # fmt: skip
_ORDINALS = ("first", "second", "third", "fourth", "fifth")


def _clear(table: Table) -> int:
    """How far apart two values must be before a question compares them."""
    return CLEAR if table.kind == "pie" else 1


def _readable(table: Table, style: Style) -> bool:
    """Whether values can be read: a pie's only where they are printed."""
    return table.kind != "pie" or style.labelled


def _value(table: Table, style: Style, rng: random.Random) -> tuple[str, str] | None:
    if not _readable(table, style):
        return None
    i = rng.randrange(len(table.names))
    if not table.shared and rng.random() < 0.25:
        return rng.choice(_COLOR_VALUE).format(color=table.colors[i], noun=table.noun), str(table.values[i])
    forms = _SHARE if table.kind == "pie" else _VALUE
    return rng.choice(forms).format(name=table.names[i]), str(table.values[i])


def _lookup(table: Table, style: Style, rng: random.Random) -> tuple[str, str] | None:
    unique = [i for i, value in enumerate(table.values) if table.values.count(value) == 1]
    if not unique or not _readable(table, style):
        return None
    i = rng.choice(unique)
    return rng.choice(_LOOKUP).format(noun=table.noun, value=table.values[i]), table.names[i]


def _extreme(table: Table, style: Style, rng: random.Random) -> tuple[str, str] | None:
    high = rng.random() < 0.5
    ranked = sorted(range(len(table.names)), key=lambda i: table.values[i], reverse=high)
    second = len(ranked) > 2 and rng.random() < 0.25
    i = ranked[int(second)]
    if any(abs(table.values[i] - table.values[j]) < _clear(table) for j in ranked if j != i):
        return None
    words = {
        "vertical": ("highest", "tallest", "largest") if high else ("lowest", "shortest", "smallest"),
        "horizontal": ("longest", "largest", "biggest") if high else ("shortest", "smallest"),
        "line": ("highest", "largest") if high else ("lowest", "smallest"),
        "pie": ("largest", "biggest") if high else ("smallest",),
    }[table.kind]
    most = ("second " if second else "") + rng.choice(words)
    return rng.choice(_EXTREME).format(noun=table.noun, most=most), table.names[i]


def _color(table: Table, style: Style, rng: random.Random) -> tuple[str, str]:
    if table.shared:
        line = table.kind == "line"
        words = (
            {"are": "is", "have": "has", "things": "line"} if line else {"are": "are", "have": "have", "things": "bars"}
        )
        return rng.choice(_SHARED_COLOR).format(**words), table.colors[0]
    i = rng.randrange(len(table.names))
    if rng.random() < 0.5:
        return rng.choice(_COLOR_OF).format(noun=table.noun, name=table.names[i]), table.colors[i]
    return rng.choice(_OF_COLOR).format(noun=table.noun, color=table.colors[i]), table.names[i]


def _count(table: Table, style: Style, rng: random.Random) -> tuple[str, str]:
    return rng.choice(_COUNT).format(noun=table.noun), str(len(table.names))


def _pair(table: Table, rng: random.Random) -> tuple[int, int] | None:
    """Two categories whose values differ clearly, in either order."""
    i, j = rng.sample(range(len(table.names)), 2)
    return (i, j) if abs(table.values[i] - table.values[j]) >= _clear(table) else None


def _more(table: Table, rng: random.Random) -> tuple[str, bool]:
    """A comparative, and whether it asks for the larger value."""
    high = rng.random() < 0.5
    words = ("larger", "bigger") if high else ("smaller",)
    if table.kind in ("vertical", "line"):
        words = ("higher", "larger") if high else ("lower", "smaller")
    return rng.choice(words), high


def _compare(table: Table, style: Style, rng: random.Random) -> tuple[str, str] | None:
    if not (pair := _pair(table, rng)):
        return None
    (i, j), (more, high) = pair, _more(table, rng)
    winner = i if (table.values[i] > table.values[j]) == high else j
    return rng.choice(_COMPARE).format(more=more, one=table.names[i], two=table.names[j]), table.names[winner]


def _is_more(table: Table, style: Style, rng: random.Random) -> tuple[str, str] | None:
    if not (pair := _pair(table, rng)):
        return None
    (i, j), (more, high) = pair, _more(table, rng)
    text = rng.choice(_IS_MORE).format(more=more, one=table.names[i], two=table.names[j], noun=table.noun)
    return text, "yes" if (table.values[i] > table.values[j]) == high else "no"


def _difference(table: Table, style: Style, rng: random.Random) -> tuple[str, str] | None:
    if not _readable(table, style):
        return None
    i, j = rng.sample(range(len(table.names)), 2)
    form = rng.choice(_DIFFERENCE)
    return form.format(one=table.names[i], two=table.names[j]), str(abs(table.values[i] - table.values[j]))


def _sum(table: Table, style: Style, rng: random.Random) -> tuple[str, str] | None:
    if not _readable(table, style):
        return None
    i, j = rng.sample(range(len(table.names)), 2)
    return rng.choice(_SUM).format(one=table.names[i], two=table.names[j]), str(table.values[i] + table.values[j])


def _order(table: Table, style: Style, rng: random.Random) -> tuple[str, str]:
    n, lying = len(table.names), table.kind == "horizontal"
    i = rng.randrange(n)
    if table.kind == "pie":
        step = rng.choice((-1, 1))
        how = "clockwise right after" if step > 0 else "clockwise right before"
        return rng.choice(_NEIGHBOUR).format(noun="slice", how=how, name=table.names[i]), table.names[(i + step) % n]
    if rng.random() < 0.5:
        step = rng.choice((-1, 1))
        if not 0 <= i + step < n:
            step = -step
        after, before = ("below", "above") if lying else ("right after", "right before")
        form = rng.choice(_NEIGHBOUR)
        return form.format(noun=table.noun, how=after if step > 0 else before, name=table.names[i]), table.names[
            i + step
        ]
    backwards = rng.random() < 0.3
    side = (
        ("from the bottom" if backwards else "from the top")
        if lying
        else ("from the right" if backwards else "from the left")
    )
    ordinal = _ORDINALS[n - 1 - i if backwards else i]
    return rng.choice(_ORDER).format(noun=table.noun, ordinal=ordinal, side=side), table.names[i]


def _threshold(table: Table, style: Style, rng: random.Random) -> tuple[str, str] | None:
    if table.kind == "pie":
        return None
    limit = rng.randint(2, 8) if style.grid == 1 else 5
    above = rng.random() < 0.5
    how = rng.choice(("above", "over", "higher than") if above else ("below", "under", "lower than"))
    count = sum(value > limit if above else value < limit for value in table.values)
    return rng.choice(_THRESHOLD).format(noun=table.noun, how=how, limit=limit), str(count)


def _trend(table: Table, style: Style, rng: random.Random) -> tuple[str, str] | None:
    i = rng.randrange(len(table.names) - 1)
    if table.kind != "line" or table.values[i] == table.values[i + 1]:
        return None
    form = rng.choice(_TREND)
    answer = "rise" if table.values[i + 1] > table.values[i] else "fall"
    return form.format(one=table.names[i], two=table.names[i + 1]), answer


def _title(table: Table, style: Style, rng: random.Random) -> tuple[str, str] | None:
    return (rng.choice(_TITLE), table.title) if table.title else None


def _type(table: Table, style: Style, rng: random.Random) -> tuple[str, str] | None:
    # More than half of the charts have bars: these are asked less often.
    if table.noun == "bar" and rng.random() < 0.5:
        return None
    return rng.choice(_TYPE), table.type_name


_MAKERS: dict[str, tuple[Maker, float]] = {
    "value": (_value, 1.0),
    "lookup": (_lookup, 0.6),
    "extreme": (_extreme, 1.0),
    "color": (_color, 0.8),
    "count": (_count, 0.35),
    "compare": (_compare, 0.8),
    "is_more": (_is_more, 0.6),
    "difference": (_difference, 0.6),
    "sum": (_sum, 0.6),
    "order": (_order, 0.9),
    "threshold": (_threshold, 0.6),
    "trend": (_trend, 0.8),
    "title": (_title, 0.7),
    "type": (_type, 0.3),
}
"""For each kind: its maker, and how likely a scene is to try it in the first round."""

_AGAIN = ("value", "value", "lookup", "extreme", "color", "compare", "difference", "sum", "order")
"""Kinds that may come again in a scene: those whose answers are many. Yes/no and rise/fall come once at most."""

_MOST = 3  # questions of one kind about one chart


def ask(table: Table, style: Style, rng: random.Random) -> tuple[Question, ...]:
    """5 to 9 questions with different texts, many kinds, in random order."""
    target = rng.randint(5, 9)
    kinds = [kind for kind, (_, chance) in _MAKERS.items() if rng.random() < chance]
    rng.shuffle(kinds)
    questions: dict[str, Question] = {}
    while len(questions) < target:
        if not kinds:
            kinds = rng.sample(_AGAIN, len(_AGAIN))
        kind = kinds.pop()
        if sum(question.kind == kind for question in questions.values()) == _MOST:
            continue
        if made := _MAKERS[kind][0](table, style, rng):
            questions.setdefault(made[0], Question(made[0], made[1], kind))
    asked = list(questions.values())
    rng.shuffle(asked)
    return tuple(asked)
