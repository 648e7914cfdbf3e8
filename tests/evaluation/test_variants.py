"""The same question put in another way: words wrapped, pictures hardly changed, and the same items each time."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from evaluation.fakes import Bare, Keen, Pairs, Riddles, toys
from omma.data.images import MemoryImage
from omma.evaluation import Item, evaluate, judged, playground_items, score
from omma.evaluation.variants import CHANGES, VARIANTS, WORDINGS, ChangedImage, chosen_for_variants, variant_prompts
from omma.model.output import Output


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return [*playground_items(toys(), "fresh", 6), *playground_items(toys(Pairs), "compositional", 4)]


@pytest.mark.parametrize("name", WORDINGS)
def test_other_words_the_same_picture_in_the_same_place(name: str, items: list[Item]) -> None:
    for item in items:
        prompt = variant_prompts([item], name)[item.id]
        assert prompt.images == item.images
        text = prompt.turns[-1].text
        assert item.question in text and text.strip() != item.question
        assert text.startswith("\n") and not text.startswith("\n ")
        assert [type(s) for s in prompt.turns[-1].content] == [type(s) for s in item.turns[-1].content]


@pytest.mark.parametrize("world", [Riddles, Bare])
def test_questions_without_pictures_have_wordings_only(world: type[Riddles]) -> None:
    riddles = playground_items(toys(world), "fresh", 2)
    assert len(variant_prompts(riddles, "please")) == 6
    assert variant_prompts(riddles, "jpeg") == {}
    prompt = variant_prompts(riddles, "named")[riddles[0].id]
    # A description before it stays as it is.
    *before, question = riddles[0].question.split("\n")
    assert prompt.turns[-1].text.strip().split("\n") == [*before, f"Question: {question}"]


@pytest.mark.parametrize("name", CHANGES)
def test_changes_are_small_and_there(name: str, items: list[Item]) -> None:
    for item in items:
        prompt = variant_prompts([item], name)[item.id]
        assert prompt.turns[-1].text == item.turns[-1].text
        for changed, image in zip(prompt.images, item.images, strict=True):
            assert changed.size == image.size and changed.key == f"{image.key}/{name}"
            before, after = (np.asarray(one.load(), dtype=float) for one in (image, changed))
            assert before.shape == after.shape
            assert 0 < np.abs(before - after).mean() < 8
    picture = MemoryImage(Image.new("RGB", (1, 1), "red"), key="dot")
    assert ChangedImage(picture, name).load().size == (1, 1)


def test_a_shift_is_by_one_pixel() -> None:
    grid = np.random.default_rng(0).integers(0, 255, (5, 7, 3), dtype=np.uint8)
    moved = np.asarray(ChangedImage(MemoryImage(Image.fromarray(grid), key="g"), "shifted").load())
    assert (moved[1:, 1:] == grid[:-1, :-1]).all()
    assert (moved[0, 1:] == grid[0, :-1]).all() and (moved[1:, 0] == grid[:-1, 0]).all() and (moved[0, 0] == grid[0, 0]).all()


def test_the_same_few_of_every_world_and_split(items: list[Item]) -> None:
    chosen = chosen_for_variants(items, 4)
    assert Counter((item.world, item.split) for item in chosen) == {("toys", "fresh"): 4, ("pairs", "compositional"): 4}
    assert chosen_for_variants(items[::-1], 4) == chosen
    assert set(chosen) < set(chosen_for_variants(items, 9))


def test_asked_and_judged(items: list[Item]) -> None:
    model = Keen(items)
    predictions = evaluate(model, items, conditions=["sighted"], variants=2)
    assert predictions.keys() == {"sighted", *VARIANTS}
    assert all(len(predictions[variant]) == 4 for variant in VARIANTS)
    results = judged(items, predictions, ["sighted"])
    assert sum(bool(result.variants) for result in results) == 4
    found = score(results).steadiness
    assert [(one.world, one.items) for one in found] == [("pairs", 2), ("toys", 2)]
    assert all(one.variants["as it is"] == 1.0 for one in found)


def test_what_failed_in_one_way_does_not_count(items: list[Item]) -> None:
    predictions = evaluate(Keen(items), items, conditions=["sighted"], variants=3)
    lost = next(iter(predictions["jpeg"]))
    predictions["jpeg"][lost] = Output(None, "failed", "gone")
    found = {one.world: one.items for one in score(judged(items, predictions, ["sighted"])).steadiness}
    assert sorted(found.values()) == [2, 3]
