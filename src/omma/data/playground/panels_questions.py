"""Plain questions about panels: how many, what colour, which box. Like everywhere, the wished answer is drawn first."""

from __future__ import annotations

import random
from collections.abc import Callable

from omma.data.playground.base import Question
from omma.data.playground.panels_layout import Panels
from omma.data.playground.panels_scattered import ORDINALS
from omma.data.playground.panels_terms import Kind, draw_kind, plural
from omma.data.playground.panels_towers import ENDS, every_stack

HOW_MANY: tuple[str, ...] = (
    "How many {what} are {where}?", "Count the {what} {where}.", "How many {what} do you see {where}?",
    "What is the number of {what} {where}?", "Tell me how many {what} there are {where}.", "How many {what} {where}?",
    "Give the number of {what} {where}.", "{Where}, how many {what} are there?",
)  # fmt: skip
WHICH_BOX: tuple[str, ...] = (
    "Which box has the {most} {what}?", "In which box are there the {most} {what}?", "Which of the three boxes contains the {most} {what}?",
    "Name the box with the {most} {what}: first, second or third.", "Is it the first, second or third box that has the {most} {what}?",
    "The {most} {what}: in which box are they?", "Tell me which box has the {most} {what}.", "Which picture shows the {most} {what}?",
)  # fmt: skip
WHAT_COLOR: tuple[str, ...] = (
    "What color is the {end} block of {tower}?", "Which colour is at the {end} of {tower}?", "Name the color of the {end} block of {tower}.",
    "What is the color of the {end} of {tower}?", "{Tower} has a {end} block of what color?", "Tell me the color of the {end} block of {tower}.",
    "Of what color is the {end} of {tower}?", "Look at {tower}: what color is its {end} block?",
)  # fmt: skip

COUNT_WEIGHTS: tuple[float, ...] = (0.5, 0.5, 0.8, 1.3, 2.0, 3.0, 4.0, 5.0, 6.0)
MOST_COUNT = len(COUNT_WEIGHTS) - 1

Asked = tuple[str, str] | None


def plain_questions(rng: random.Random, panels: Panels, number: int) -> list[Question]:
    """Up to ``number`` questions, no text twice."""
    kinds: dict[str, Callable[[random.Random, Panels], Asked]] = {"count": _count, "box": _box}
    if panels[0].towers:
        kinds["color"] = _color
    asked: dict[str, Question] = {}
    for _ in range(number):
        kind = rng.choice(tuple(kinds))
        found = kinds[kind](rng, panels)
        if found is not None:
            asked[found[0]] = Question(*found, kind)
    return list(asked.values())


def _count(rng: random.Random, panels: Panels) -> Asked:
    options: dict[int, list[tuple[str, str]]] = {}
    for _ in range(12):
        what, numbers = _counted(rng, panels)
        at = rng.randrange(4)
        number = sum(numbers) if at == 3 else numbers[at]
        where = (
            rng.choice(("in all three boxes", "in total", "altogether")) if at == 3 else f"in the {ORDINALS[at]} box"
        )
        if number <= MOST_COUNT:
            options.setdefault(number, []).append((what, where))
    if not options:
        return None
    numbers_found = sorted(options)
    number = rng.choices(numbers_found, weights=[COUNT_WEIGHTS[n] for n in numbers_found])[0]
    what, where = rng.choice(options[number])
    return rng.choice(HOW_MANY).format(what=what, where=where, Where=where[0].upper() + where[1:]), str(number)


def _box(rng: random.Random, panels: Panels) -> Asked:
    what, numbers = _counted(rng, panels)
    most = rng.choice(("most", "fewest"))
    number = (max if most == "most" else min)(numbers)
    if numbers.count(number) > 1 or number == 0:
        return None
    return rng.choice(WHICH_BOX).format(most=most, what=what), ORDINALS[numbers.index(number)]


def _counted(rng: random.Random, panels: Panels) -> tuple[str, list[int]]:
    """A plural name without sizes, and how many each box has."""
    kind = draw_kind(rng)
    if panels[0].towers:
        numbers = [
            sum(t.colors.count(kind.color) if kind.color else len(t.colors) for t in box.towers) for box in panels
        ]
        return plural(Kind(color=kind.color).noun("block")), numbers
    kind = Kind(kind.color, kind.shape)
    return plural(kind.noun(rng.choice(("item", "object")))), [kind.number_in(box.items) for box in panels]


def _color(rng: random.Random, panels: Panels) -> Asked:
    stacks = every_stack(panels)
    named = [
        (f"the tower in the {ORDINALS[i]} box", b.towers[0].colors) for i, b in enumerate(panels) if len(b.towers) == 1
    ]
    for word, height in (("tallest", max(map(len, stacks))), ("shortest", min(map(len, stacks)))):
        found = [stack for stack in stacks if len(stack) == height]
        if len(found) == 1:
            named.append((f"the {word} tower", found[0]))
    if not named:
        return None
    tower, stack = rng.choice(named)
    end = rng.choice(ENDS)
    color = stack[-1] if end == "top" else stack[0]
    return rng.choice(WHAT_COLOR).format(end=end, tower=tower, Tower=tower[0].upper() + tower[1:]), color
