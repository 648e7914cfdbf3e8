from __future__ import annotations

from dataclasses import replace

import pytest

from evaluation.fakes import Bare, Pairs, Riddles, Toys, toys
from omma.data.sample import ImageSegment, Role, Sample, TextSegment, Turn, assistant, user
from omma.data.sources import SOURCES
from omma.errors import BadInput
from omma.evaluation.items import items_from_samples, items_hash, playground_items

PICTURE = toys().scene("train", 0).images[0]
OTHER = toys().scene("train", 1).images[0]


def test_a_scene_becomes_one_item_per_question_in_one_cluster() -> None:
    items = playground_items(toys(), "fresh", 3, start=5)
    assert [item.id for item in items[:4]] == ["toys/fresh/5/0", "toys/fresh/5/1", "toys/fresh/5/2", "toys/fresh/6/0"]
    assert {item.cluster for item in items} == {"toys/fresh/5", "toys/fresh/6", "toys/fresh/7"}
    assert {(item.world, item.split) for item in items} == {("toys", "fresh")}
    assert [item.kind for item in items[:3]] == ["count", "color", "shape"]


def test_pictures_come_first_and_a_newline_joins_them_to_the_question() -> None:
    item = playground_items(toys(Pairs), "fresh", 1)[0]
    kinds = [type(segment) for segment in item.turns[0].content]
    assert kinds == [ImageSegment, ImageSegment, TextSegment]
    assert item.turns[0].text == "\nHow many shapes are there?"
    assert item.question == "How many shapes are there?"


def test_a_scene_in_words_stands_before_its_question() -> None:
    world = toys(Riddles)
    item = playground_items(world, "fresh", 1)[0]
    assert item.turns[0].text == f"{world.scene('fresh', 0).description}\nHow many shapes are there?"
    assert playground_items(toys(Bare), "fresh", 1)[0].turns[0].text == "How many shapes are there?"


def test_prompts_are_laid_out_as_in_training() -> None:
    for world, task in (("shapes", "questions"), ("arithmetic", "words"), ("language", "words")):
        source = SOURCES.parse({"type": "playground", "world": world, "task": task, "turns": 1}, where="data").build()
        world_items = playground_items(source.world, "train", 8)
        for index in range(8):
            asked = source.sample(index).turns[0]
            assert asked in [item.turns[0] for item in world_items if item.cluster == f"{world}/train/{index}"]


def test_the_same_scenes_make_the_same_items_and_fewer_questions_are_drawn_evenly() -> None:
    assert playground_items(toys(), "fresh", 4) == playground_items(toys(), "fresh", 4)
    whole = playground_items(toys(), "fresh", 90)
    single = playground_items(toys(), "fresh", 90, questions_per_scene=1)
    assert len(single) == 90
    assert all(item in whole for item in single)
    assert all(15 < sum(item.kind == kind for item in single) < 45 for kind in ("count", "color", "shape"))
    assert playground_items(toys(), "fresh", 4, questions_per_scene=7) == whole[:12]
    with pytest.raises(ValueError, match="negative"):
        playground_items(toys(), "fresh", -1)


def test_the_last_assistant_turn_is_the_answer_and_what_comes_before_is_context() -> None:
    sample = Sample(
        "a",
        (
            Turn(Role.SYSTEM, (TextSegment("Be short."),)),
            user(PICTURE, "\nWhat is it?"),
            assistant("A circle."),
            user("Which colour?"),
            assistant(" red "),
            user("Thanks."),
        ),
        source="train.json",
        meta={"kind": "color", "split": 3},
    )
    (item,) = items_from_samples([sample], split="val")
    assert item.answer == "red"
    assert item.question == "Which colour?"
    assert [turn.role for turn in item.turns] == [Role.SYSTEM, Role.USER, Role.ASSISTANT, Role.USER]
    assert not any(turn.learn for turn in item.turns)
    assert (item.kind, item.world, item.split) == ("color", "train.json", "val")


def test_samples_about_the_same_pictures_share_a_cluster_in_any_order() -> None:
    def about(name: str, *pictures: object) -> Sample:
        return Sample(name, (user(*pictures, "\nAlike?"), assistant("no")))  # type: ignore[arg-type]

    items = items_from_samples(
        [about("a", PICTURE, OTHER), about("b", OTHER, PICTURE), about("c", PICTURE), about("d"), about("e")], world="w"
    )
    clusters = [item.cluster for item in items]
    assert clusters[0] == clusters[1]
    assert len(set(clusters)) == 4


@pytest.mark.parametrize(
    "turns",
    [(), (user("Hello?"),), (assistant("Hello."),), (user("Who?"), assistant("")), (user("Who?"), assistant("  "))],
)
def test_a_sample_without_an_answer_is_refused_by_name(turns: tuple[Turn, ...]) -> None:
    with pytest.raises(BadInput, match="sample s7"):
        items_from_samples([Sample("s7", turns)])


def test_the_hash_sees_every_change_but_not_the_order() -> None:
    items = playground_items(toys(Toys), "fresh", 2)
    assert items_hash(items) == items_hash(items[::-1])
    first, *rest = items
    changed = [
        replace(first, answer="12"),
        replace(first, kind="other"),
        replace(first, cluster="other"),
        replace(first, split="other"),
        replace(first, turns=(user(first.images[0], "\nHow many shapes are here?"),)),
        replace(first, turns=(user(OTHER, first.turns[0].text),)),
    ]
    assert len({items_hash([item, *rest]) for item in [first, *changed]} | {items_hash(rest)}) == 8
