"""Statements about panels: a form is a kind of statement, a claim is a form with its terms, truth is computed.

A claim is asked only if a small edit of it has the other truth value, so a false statement is a near miss of a true one, and
a true one can be missed narrowly. And of a claim that is true of most scenes, true instances are thrown away more often than
false ones, in the exact proportion that leaves nothing to a reader who does not look at the pictures.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any

from omma.data.playground.base import Split, scene_random
from omma.data.playground.panels_layout import Panels, sample_panels
from omma.data.playground.panels_terms import Term, Truth

GENERIC: tuple[str, ...] = ("item", "item", "object")
BOX_WORDS: tuple[str, ...] = ("box", "box", "box", "grey box", "grey square", "picture")


class Voice:
    """One writer's habits within one statement."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.generic = rng.choice(GENERIC)
        self.box = rng.choice(BOX_WORDS)
        self.boxes = f"{self.box}es" if self.box.endswith("x") else f"{self.box}s"
        self.digits = rng.random() < 0.4
        self.has = rng.choice(("has", "has", "contains"))
        self.have = "have" if self.has == "has" else "contain"

    def one_of(self, *options: str) -> str:
        return self.rng.choice(options)


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """A kind of statement.

    Attributes:
        draw: random terms.
        holds: truth of the terms in the panels, None where readers could disagree.
        say: the sentence, beginning with a capital, without a full stop.
        weight: how often people say such things, relative to the other forms.
        touch: whether it speaks of walls, which only some descriptions tell.
    """

    draw: Callable[[random.Random], tuple[Term, ...]]
    holds: Callable[..., Truth]
    say: Callable[..., str]
    weight: int = 2
    touch: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    form: Form
    terms: tuple[Any, ...]

    def holds(self, panels: Panels) -> Truth:
        return self.form.holds(panels, *self.terms)

    def changes(self) -> list[tuple[int, Term]]:
        """Every small change: which term, and what it becomes."""
        return [(i, changed) for i, term in enumerate(self.terms) for changed in term.edits()]

    def edited(self, change: tuple[int, Term]) -> Claim:
        """This claim after one of its `changes`."""
        at, term = change
        return Claim(self.form, (*self.terms[:at], term, *self.terms[at + 1 :]))

    @property
    def needs_size(self) -> bool:
        return any(getattr(term, "size", "") or getattr(term, "word", "") == "size" for term in self.terms)

    @property
    def mentions_held_out(self) -> bool:
        return any(getattr(term, "held_out", False) for term in self.terms)


MOST_TRIES = 2000
"""Draws before a scene makes do with the statements it has; a scene of a few blocks has little to say."""

REFERENCE_SCENES = 48
"""Scenes of each kind in which the prior of a claim is measured."""


@lru_cache(maxsize=6)
def reference_scenes(split: Split, *, towers: bool) -> tuple[Panels, ...]:
    """Scenes distributed as those of the split, but none of them, the same in every process."""
    found: list[Panels] = []
    index = 0
    while len(found) < REFERENCE_SCENES:
        panels = sample_panels(scene_random("panels", f"reference {split}", index), split)
        if bool(panels[0].towers) == towers:
            found.append(panels)
        index += 1
    return tuple(found)


@lru_cache(maxsize=1 << 17)
def prior(claim: Claim, split: Split, *, towers: bool) -> float:
    """How often a claim is true among the scenes in which one of its edits has the other truth value, smoothed."""
    changes = claim.changes()
    true = false = 0
    for i, panels in enumerate(reference_scenes(split, towers=towers)):
        value = claim.holds(panels)
        # One edit per scene, in turn, is a fair sample of what the drawing of claims does.
        if value is not None and claim.edited(changes[i % len(changes)]).holds(panels) is (not value):
            true += value
            false += not value
    return (true + 0.5) / (true + false + 1)


def draw_claims(
    rng: random.Random,
    panels: Panels,
    forms: Sequence[Form],
    *,
    number: int,
    sizes: bool,
    walls: bool,
    split: Split,
    held_out: Sequence[Term],
) -> list[tuple[Claim, bool]]:
    """Claims with their truth, about half of them true, few forms twice.

    Args:
        sizes, walls: whether the scene's description tells sizes and touched walls, so that claims may.
        split: only in ``compositional`` may claims mention a held-out combination.
        held_out: the held-out combinations, to be put into half of the compositional claims that have such a term.
    """
    chosen: list[tuple[Claim, bool]] = []
    used: dict[int, int] = {}
    weights = list(accumulate(form.weight for form in forms))
    for _ in range(MOST_TRIES):
        if len(chosen) == number:
            break
        at = rng.choices(range(len(forms)), cum_weights=weights)[0]
        form = forms[at]
        if (form.touch and not walls) or used.get(at, 0) >= 2:
            continue
        claim = Claim(form, form.draw(rng))
        if split == "compositional" and rng.random() < 0.5:
            claim = _with_held_out(rng, claim, held_out)
        truth = claim.holds(panels)
        if truth is None or (claim.needs_size and not sizes) or (claim.mentions_held_out and split != "compositional"):
            continue
        changes = claim.changes()
        if not changes or claim.edited(rng.choice(changes)).holds(panels) is not (not truth):
            continue
        likely = prior(claim, split, towers=bool(panels[0].towers))
        if rng.random() < (1 - likely if truth else likely):
            chosen.append((claim, truth))
            used[at] = used.get(at, 0) + 1
    return chosen


def _with_held_out(rng: random.Random, claim: Claim, held_out: Sequence[Term]) -> Claim:
    term = rng.choice(held_out)
    places = [i for i, old in enumerate(claim.terms) if type(old) is type(term)]
    if not places:
        return claim
    return claim.edited((places[0], term))
