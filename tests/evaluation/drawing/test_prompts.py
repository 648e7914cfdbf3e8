"""Prompts of six tasks: when a picture passes, ceiling and floor, and relations as GenEval says them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omma.data.playground.base import scene_random
from omma.data.playground.shapes_drawing import draw_picture
from omma.data.playground.shapes_layout import HELD_OUT, KNOWN_PAIRS, Layout, layout_of
from omma.evaluation.drawing import TASKS, Found, Prompt, Wanted, prompts, read_back
from omma.evaluation.drawing.prompts import COLORED, relations


def thing(shape: str, color: str = "red", x: float = 0.5, y: float = 0.5, side: float = 20) -> Found:
    return Found(color, shape, x, y, side, side)


def painted(prompt: Prompt) -> Layout:
    """A layout that an ideal painter could have drawn: tried at random until one shows what is wanted."""
    rng = scene_random("ideal", prompt.text, 0)
    while True:
        pairs = [
            (wanted.color or rng.choice([c for c, s in KNOWN_PAIRS if s == wanted.shape]), wanted.shape)
            for wanted in prompt.wanted
            for _ in range(wanted.count)
        ]
        layout = layout_of(rng, pairs, (128, 128))
        found = [Found(t.color, t.shape, t.x / 128, t.y / 128, *t.extent) for t in layout.things]
        if prompt.met(found):
            return layout


@pytest.mark.parametrize("task", TASKS)
def test_ideal_pictures_pass_and_those_of_other_prompts_hardly(task: str) -> None:
    asked = prompts(task, 40)
    read = [read_back(draw_picture(painted(prompt))) for prompt in asked]
    assert all(prompt.met(found) for prompt, found in zip(asked, read, strict=True))
    others = [prompt.met(found) for prompt, found in zip(asked, read[1:] + read[:1], strict=True)]
    assert sum(others) < 10


def test_prompts_are_the_same_everywhere_and_speak_of_what_they_want() -> None:
    assert prompts("position", 5) == prompts("position", 9)[:5]
    assert len({prompt.text for prompt in prompts("color attribution", 60)}) > 50
    for task in TASKS:
        for prompt in prompts(task, 30):
            for wanted in prompt.wanted:
                assert wanted.shape in prompt.text and (wanted.color is None or f"{wanted.color} {wanted.shape}" in prompt.text)
                assert (wanted.color, wanted.shape) not in HELD_OUT
    for task in COLORED:
        wanted_pairs = {(w.color, w.shape) for prompt in prompts(task, 60, "compositional") for w in prompt.wanted}
        assert wanted_pairs == set(HELD_OUT)
    with pytest.raises(ValueError, match="only colors and color attribution have a compositional split, not counting"):
        prompts("counting", 1, "compositional")


def test_counting_wants_no_more_and_others_do_not_mind() -> None:
    three = Prompt("counting", "three stars", (Wanted("star", count=3, exactly=True),))
    stars = [thing("star", x=0.2 * i) for i in range(4)]
    assert three.met(stars[:3]) and not three.met(stars) and not three.met(stars[:2])
    assert three.met([*stars[:3], thing("circle")])
    one = Prompt("colors", "a red star", (Wanted("star", "red"),))
    assert one.met([thing("star"), thing("star", "blue")]) and not one.met([thing("star", "blue"), thing("circle")])


def test_no_thing_counts_twice() -> None:
    both = Prompt("x", "a star and a red star", (Wanted("star"), Wanted("star", "red")))
    assert not both.met([thing("star")])
    assert both.met([thing("star"), thing("star", "blue")]) and both.met([thing("star", "blue"), thing("star")])


def test_positions_by_whichever_thing_fits() -> None:
    prompt = Prompt("position", "a star left of a circle", (Wanted("circle"), Wanted("star", seen_from=("left", 0))))
    assert prompt.met([thing("star", x=0.2), thing("circle", x=0.8)])
    assert not prompt.met([thing("star", x=0.8), thing("circle", x=0.2)])
    assert prompt.met([thing("star", x=0.9), thing("star", x=0.1), thing("circle", x=0.5)])


@settings(max_examples=200, deadline=None)
@given(*[st.floats(0, 1)] * 4, st.floats(5, 60))
def test_relations_as_geneval_says_them(x: float, y: float, other_x: float, other_y: float, side: float) -> None:
    """Written out once more, in its own terms: offsets in pixels, shortened, divided by their length, cut off at a half."""
    a, b = thing("star", x=x, y=y, side=side), thing("circle", x=other_x, y=other_y, side=side)
    found = relations(a, b)
    dx, dy = 128 * (x - other_x), 128 * (y - other_y)
    dx, dy = (max(0.0, abs(d) - 0.2 * side) * (1 if d > 0 else -1) for d in (dx, dy))
    length = (dx * dx + dy * dy) ** 0.5
    expected = set()
    if length > 0:
        expected |= {"right"} if dx / length > 0.5 else {"left"} if dx / length < -0.5 else set()
        expected |= {"below"} if dy / length > 0.5 else {"above"} if dy / length < -0.5 else set()
    assert found == expected
    assert relations(b, a) == {{"left": "right", "right": "left", "above": "below", "below": "above"}[r] for r in found}


def test_blank_pictures_and_random_ones_are_the_floor() -> None:
    rng = random.Random(0)
    for task in TASKS:
        asked = prompts(task, 50)
        assert not any(prompt.met([]) for prompt in asked)
        passed = 0
        for prompt in asked:
            pairs = rng.sample(KNOWN_PAIRS, 3)
            found = [thing(shape, color, rng.random(), rng.random()) for color, shape in pairs]
            passed += prompt.met(found)
        assert passed < (30 if task == "single object" else 15)
