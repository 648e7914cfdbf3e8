"""Forms of statements about towers of blocks."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from omma.data.playground.panels_layout import COLORS, HELD_OUT_TOWERS, MOST_BLOCKS, Panels
from omma.data.playground.panels_scattered import ORDINALS, SCOPES, say_scope, scoped, there_are
from omma.data.playground.panels_statements import Form, Voice
from omma.data.playground.panels_terms import (
    Kind,
    Quantity,
    Truth,
    Word,
    draw_color,
    draw_plain_quantity,
    draw_quantity,
    everywhere,
    exists,
    negation,
)

Stack = tuple[str, ...]
"""Colours from the base up."""

ENDS: tuple[str, ...] = ("top", "base")
ALL_OR_NONE: tuple[str, ...] = ("all", "none")


@dataclass(frozen=True, slots=True)
class Colors:
    """The colours of a whole tower, from the base up."""

    stack: Stack

    @property
    def held_out(self) -> bool:
        return self.stack in HELD_OUT_TOWERS

    def edits(self) -> list[Colors]:
        return [
            Colors((*self.stack[:i], color, *self.stack[i + 1 :]))
            for i, old in enumerate(self.stack)
            for color in COLORS
            if color != old
        ]


def every_stack(panels: Panels) -> list[Stack]:
    return [tower.colors for box in panels for tower in box.towers]


def _end(stack: Stack, end: Word) -> str:
    return stack[-1] if end.word == "top" else stack[0]


def _at(voice: Voice, end: Word) -> str:
    if end.word == "top":
        return voice.one_of("at the top", "at the top", "on the top", "as its top")
    return voice.one_of("at the base", "at the base", "at the bottom", "as its base")


def _towers(voice: Voice, outer: Quantity) -> str:
    return there_are(voice, outer, "tower")


def _color_kind(rng: random.Random, *, always: bool = False) -> Kind:
    return Kind(color=rng.choice(COLORS) if always or rng.random() < 0.85 else "")


def _blocks(panels: Panels, quantity: Quantity, kind: Kind) -> Truth:
    return quantity.holds(sum(_number(stack, kind) for stack in every_stack(panels)))


def _number(stack: Stack, kind: Kind) -> int:
    return stack.count(kind.color) if kind.color else len(stack)


def _quantified(outer: Quantity, values: Iterable[Truth]) -> Truth:
    listed = list(values)
    return None if outer.number > len(listed) else outer.holds_among(listed)


def _end_is(panels: Panels, outer: Quantity, color: Word, end: Word) -> Truth:
    return _quantified(outer, (_end(s, end) == color.word for s in every_stack(panels)))


def _has_blocks(panels: Panels, outer: Quantity, inner: Quantity, kind: Kind) -> Truth:
    if inner.quantifier == "no" or (inner.number > MOST_BLOCKS and not kind.color):
        return None
    return _quantified(outer, (inner.holds(_number(stack, kind)) for stack in every_stack(panels)))


def _height_and_end(panels: Panels, outer: Quantity, inner: Quantity, color: Word, end: Word) -> Truth:
    if inner.quantifier in ("no", "a", "only"):
        return None
    stacks = every_stack(panels)
    return _quantified(outer, (everywhere((inner.holds(len(s)), _end(s, end) == color.word)) for s in stacks))


def _say_height_and_end(voice: Voice, outer: Quantity, inner: Quantity, color: Word, end: Word) -> str:
    blocks = inner.words("block", voice.digits)
    link = voice.one_of("and", "that has" if outer.singular else "that have", "with")
    return f"{_towers(voice, outer)} with {blocks} {link} a {color.word} block {_at(voice, end)}"


def _base_and_top(panels: Panels, outer: Quantity, base: Word, top: Word) -> Truth:
    # The one block of a tower of height one is both, or neither, as one likes.
    values = [None if len(s) == 1 and base == top else len(s) > 1 and (s[0], s[-1]) == (base.word, top.word) for s in every_stack(panels)]  # fmt: skip
    return _quantified(outer, values)


def _on(panels: Panels, outer: Quantity, upper: Word, lower: Word) -> Truth:
    return _quantified(outer, (_above(s, upper.word, lower.word) for s in every_stack(panels)))


def _above(stack: Stack, upper: str, lower: str) -> Truth:
    """True of neighbours, None where blocks lie between: "above" allows that, "on" does not."""
    if any(low == lower and high == upper for low, high in pairwise(stack)):
        return True
    between = any(stack[i] == lower and stack[j] == upper for i in range(len(stack)) for j in range(i + 2, len(stack)))
    return None if between else False


def _nth(panels: Panels, number: Word, end: Word, color: Word) -> Truth:
    n = ORDINALS.index(number.word)
    values = [(s[::-1] if end.word == "top" else s)[n] == color.word for s in every_stack(panels) if len(s) > n]
    return exists(values) if values else None


def _middle(panels: Panels, color: Word) -> Truth:
    values = [s[1] == color.word for s in every_stack(panels) if len(s) == 3]
    return exists(values) if values else None


def _one_color(panels: Panels, outer: Quantity, kind: Kind) -> Truth:
    values = []
    for stack in every_stack(panels):
        uniform = len(set(stack)) == 1 and kind.color in ("", stack[0])
        values.append(None if uniform and len(stack) == 1 else uniform)
    return _quantified(outer, values)


def _say_one_color(voice: Voice, outer: Quantity, kind: Kind) -> str:
    if kind.color:
        return f"{_towers(voice, outer)} with {voice.one_of('only', 'nothing but')} {kind.color} blocks"
    blocks = voice.one_of("blocks of the same color", "all blocks of the same color", "blocks of a single color")
    return f"{_towers(voice, outer)} with {blocks}"


def _number_of_colors(panels: Panels, outer: Quantity, number: Quantity) -> Truth:
    if not 2 <= number.number <= len(COLORS):
        return None
    return _quantified(outer, (len(set(stack)) == number.number for stack in every_stack(panels)))


def _alternates(panels: Panels, scope: Word) -> Truth:
    values: list[Truth] = []
    for stack in every_stack(panels):
        alternates = len(set(stack)) == 2 and all(a != b for a, b in pairwise(stack))
        values.append(None if alternates and len(stack) == 2 else alternates)
    return exists(values) if scope.word == "some" else negation(exists(values))


def _extreme(panels: Panels, which: Word, color: Word, end: Word) -> Truth:
    stack = _outstanding(panels, which)
    return None if stack is None else _end(stack, end) == color.word


def _extreme_blocks(panels: Panels, which: Word, quantity: Quantity, kind: Kind) -> Truth:
    stack = _outstanding(panels, which)
    return None if stack is None or quantity.number > MOST_BLOCKS else quantity.holds(_number(stack, kind))


def _outstanding(panels: Panels, which: Word) -> Stack | None:
    """The one tallest or shortest tower, None if several share the height."""
    stacks = every_stack(panels)
    height = (max if which.word == "tallest" else min)(len(s) for s in stacks)
    found = [s for s in stacks if len(s) == height]
    return found[0] if len(found) == 1 else None


def _every_end(panels: Panels, all_or_none: Word, color: Word, end: Word) -> Truth:
    values = [_end(s, end) == color.word for s in every_stack(panels)]
    return all(values) if all_or_none.word == "all" else not any(values)


def _say_every_end(voice: Voice, all_or_none: Word, color: Word, end: Word) -> str:
    subject = {"all": ("All towers have", "All the towers have", "Each tower has", "Every tower has"),
               "none": ("No tower has", "None of the towers has", "There is no tower with")}[all_or_none.word]  # fmt: skip
    return f"{voice.one_of(*subject)} a {color.word} block {_at(voice, end)}"


def _ends_compared(panels: Panels, end: Word, how: Word) -> Truth:
    stacks = every_stack(panels)
    colors = {_end(s, end) for s in stacks}
    return len(colors) == 1 if how.word == "the same" else len(colors) == len(stacks)


def _heights_compared(panels: Panels, how: Word) -> Truth:
    heights = [len(s) for s in every_stack(panels)]
    different = len(set(heights))
    return {"all": different == 1, "some": different < len(heights), "none": different == len(heights)}[how.word]


def _towers_in_box(panels: Panels, scope: Word, quantity: Quantity) -> Truth:
    numbers = [len(box.towers) for box in panels]
    if max(numbers) == 1 or quantity.quantifier in ("no", "a"):
        return None
    return scoped(scope, [quantity.holds(number) for number in numbers])


def _whole(panels: Panels, colors: Colors) -> Truth:
    return colors.stack in every_stack(panels)


def _say_whole(voice: Voice, colors: Colors) -> str:
    upward = voice.rng.random() < 0.5
    listed = colors.stack if upward else colors.stack[::-1]
    way = (
        voice.one_of("from bottom to top", "from the base up")
        if upward
        else voice.one_of("from top to bottom", "from the top down")
    )
    return f"There is a tower {voice.one_of('that is', 'of', 'with the colors')} {', '.join(listed)} {way}"


def _ordinal_box(panels: Panels, ordinal: Word, color: Word, end: Word) -> Truth:
    towers = panels[ORDINALS.index(ordinal.word)].towers
    return _end(towers[0].colors, end) == color.word if len(towers) == 1 else None


def _draw_end(rng: random.Random) -> Word:
    return Word(rng.choice(ENDS), ENDS)


def _draw_outer(rng: random.Random) -> Quantity:
    """How many towers: mostly "a tower", "exactly one", "two"."""
    return draw_plain_quantity(rng, 3) if rng.random() < 0.4 else draw_quantity(rng, 2)


def _draw_colors(rng: random.Random) -> Colors:
    return Colors(tuple(rng.choice(COLORS) for _ in range(rng.randint(2, MOST_BLOCKS))))


def _word(rng: random.Random, *options: str) -> Word:
    return Word(rng.choice(options), options)


TOWERS: tuple[Form, ...] = (
    Form(lambda r: (draw_quantity(r, 5), _color_kind(r)), _blocks, lambda v, q, k: there_are(v, q, k.noun("block")), 6),
    Form(lambda r: (_draw_outer(r), draw_color(r), _draw_end(r)), _end_is,
         lambda v, q, c, e: f"{_towers(v, q)} with a {c.word} block {_at(v, e)}", 9),
    Form(lambda r: (_draw_outer(r), draw_quantity(r, 4), _color_kind(r)), _has_blocks,
         lambda v, q, i, k: f"{_towers(v, q)} with {i.words(k.noun('block'), v.digits)}", 9),
    Form(lambda r: (_draw_outer(r), draw_quantity(r, 4), draw_color(r), _draw_end(r)), _height_and_end, _say_height_and_end, 6),
    Form(lambda r: (_draw_outer(r), draw_color(r), draw_color(r)), _base_and_top,
         lambda v, q, b, t: f"{_towers(v, q)} with a {b.word} block at the {v.one_of('base', 'bottom')} and a {t.word} block at the top", 3),
    Form(lambda r: (_draw_outer(r), draw_color(r), draw_color(r)), _on,
         lambda v, q, u, w: f"{_towers(v, q)} with a {u.word} block {v.one_of('above', 'on', 'over', 'on top of', 'directly above')} a {w.word} block", 5),
    Form(lambda r: (_word(r, "second", "third"), _draw_end(r), draw_color(r)), _nth,
         lambda v, n, e, c: f"The {n.word} block from the {e.word if e.word == 'top' else v.one_of('base', 'bottom')} of a tower is {c.word}", 2),
    Form(lambda r: (draw_color(r),), _middle,
         lambda v, c: v.one_of(f"The middle block of a tower with three blocks is {c.word}", f"There is a tower of three blocks with a {c.word} block in the middle"), 2),
    Form(lambda r: (_draw_outer(r), Kind(color=r.choice(("", *COLORS)))), _one_color, _say_one_color, 4),
    Form(lambda r: (_draw_outer(r), Quantity("exactly", r.randint(2, 3))), _number_of_colors,
         lambda v, q, n: f"{_towers(v, q)} with blocks of {n.words('different color', v.digits)}", 2),
    Form(lambda r: (_word(r, "some", "no"),), _alternates,
         lambda v, s: f"There is {'a' if s.word == 'some' else 'no'} tower {v.one_of('whose colors alternate', 'with alternating colors')}", 1),
    Form(lambda r: (_word(r, "tallest", "shortest"), draw_color(r), _draw_end(r)), _extreme,
         lambda v, x, c, e: f"The {x.word} tower has a {c.word} block {_at(v, e)}", 3),
    Form(lambda r: (_word(r, "tallest", "shortest"), draw_quantity(r, 4), _color_kind(r)), _extreme_blocks,
         lambda v, x, q, k: f"The {x.word} tower has {q.words(k.noun('block'), v.digits)}", 2),
    Form(lambda r: (Word(r.choice(ALL_OR_NONE), ALL_OR_NONE), draw_color(r), _draw_end(r)), _every_end, _say_every_end, 3),
    Form(lambda r: (_draw_end(r), _word(r, "the same", "different")), _ends_compared,
         lambda v, e, h: f"All the towers have {h.word} {v.one_of(e.word, e.word + ' block')} color{'s' if h.word == 'different' else ''}", 1),
    Form(lambda r: (_word(r, "all", "some", "none"),), _heights_compared,
         lambda v, h: {"all": "All towers have the same height", "some": v.one_of("At least two towers have the same height", "At least two towers have the same number of blocks"),
                       "none": "All towers have different heights"}[h.word], 1),
    Form(lambda r: (Word(r.choice(SCOPES), SCOPES), draw_quantity(r, 3)), _towers_in_box,
         lambda v, s, q: say_scope(v, s, q.words("tower", v.digits)), 3),
    Form(lambda r: (_draw_colors(r),), _whole, _say_whole, 12),
    Form(lambda r: (Word(r.choice(ORDINALS), ORDINALS), draw_color(r), _draw_end(r)), _ordinal_box,
         lambda v, o, c, e: f"The tower in the {o.word} {v.box} has a {c.word} block {_at(v, e)}", 4),
)  # fmt: skip
"""All forms, each with its draw, truth, words and weight."""
