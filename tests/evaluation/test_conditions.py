from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.fakes import Pairs, Riddles, toys
from omma.data.sample import Box, BoxSegment, ImageSegment, Mask, MaskSegment, Role, Sample, TextSegment, Turn, user
from omma.evaluation.conditions import prompts, swap_partners, without_pictures
from omma.evaluation.items import Item, playground_items

A, B, C = (toys().scene("train", index).images[0] for index in range(3))


def item(name: str, *pictures: object, world: str = "w", split: str = "s") -> Item:
    return Item(name, (user(*pictures, "\nWhat?"),), "x", "k", world, split, name)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ((A, "\nWhat?"), "What?"),
        (("What?\n", A), "What?"),
        ((A, B, "\nWhat?"), "What?"),
        ((A, "\n", B, "\nWhat?"), "What?"),
        (("What?\n", A, "\n", B), "What?"),
        (("Look:\n", A, "\nWhat?"), "Look:\nWhat?"),
        (("Look:\n", A, B, "\nWhat?"), "Look:\nWhat?"),
        (("Left ", A, " right"), "Left  right"),
        ((A, "\n\nWhat?"), "\nWhat?"),
        (("What?",), "What?"),
        ((A,), ""),
    ],
)
def test_blind_keeps_the_words_and_drops_pictures_with_their_newline(content: tuple[object, ...], words: str) -> None:
    (turn,) = without_pictures((user(*content),))  # type: ignore[arg-type]
    assert turn.text == words
    assert all(isinstance(segment, TextSegment) for segment in turn.content)


def test_blind_drops_the_places_in_the_picture_too_and_keeps_earlier_turns() -> None:
    box, mask = BoxSegment((Box(0, 0, 5, 5),)), MaskSegment((Mask(np.ones((2, 2), bool)),))
    turns = (user(A, "\nLook."), Turn(Role.USER, (TextSegment("What is in "), box, mask, TextSegment("?"))))
    assert [turn.text for turn in without_pictures(turns)] == ["Look.", "What is in ?"]
    assert not Sample("s", without_pictures(turns)).images


def test_conditions_apply_only_where_there_is_a_picture() -> None:
    items = [*playground_items(toys(), "fresh", 2), *playground_items(toys(Riddles), "fresh", 2)]
    assert prompts(items, "sighted").keys() == {i.id for i in items}
    assert prompts(items, "blind").keys() == prompts(items, "swapped").keys() == {i.id for i in items[:6]}
    with pytest.raises(ValueError, match="unknown condition"):
        prompts(items, "upside down")  # type: ignore[arg-type]


def test_swapped_changes_the_pictures_and_nothing_else() -> None:
    items = playground_items(toys(Pairs), "fresh", 5)
    shown = prompts(items, "swapped")
    for one in items:
        assert shown[one.id].turns[-1].text == one.turns[-1].text
        assert len(shown[one.id].images) == 2
        assert {image.key for image in shown[one.id].images}.isdisjoint(image.key for image in one.images)
    # All questions about one picture see the same other picture, and every picture is given once.
    assert len({(one.cluster, shown[one.id].images[0].key) for one in items}) == 5
    assert len({shown[one.id].images[0].key for one in items}) == 5


worlds = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.integers(1, 2)), min_size=1, max_size=24)


@given(worlds, st.randoms(use_true_random=False))
def test_swapping_is_a_derangement_that_prefers_its_own_world_and_split(
    kinds: list[tuple[str, str, int]], chance: object
) -> None:
    items = [
        item(f"{n}", *(replace(A, key=f"{n}.{k}") for k in range(count)), world=world, split=split)
        for n, (world, split, count) in enumerate(kinds)
    ]
    partners = swap_partners(items)
    owner = {image.key: i for i in items for image in i.images}
    for one in items:
        alike = [other for other in items if other is not one and len(other.images) == len(one.images)]
        pictures = partners.get((one.cluster, len(one.images)))
        assert (pictures is not None) == bool(alike)
        if pictures is not None:
            giver = owner[pictures[0].key]
            assert giver is not one
            assert [image.key for image in pictures] == [image.key for image in giver.images]
            # Only a cluster alone in its group may disturb the preference: as one who joins, or as the one before it.
            group = [other for other in alike if (other.world, other.split) == (one.world, one.split)]
            lonely = [
                i for i in [*alike, one] if sum((i.world, i.split) == (j.world, j.split) for j in [*alike, one]) == 1
            ]
            if group and not lonely:
                assert (giver.world, giver.split) == (one.world, one.split)
    given_away = [pictures[0].key for pictures in partners.values()]
    assert len(set(given_away)) == len(given_away)
    shuffled = list(items)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert swap_partners(shuffled) == partners


def test_somebody_else_never_has_the_same_picture() -> None:
    shared = [item("p", A, B), item("q", B, C), item("r", C, A), item("s", *(replace(A, key=k) for k in "xy"))]
    own = {("p", 2): {A.key, B.key}, ("q", 2): {B.key, C.key}, ("r", 2): {C.key, A.key}, ("s", 2): {"x", "y"}}
    partners = swap_partners(shared)
    assert partners
    for key, pictures in partners.items():
        assert own[key].isdisjoint(picture.key for picture in pictures)
    assert swap_partners([item("p", A), item("q", A)]) == {}


def test_a_prompt_that_points_at_places_is_not_swapped() -> None:
    pointing = Item(
        "p",
        (Turn(Role.USER, (ImageSegment(A), BoxSegment((Box(0, 0, 5, 5),)), TextSegment("?"))),),
        "x",
        "k",
        "w",
        "s",
        "p",
    )
    assert prompts([pointing, item("q", B)], "swapped").keys() == {"q"}
