"""Forms of statements about scattered items."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from omma.data.playground.panels_layout import COLORS, Item, PanelBox, Panels
from omma.data.playground.panels_statements import Form, Voice
from omma.data.playground.panels_terms import (
    NUMBER_WORDS,
    Kind,
    Quantity,
    Truth,
    Word,
    article,
    draw_color,
    draw_kind,
    draw_plain_quantity,
    draw_quantity,
    everywhere,
    exists,
    negation,
    plural,
)

SCOPES: tuple[str, ...] = ("some", "each", "no")
WALL_WORDS: dict[str, tuple[str, ...]] = {
    "any": ("the wall", "the edge", "an edge", "the side", "a side"),
    "bottom": ("the bottom", "the base", "the bottom edge", "the bottom wall"),
    "top": ("the top", "the top edge", "the upper wall"),
    "left": ("the left wall", "the left side", "the left edge"),
    "right": ("the right wall", "the right side", "the right edge"),
    "corner": ("a corner", "the corner", "one corner"),
}
TOUCHING: tuple[str, ...] = ("touching", "not touching")
ORDINALS: tuple[str, ...] = ("first", "second", "third")
SAME: tuple[str, ...] = ("color", "shape", "size")


def every_item(panels: Panels) -> list[Item]:
    return [item for box in panels for item in box.items]


def scoped(scope: Word, values: Sequence[Truth]) -> Truth:
    """Some, each or none of the boxes."""
    if scope.word == "some":
        return exists(values)
    return everywhere(values) if scope.word == "each" else negation(exists(values))


def say_scope(voice: Voice, scope: Word, what: str) -> str:
    """ "There is a box with ...", "Each box has ...", "None of the boxes has ..."."""
    box, boxes, has, have = voice.box, voice.boxes, voice.has, voice.have
    some = (f"There is a {box} with", f"There is a {box} that {has}", f"There is at least one {box} with",
            f"At least one {box} {has}", f"At least one of the {boxes} {has}", f"There is a {box} which {has}")  # fmt: skip
    each = (f"Each {box} {has}", f"Every {box} {has}", f"All {boxes} {have}", f"All three {boxes} {have}", f"Each of the {boxes} {has}")  # fmt: skip
    none = (f"No {box} {has}", f"None of the {boxes} {has}", f"There is no {box} with", f"Not one of the {boxes} {has}")
    return f"{voice.one_of(*{'some': some, 'each': each, 'no': none}[scope.word])} {what}"


def there_are(voice: Voice, quantity: Quantity, noun: str) -> str:
    return f"There {'is' if quantity.singular else 'are'} {quantity.words(noun, voice.digits)}"


def draw_scope(rng: random.Random) -> Word:
    return Word(rng.choices(SCOPES, weights=(5, 2, 1))[0], SCOPES)


def draw_wall(rng: random.Random) -> Word:
    return Word(rng.choices(tuple(WALL_WORDS), weights=(6, 4, 1, 1, 2, 2))[0], tuple(WALL_WORDS))


def touches(item: Item, wall: Word) -> bool:
    if wall.word == "any":
        return bool(item.walls)
    return len(item.walls) == 2 if wall.word == "corner" else wall.word in item.walls


def disjoint(a: Kind, b: Kind) -> bool:
    """Whether no item can be both."""
    return any(x and y and x != y for x, y in ((a.color, b.color), (a.shape, b.shape), (a.size, b.size)))


def _empty_talk(quantity: Quantity, kind: Kind) -> bool:
    """Whether it says only that there are items: there always are."""
    return kind == Kind() and quantity.quantifier in ("a", "no")


def _total(panels: Panels, quantity: Quantity, kind: Kind) -> Truth:
    if _empty_talk(quantity, kind):
        return None
    return quantity.holds(kind.number_in(every_item(panels)))


def _box_has(panels: Panels, scope: Word, quantity: Quantity, kind: Kind) -> Truth:
    if _empty_talk(quantity, kind) or (quantity.quantifier == "no" and scope.word != "some"):
        return None
    return scoped(scope, [quantity.holds(kind.number_in(box.items)) for box in panels])


def _box_has_two(panels: Panels, q1: Quantity, k1: Kind, q2: Quantity, k2: Kind) -> Truth:
    if not disjoint(k1, k2) or "no" in (q1.quantifier, q2.quantifier):
        return None
    return exists(everywhere((q1.holds(k1.number_in(b.items)), q2.holds(k2.number_in(b.items)))) for b in panels)


def _box_but_not(panels: Panels, quantity: Quantity, kind: Kind, other: Kind) -> Truth:
    if not disjoint(kind, other) or quantity.quantifier == "no":
        return None
    return exists(everywhere((quantity.holds(kind.number_in(b.items)), other.number_in(b.items) == 0)) for b in panels)


def _of_which(panels: Panels, whole: Quantity, part: Quantity, kind: Kind) -> Truth:
    if part.number >= whole.number or kind == Kind():
        return None
    return exists(len(b.items) == whole.number and kind.number_in(b.items) == part.number for b in panels)


def _say_of_which(voice: Voice, whole: Quantity, part: Quantity, kind: Kind) -> str:
    number = str(part.number) if voice.digits else NUMBER_WORDS[part.number]
    noun = kind.noun(voice.generic)
    named = kind.color if kind == Kind(kind.color) else article(noun) if part.number == 1 else plural(noun)
    items = Quantity(voice.one_of("bare", "exactly"), whole.number).words(voice.generic, voice.digits)
    return f"There is a {voice.box} with {items} of which {number} {'is' if part.number == 1 else 'are'} {named}"


def _number_of_boxes(panels: Panels, outer: Quantity, quantity: Quantity, kind: Kind) -> Truth:
    if outer.number > len(panels) or quantity.quantifier == "no" or _empty_talk(quantity, kind):
        return None
    return outer.holds_among(quantity.holds(kind.number_in(box.items)) for box in panels)


def _say_number_of_boxes(voice: Voice, outer: Quantity, quantity: Quantity, kind: Kind) -> str:
    what = quantity.words(kind.noun(voice.generic), voice.digits)
    boxes = outer.words(voice.box, voice.digits)
    if voice.rng.random() < 0.6:
        return f"{there_are(voice, outer, voice.box)} with {what}"
    return f"{boxes[0].upper()}{boxes[1:]} {voice.has if outer.number == 1 else voice.have} {what}"


def _touching(panels: Panels, quantity: Quantity, kind: Kind, how: Word, wall: Word) -> Truth:
    negative = how.word != "touching"
    if negative and quantity.quantifier == "no":
        return None
    return quantity.holds(sum(kind.matches(i) and touches(i, wall) != negative for i in every_item(panels)))


def _say_touching(voice: Voice, quantity: Quantity, kind: Kind, how: Word, wall: Word) -> str:
    touch = voice.one_of("touching", "touching", "closely touching") if how.word == "touching" else how.word
    return f"{there_are(voice, quantity, kind.noun(voice.generic))} {touch} {voice.one_of(*WALL_WORDS[wall.word])}"


def _box_touching(panels: Panels, scope: Word, kind: Kind, wall: Word) -> Truth:
    return scoped(scope, [any(kind.matches(i) and touches(i, wall) for i in box.items) for box in panels])


def _all_touching(panels: Panels, all_or_none: Word, kind: Kind, wall: Word) -> Truth:
    values = [touches(item, wall) for item in every_item(panels) if kind.matches(item)]
    if len(values) < 2:
        return None
    return all(values) if all_or_none.word == "all" else not any(values)


def _say_all_touching(voice: Voice, all_or_none: Word, kind: Kind, wall: Word) -> str:
    what = plural(kind.noun(voice.generic))
    subject = (
        voice.one_of(f"All the {what} are", f"All {what} are")
        if all_or_none.word == "all"
        else f"None of the {what} are"
    )
    return f"{subject} touching {voice.one_of(*WALL_WORDS[wall.word])}"


def _the_one(panels: Panels, kind: Kind, how: Word, wall: Word) -> Truth:
    found = [item for item in every_item(panels) if kind.matches(item)]
    return touches(found[0], wall) == (how.word == "touching") if len(found) == 1 else None


def _different_colors(panels: Panels, scope: Word, number: Quantity) -> Truth:
    # One item alone is "of one colour" only to a logician.
    colors = [len({item.color for item in box.items}) if len(box.items) > 1 else None for box in panels]
    if number.number > len(COLORS):
        return None
    return scoped(scope, [None if n is None else n == number.number for n in colors])


def _say_different_colors(voice: Voice, scope: Word, number: Quantity) -> str:
    what = {
        1: f"{plural(voice.generic)} of only one color",
        2: f"{plural(voice.generic)} of {voice.one_of('only ', 'exactly ', 'just ')}{'2' if voice.digits else 'two'} different colors",
        3: f"{plural(voice.generic)} of {voice.one_of('all 3', 'three', 'all three')} {voice.one_of('different ', '')}colors",
    }
    return say_scope(voice, scope, what[number.number])


def _only_color(panels: Panels, scope: Word, color: Word) -> Truth:
    return scoped(scope, [_all_of(box, color.word) for box in panels])


def _all_of(box: PanelBox, color: str) -> Truth:
    uniform = {item.color for item in box.items} == {color}
    return None if uniform and len(box.items) == 1 else uniform


def _only_two_colors(panels: Panels, first: Word, second: Word) -> Truth:
    if first.word == second.word:
        return None
    values: list[Truth] = []
    for box in panels:
        colors = {item.color for item in box.items}
        values.append(
            colors == {first.word, second.word} if len(colors) > 1 else colors <= {first.word, second.word} and None
        )
    return exists(values)


def _same(panels: Panels, scope: Word, attribute: Word) -> Truth:
    return scoped(
        scope,
        [len({getattr(i, attribute.word) for i in b.items}) == 1 if len(b.items) > 1 else None for b in panels],
    )


def _n_of_same(panels: Panels, quantity: Quantity, attribute: Word) -> Truth:
    if quantity.number < 2 or quantity.quantifier in ("a", "no", "multiple", "only", "at most", "fewer than"):
        return None
    return exists(
        quantity.holds(n) for b in panels for n in Counter(getattr(i, attribute.word) for i in b.items).values()
    )


def _more(panels: Panels, order: Word, a: Kind, b: Kind) -> Truth:
    if not disjoint(a, b):
        return None
    more, fewer = a.number_in(every_item(panels)), b.number_in(every_item(panels))
    return more > fewer if order.word == "more" else more < fewer


def _extreme_box(panels: Panels, which: Word, quantity: Quantity, kind: Kind) -> Truth:
    numbers = [len(box.items) for box in panels]
    number = max(numbers) if which.word == "most" else min(numbers)
    if numbers.count(number) > 1 or kind == Kind():
        return None
    return quantity.holds(kind.number_in(panels[numbers.index(number)].items))


def _parity(panels: Panels, scope: Word, parity: Word) -> Truth:
    return scoped(scope, [len(box.items) % 2 == (parity.word == "odd") for box in panels])


def _same_number(panels: Panels, which: Word) -> Truth:
    different = len({len(box.items) for box in panels})
    if which.word == "two":
        return None if different == 1 else different == 2
    return different == {"all": 1, "none": 3}[which.word]


def _ordinal_box(panels: Panels, ordinal: Word, quantity: Quantity, kind: Kind) -> Truth:
    if _empty_talk(quantity, kind):
        return None
    return quantity.holds(kind.number_in(panels[ORDINALS.index(ordinal.word)].items))


def _exactly(rng: random.Random, low: int, high: int) -> Quantity:
    return Quantity("exactly", rng.randint(low, high))


def _touch_word(rng: random.Random) -> Word:
    return Word(rng.choice(("touching", "touching", "not touching")), TOUCHING)


def _what(voice: Voice, quantity: Quantity, kind: Kind) -> str:
    return quantity.words(kind.noun(voice.generic), voice.digits)


def _specific(rng: random.Random) -> Kind:
    kind = draw_kind(rng)
    return kind if kind.color and kind.shape else Kind(rng.choice(COLORS), rng.choice(("circle", "triangle", "square")))


SCATTERED: tuple[Form, ...] = (
    Form(lambda r: (draw_quantity(r, 5), draw_kind(r)), _total,
         lambda v, q, k: there_are(v, q, k.noun(v.generic)) + v.one_of("", "", "", " in total", " in the three boxes"), 5),
    Form(lambda r: (draw_scope(r), draw_quantity(r, 6), draw_kind(r)), _box_has,
         lambda v, s, q, k: say_scope(v, s, _what(v, q, k)), 10),
    Form(lambda r: (draw_quantity(r, 3), draw_kind(r), draw_quantity(r, 3), draw_kind(r)), _box_has_two,
         lambda v, q1, k1, q2, k2: f"There is a {v.box} with {_what(v, q1, k1)} and {_what(v, q2, k2)}", 6),
    Form(lambda r: (draw_quantity(r, 3), draw_kind(r), draw_kind(r)), _box_but_not,
         lambda v, q, k, o: f"There is a {v.box} {v.one_of('with', 'containing')} {_what(v, q, k)} but "
         f"{v.one_of('no ', 'without any ')}{o.noun(v.generic)}", 2),
    Form(lambda r: (_exactly(r, 2, 8), _exactly(r, 1, 4), draw_kind(r)), _of_which, _say_of_which, 2),
    Form(lambda r: (draw_plain_quantity(r, 3), draw_quantity(r, 4), draw_kind(r)), _number_of_boxes, _say_number_of_boxes, 4),
    Form(lambda r: (draw_quantity(r, 4), draw_kind(r), _touch_word(r), draw_wall(r)), _touching, _say_touching, 9, touch=True),
    Form(lambda r: (draw_scope(r), draw_kind(r), draw_wall(r)), _box_touching,
         lambda v, s, k, w: say_scope(v, s, f"{article(k.noun(v.generic))} touching {v.one_of(*WALL_WORDS[w.word])}"), 4, touch=True),
    Form(lambda r: (Word(r.choice(("all", "none")), ("all", "none")), draw_kind(r), draw_wall(r)), _all_touching, _say_all_touching, 2, touch=True),
    Form(lambda r: (_specific(r), _touch_word(r), draw_wall(r)), _the_one,
         lambda v, k, h, w: f"The {k.noun(v.generic)} is {h.word} {v.one_of(*WALL_WORDS[w.word])}", 2, touch=True),
    Form(lambda r: (draw_scope(r), _exactly(r, 1, 3)), _different_colors, _say_different_colors, 3),
    Form(lambda r: (draw_scope(r), draw_color(r)), _only_color,
         lambda v, s, c: say_scope(v, s, f"only {c.word} {plural(v.generic)}"), 3),
    Form(lambda r: (draw_color(r), draw_color(r)), _only_two_colors,
         lambda v, a, b: f"There is a {v.box} with {v.one_of('only', 'just')} {a.word} and {b.word} {plural(v.generic)}", 2),
    Form(lambda r: (draw_scope(r), Word(r.choice(SAME), SAME)), _same,
         lambda v, s, a: say_scope(v, s, f"{v.one_of('only ', '')}{plural(v.generic)} of the same {a.word}"), 2),
    Form(lambda r: (draw_quantity(r, 5), Word(r.choice(SAME), SAME)), _n_of_same,
         lambda v, q, a: f"There is a {v.box} with {q.words(v.generic, v.digits)} of the same {a.word}", 2),
    Form(lambda r: (Word(r.choice(("more", "fewer")), ("more", "fewer")), draw_kind(r), draw_kind(r)), _more,
         lambda v, o, a, b: f"There are {o.word} {plural(a.noun(v.generic))} than {plural(b.noun(v.generic))}", 2),
    Form(lambda r: (Word(r.choice(("most", "fewest")), ("most", "fewest")), draw_quantity(r, 4), draw_kind(r)), _extreme_box,
         lambda v, e, q, k: f"The {v.box} with the {e.word} {plural(v.generic)} {v.has} {_what(v, q, k)}", 2),
    Form(lambda r: (draw_scope(r), Word(r.choice(("odd", "even")), ("odd", "even"))), _parity,
         lambda v, s, p: say_scope(v, s, f"an {p.word} number of {plural(v.generic)}"), 1),
    Form(lambda r: (Word(r.choice(("two", "all", "none")), ("two", "all", "none")),), _same_number,
         lambda v, n: {"two": f"{v.one_of('Exactly two', 'Only two')} {v.boxes} have the same number of {plural(v.generic)}",
                       "all": f"All {v.boxes} have the same number of {plural(v.generic)}",
                       "none": f"All {v.boxes} have different numbers of {plural(v.generic)}"}[n.word], 1),
    Form(lambda r: (Word(r.choice(ORDINALS), ORDINALS), draw_quantity(r, 4), draw_kind(r)), _ordinal_box,
         lambda v, o, q, k: f"The {o.word} {v.box} {v.has} {_what(v, q, k)}", 4),
)  # fmt: skip
"""All forms, each with its draw, truth, words and weight."""
