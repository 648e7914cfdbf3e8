"""Questions about a layout, with exact answers.

Each kind first draws the answer it would like (or the side of a yes/no) and then looks for something in the layout that
has it, so that no prior over answers pays. Absent things are hard distractors: the colour is there and the shape is there,
but not together. Outside the compositional split nothing ever mentions a held-out pair.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

from omma.data.playground.base import Question, Split
from omma.data.playground.shapes_layout import COLORS, HELD_OUT, KNOWN_PAIRS, PAIRS, SHAPES, SIZES, Thing
from omma.data.playground.shapes_phrases import PHRASES
from omma.data.playground.shapes_words import plural, references, with_article

T = TypeVar("T")

NOUNS: tuple[str, ...] = ("object", "figure", "thing")
GROUP_NOUNS: tuple[str, ...] = ("objects", "shapes", "figures", "things")

HELD_OUT_FIRST = 0.8
"""How often a compositional question is about a held-out thing where it could be."""

COUNT_WEIGHTS: tuple[float, ...] = (0.34, 0.3, 0.7, 1.6, 3.0, 6.0, 12.0)
"""Wish for each count among those that a layout offers; layouts offer high counts far more rarely than low ones."""

SAME_WISH = 0.5
"""Wish for "the same" in comparisons; about a third come true, since not every layout has two equal groups."""

MIN_OFFSET = 12.0
"""Smallest distance in pixels between two centres that a relation speaks about."""

YES_NO_KINDS = frozenset({"exist", "relation"})
MAX_YES_NO_SHARE = 0.35

RELATIONS: dict[str, tuple[str, ...]] = {
    "left": ("to the left of", "left of", "on the left side of"),
    "right": ("to the right of", "right of", "on the right side of"),
    "above": ("above", "higher than", "further up than"),
    "below": ("below", "lower than", "further down than"),
}
OPPOSITE: dict[str, str] = {"left": "right", "right": "left", "above": "below", "below": "above"}

Asked = tuple[str, str] | None
"""Question text and answer, or None where the layout has nothing of that kind."""


class Asker:
    """Asks about one layout, drawing from the scene's random state."""

    def __init__(self, rng: random.Random, things: Sequence[Thing], split: Split) -> None:
        self.rng = rng
        self.things = things
        self.mentionable = PAIRS if split == "compositional" else KNOWN_PAIRS
        self._known_names: dict[Thing, list[str]] = {}
        self.kinds: dict[str, Callable[[], Asked]] = {
            "color": self.color, "shape": self.shape, "size": self.size, "position": self.position, "count": self.count,
            "exist": self.exist, "relation": self.relation, "neighbor": self.neighbor, "compare": self.compare,
            "extreme": self.extreme,
        }  # fmt: skip

    def questions(self) -> tuple[Question, ...]:
        """8 to 12 questions of different kinds in random order, no text twice."""
        wanted = self.rng.randint(8, 12)
        plan = [*self.kinds, *(kind for kind in self.kinds if kind != "size"), "count", "exist", "relation"]
        self.rng.shuffle(plan)
        # Pictures of one or two things have little to compare; they get more of what every picture has.
        plan += ["position", "color", "shape", "count"] * 3
        asked: dict[str, Question] = {}
        for kind in plan:
            if len(asked) == wanted:
                break
            yes_no = sum(question.kind in YES_NO_KINDS for question in asked.values())
            if kind in YES_NO_KINDS and yes_no + 1 > MAX_YES_NO_SHARE * wanted:
                continue
            found = self.kinds[kind]()
            if found is not None:
                text = found[0][0].upper() + found[0][1:]
                asked.setdefault(text, Question(text, found[1], kind))
        result = list(asked.values())
        self.rng.shuffle(result)
        return tuple(result)

    def color(self) -> Asked:
        return self._attribute("color", ("size", "shape", "place"))

    def shape(self) -> Asked:
        return self._attribute("shape", ("size", "color", "place"))

    def position(self) -> Asked:
        return self._attribute("place", ("size", "color", "shape"), phrases="position")

    def size(self) -> Asked:
        """Half the time "is it small or large?", half the time "which of two is larger?"."""
        rng = self.rng
        wish = rng.choice(tuple(SIZES))
        if rng.random() < 0.5:
            things = [t for t in self.things if t.size == wish] or list(self.things)
            return self._attribute("size", ("color", "shape", "place"), among=things)
        small, large = [t for t in self.things if t.size == "small"], [t for t in self.things if t.size == "large"]
        pairs = [(s, t) for s in small for t in large if s.pair != t.pair]
        pairs = [(s, t) for s, t in pairs if self._has_unique_pair(s) and self._has_unique_pair(t)]
        if not pairs:
            return None
        both = self._prefer(pairs, lambda pair: pair[0].pair in HELD_OUT or pair[1].pair in HELD_OUT)
        answer = both[wish == "large"]
        first, second = rng.sample([f"the {t.color} {t.shape}" for t in both], 2)
        text = self._phrase("larger" if wish == "large" else "smaller").format(a=first, b=second)
        return text, f"{answer.color} {answer.shape}"

    def count(self) -> Asked:
        by_number: dict[int, list[tuple[str, bool]]] = {}
        for text, number, held_out in self._countables():
            by_number.setdefault(number, []).append((text, held_out))
        numbers = sorted(by_number)
        number = self.rng.choices(numbers, weights=[COUNT_WEIGHTS[n] for n in numbers])[0]
        text, _ = self._prefer(by_number[number], lambda countable: countable[1])
        return self._phrase("count").format(what=text), str(number)

    def exist(self) -> Asked:
        yes = self.rng.random() < 0.5
        roll = self.rng.random()
        if roll < 0.15:
            present = sorted({t.color for t in self.things})
            color = self.rng.choice(present if yes else [c for c in COLORS if c not in present])
            return self._phrase("exist any").format(color=color), _yes(yes)
        if roll < 0.4:
            present_full = sorted({(t.size, *t.pair) for t in self.things})
            absent_full = [
                (OTHER_SIZE[s], c, k) for s, c, k in present_full if (OTHER_SIZE[s], c, k) not in present_full
            ]
            options = present_full if yes else absent_full
            if not options:
                return None
            size, color, shape = self._prefer(options, lambda full: full[1:] in HELD_OUT)
            name = f"{size} {color} {shape}"
        else:
            pairs = sorted({t.pair for t in self.things}) if yes else self.absent_pairs()
            color, shape = self._prefer(pairs, lambda pair: pair in HELD_OUT)
            name = f"{color} {shape}"
        return self._phrase("exist").format(one=with_article(name), name=name, some=plural(name)), _yes(yes)

    def relation(self) -> Asked:
        found = [(a, b, r) for a in self.things for b in self.things for r in relations_of(a, b)]
        found = [(a, b, r) for a, b, r in found if self._names(a) and self._names(b)]
        if not found:
            return None
        a, b, relation = self._prefer(found, lambda f: f[0].pair in HELD_OUT or f[1].pair in HELD_OUT)
        yes = self.rng.random() < 0.5
        said = relation if yes else OPPOSITE[relation]
        text = self._phrase("relation").format(
            a=self.rng.choice(self._names(a)),
            b=self.rng.choice(self._names(b)),
            relation=self.rng.choice(RELATIONS[said]),
        )
        return text, _yes(yes)

    def neighbor(self) -> Asked:
        """What stands on one side of a thing, where exactly one thing does, in words and to the eye."""
        found: list[tuple[Thing, Thing, str]] = []
        for b in self.things:
            for relation in OPPOSITE:
                onside = [a for a in self.things if a is not b and _leans(a, b, relation)]
                if len(onside) == 1 and relation in relations_of(onside[0], b) and self._names(b):
                    found.append((onside[0], b, relation))
        if not found:
            return None
        a, b, relation = self._prefer(found, lambda f: f[0].pair in HELD_OUT)
        text = self._phrase("neighbor").format(
            noun=self.rng.choice(NOUNS),
            relation=self.rng.choice(RELATIONS[relation]),
            b=self.rng.choice(self._names(b)),
        )
        return text, f"{a.color} {a.shape}"

    def compare(self) -> Asked:
        by_color = self.rng.random() < 0.4
        words: Sequence[str] = tuple(COLORS) if by_color else SHAPES
        counts = Counter(t.color if by_color else t.shape for t in self.things)
        present = [word for word in words if counts[word]]
        same = self.rng.random() < SAME_WISH
        if same:
            pairs = [(a, b) for a in present for b in present if a != b and counts[a] == counts[b]]
        else:
            pairs = [(a, b) for a in present for b in present if counts[a] > counts[b]]
        if not pairs and not same:
            pairs = [(a, b) for a in present for b in words if counts[a] > counts[b]]
        if not pairs:
            return None
        more, fewer = self.rng.choice(pairs)
        first, second = self.rng.sample((more, fewer), 2)
        if by_color:
            text = self._phrase("compare colors").format(a=first, b=second, nouns=self.rng.choice(GROUP_NOUNS))
            return text, "the same" if same else more
        text = self._phrase("compare shapes").format(a=plural(first), b=plural(second))
        return text, "the same" if same else plural(more)

    def extreme(self) -> Asked:
        """The largest group, the only thing of a size, or the outermost thing, whichever the layout has."""
        found: list[tuple[str, str, bool]] = []
        for attribute in ("color", "shape"):
            most = Counter(getattr(t, attribute) for t in self.things).most_common(2)
            if most[0][1] > 1 and (len(most) == 1 or most[0][1] > most[1][1]):
                found.append((f"most {attribute}", most[0][0], False))
        for size in SIZES:
            only = [t for t in self.things if t.size == size]
            if len(only) == 1 and len(self.things) > 1:
                found.append((f"only {size}", f"{only[0].color} {only[0].shape}", only[0].pair in HELD_OUT))
        for side in OPPOSITE:
            outermost = [a for a in self.things if all(a is b or side in relations_of(a, b) for b in self.things)]
            if len(outermost) == 1 and len(self.things) > 2:
                found.append(
                    (f"outermost {side}", f"{outermost[0].color} {outermost[0].shape}", outermost[0].pair in HELD_OUT)
                )
        if not found:
            return None
        phrase, answer, _ = self._prefer(found, lambda f: f[2])
        return self._phrase(phrase).format(noun=self.rng.choice(NOUNS), nouns=self.rng.choice(GROUP_NOUNS)), answer

    def absent_pairs(self) -> list[tuple[str, str]]:
        """Pairs that are not there, the most tempting ones that there are: colour and shape both there, then one of them."""
        present = {t.pair for t in self.things}
        colors, shapes = {c for c, _ in present}, {s for _, s in present}
        absent = [pair for pair in self.mentionable if pair not in present]
        both = [(c, s) for c, s in absent if c in colors and s in shapes]
        return both or [(c, s) for c, s in absent if c in colors or s in shapes]

    def _countables(self) -> list[tuple[str, int, bool]]:
        """Everything countable, as (plural name, number, whether it is a held-out pair)."""
        rng, things = self.rng, self.things
        colors, shapes = Counter(t.color for t in things), Counter(t.shape for t in things)
        pairs = Counter(t.pair for t in things)
        sizes, sized = Counter(t.size for t in things), Counter((t.size, t.shape) for t in things)
        found = [(f"{rng.choice(GROUP_NOUNS)}", len(things), False)]
        found += [(f"{color} {rng.choice(GROUP_NOUNS)}", number, False) for color, number in colors.items()]
        found += [(plural(shape), number, False) for shape, number in shapes.items()]
        found += [(f"{c} {plural(s)}", number, (c, s) in HELD_OUT) for (c, s), number in pairs.items()]
        found += [(f"{size} {rng.choice(GROUP_NOUNS)}", sizes[size], False) for size in SIZES]
        found += [(f"{size} {plural(shape)}", number, False) for (size, shape), number in sized.items()]
        found += [(f"{c} {plural(s)}", 0, (c, s) in HELD_OUT) for c, s in self.absent_pairs()]
        found.append((f"{rng.choice([c for c in COLORS if not colors[c]])} {rng.choice(GROUP_NOUNS)}", 0, False))
        found.append((plural(rng.choice([s for s in SHAPES if not shapes[s]])), 0, False))
        return found

    def _attribute(
        self, attribute: str, allowed: Sequence[str], *, phrases: str = "", among: Sequence[Thing] | None = None
    ) -> Asked:
        noun = self.rng.choice(NOUNS)
        named = [(t, references(t, self.things, allowed, noun)) for t in (self.things if among is None else among)]
        named = [(thing, names) for thing, names in named if names]
        if not named:
            return None
        thing, names = self._prefer(named, lambda pair: pair[0].pair in HELD_OUT)
        return self._phrase(phrases or attribute).format(x=self.rng.choice(names)), getattr(thing, attribute)

    def _names(self, thing: Thing) -> list[str]:
        """Ways to name a thing without its place."""
        if thing not in self._known_names:
            self._known_names[thing] = references(thing, self.things, ("size", "color", "shape"), "object")
        return self._known_names[thing]

    def _has_unique_pair(self, thing: Thing) -> bool:
        return sum(other.pair == thing.pair for other in self.things) == 1

    def _prefer(self, options: Sequence[T], held_out: Callable[[T], bool]) -> T:
        """One option, from the held-out ones if there are any, most of the time."""
        preferred = [option for option in options if held_out(option)]
        return self.rng.choice(preferred if preferred and self.rng.random() < HELD_OUT_FIRST else options)

    def _phrase(self, kind: str) -> str:
        return self.rng.choice(PHRASES[kind])


OTHER_SIZE: dict[str, str] = {"small": "large", "large": "small"}


def _yes(yes: bool) -> str:
    return "yes" if yes else "no"


def relations_of(a: Thing, b: Thing) -> list[str]:
    """Where ``a`` is seen from ``b``, only where the words of their places say so too, and the eye has no doubt."""
    found = []
    if a.column != b.column and abs(a.x - b.x) >= MIN_OFFSET:
        found.append("left" if a.column < b.column else "right")
    if a.row != b.row and abs(a.y - b.y) >= MIN_OFFSET:
        found.append("above" if a.row < b.row else "below")
    return found


def _leans(a: Thing, b: Thing, relation: str) -> bool:
    """Whether somebody might say that ``a`` stands on that side of ``b``, generously."""
    offset = {"left": b.x - a.x, "right": a.x - b.x, "above": b.y - a.y, "below": a.y - b.y}[relation]
    cells = {"left": b.column - a.column, "right": a.column - b.column, "above": b.row - a.row, "below": a.row - b.row}
    return offset > 6.0 or cells[relation] > 0
