"""Sources: samples by index."""

from __future__ import annotations

import json
import re
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import pytest
from PIL import Image

from omma.data.montage import Montage
from omma.data.playground import WORLDS
from omma.data.playground.shapes_layout import COLORS, HELD_OUT, SHAPES
from omma.data.sample import ImageSegment, Role, Sample
from omma.data.sources import DRAW, SOURCES, Source, Task
from omma.errors import BadInput
from omma.evaluation import items_from_samples
from omma.evaluation.drawing import read_back


def source(**config: Any) -> Source:
    return SOURCES.parse(config, where="source").build()


@pytest.fixture(scope="module")
def nlvr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six examples in three directories."""
    folder = tmp_path_factory.mktemp("nlvr")
    lines = []
    with tarfile.open(folder / "train.tar", "w") as tar:
        for i in range(6):
            name = f"train-{i}-0.png"
            Image.new("RGB", (400, 100)).save(folder / name)
            tar.add(folder / name, name)
            lines.append({"id": f"{i}-0", "example_id": f"{i}", "permutation": 0, "image": name, "sentence": "There is a box.",
                          "label": bool(i % 2), "directory": str(i // 2)})
    (folder / "train.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def test_nlvr_folds(nlvr: Path) -> None:
    whole = source(type="nlvr", folder=nlvr)
    fold = source(type="nlvr", folder=nlvr, directories=[1])
    rest = source(type="nlvr", folder=nlvr, except_directories=[1])
    ids = [{one.sample(i).id for i in range(one.length or 0)} for one in (whole, fold, rest)]
    assert ids[1] == {"2-0", "3-0"} and ids[1] | ids[2] == ids[0] and not ids[1] & ids[2]


def test_nlvr_folds_take_one_side(nlvr: Path) -> None:
    with pytest.raises(BadInput, match="directories or except_directories, not both"):
        source(type="nlvr", folder=nlvr, directories=[1], except_directories=[2])
    with pytest.raises(BadInput, match="some but not all of 0 to 2"):
        source(type="nlvr", folder=nlvr, directories=[7])


def test_nlvr_orders_are_drawn_anew_every_epoch(nlvr: Path) -> None:
    shuffled = source(type="nlvr", folder=nlvr, box_orders="random")
    orders = [[tuple(shuffled.sample(i, epoch=epoch).meta["box_order"]) for i in range(6)] for epoch in range(30)]
    assert orders[3] == [tuple(shuffled.sample(i, epoch=3).meta["box_order"]) for i in range(6)]
    assert len(Counter(order for epoch in orders for order in epoch)) == 6
    assert len({tuple(epoch) for epoch in orders}) > 20
    assert {tuple(source(type="nlvr", folder=nlvr).sample(0, epoch=e).meta["box_order"]) for e in range(9)} == {(0, 1, 2)}


def test_nlvr_on_one_sheet(nlvr: Path) -> None:
    apart, sheet = (source(type="nlvr", folder=nlvr, box_orders="random", montage=montage) for montage in (False, True))
    for index in range(6):
        (image,) = sheet.sample(index).images
        assert image == Montage(apart.sample(index).images) and image.size == (204, 204)
        assert sheet.sample(index).turns[1:] == apart.sample(index).turns[1:]


def roles(sample: Sample) -> list[Role]:
    return [turn.role for turn in sample.turns]


@pytest.mark.parametrize("world", ["shapes", "arithmetic", "panels", "montage", "recall", "reading"])
def test_playground_tasks(world: str) -> None:
    pictures = len(source(type="playground", world=world).world.scene("train", 5).images)
    for task in get_args(Task):
        if task == "draw" and pictures != 1:
            with pytest.raises(BadInput, match=f"a world whose scenes are one picture each, to draw, found {world}"):
                source(type="playground", world=world, task=task)
            continue
        if task == "edit" and world != "shapes":
            with pytest.raises(BadInput, match=f"a world that knows changes of its pictures, such as shapes, found {world}"):
                source(type="playground", world=world, task=task)
            continue
        sample = source(type="playground", world=world, task=task, turns=3).sample(5)
        assert sample == source(type="playground", world=world, task=task, turns=3).sample(5, epoch=2)
        assert roles(sample)[-1] is (Role.USER if task == "picture" else Role.ASSISTANT)
        if task not in ("caption", "describe", "questions", "picture", "read", "draw", "edit"):
            assert not sample.images
        if task in ("questions", "words", "laid-out"):
            assert 1 <= len(sample.turns) // 2 <= 3
            assert roles(sample) == [Role.USER, Role.ASSISTANT] * (len(sample.turns) // 2)


NUMBERS = {"a": 1, "an": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
NAMED = re.compile(rf"\b({'|'.join(NUMBERS)}) ((?:small |large )?(?:(?:{'|'.join(COLORS)}) )?)({'|'.join(SHAPES)})(?:e?s)?\b")


def test_what_is_asked_for_is_what_the_picture_shows() -> None:
    """Every thing of the scene is named as it is, and nothing else; in more or less detail, at times with places or relations."""
    drawing = source(type="playground", world="shapes", task="draw")
    said: Counter[str] = Counter()
    for index in range(300):
        sample = drawing.sample(index)
        asked, answer = sample.turns
        assert answer.learn and answer.content == (ImageSegment(sample.images[0]),) and sample == drawing.sample(index)
        assert asked.text.startswith(DRAW)
        text = asked.text.removeprefix(DRAW)
        found: Counter[str] = Counter()
        for number, attributes, shape in NAMED.findall(text):
            found[f"{attributes}{shape}"] += NUMBERS[number]
        left = [box.label for box in sample.boxes]
        for name, count in found.items():
            matching = [label for label in left if set(name.split()) <= set(label.split())]
            assert len(matching) >= count, (text, name)
            for label in matching[:count]:
                left.remove(label)
        assert not left, (text, left)
        said.update(kind for kind in ("small", "left of", "higher than", "in the middle", "red", "two") if kind in text)
    assert min(said[kind] for kind in ("small", "left of", "higher than", "in the middle", "red", "two")) > 0, said


@pytest.mark.parametrize("split", ["train", "compositional"])
def test_edits_change_what_they_say_and_nothing_else(split: Any) -> None:
    """By the reader of pictures, which knows nothing of layouts."""
    editing = source(type="playground", world="shapes", task="edit", split=split)
    kinds: Counter[str] = Counter()
    for index in range(120):
        sample = editing.sample(index)
        asked, answer = sample.turns
        before, after = (Counter(_things(image.load())) for image in sample.images)
        assert answer.learn and answer.content == (ImageSegment(sample.images[1]),) and sample == editing.sample(index)
        gone, new, text = before - after, after - before, asked.text.strip()
        if text == "draw this picture again":
            assert not gone and not new
        elif text.startswith(("remove", "take", "leave")):
            assert gone.total() == 1 and not new
            kinds["remove"] += 1
        else:
            color = text.split()[-1]
            kinds["all" if text.startswith("make all objects") else "one"] += 1
            assert {found[0] for found in new} <= {color} and Counter(f[1:] for f in gone.elements()) == Counter(f[1:] for f in new.elements())
            if text.startswith("make all"):
                assert {found[0] for found in after} == {color}
            else:
                assert new.total() == 1, (text, before, after)
        if split == "train":
            assert not any((color, shape) in HELD_OUT for color, shape, *_ in after)
    assert min(kinds.values()) > 5 and len(kinds) == 3, kinds


def _things(picture: Image.Image) -> list[tuple[str, str | None, str, str]]:
    return [(found.color, found.shape, found.size, found.place) for found in read_back(picture)]


def test_what_is_told_is_not_scored_with_what_is_seen() -> None:
    seen, told = (source(type="playground", world="shapes", task=task, turns=1, split="fresh") for task in ("questions", "words"))
    items = [items_from_samples(one.sample(i) for i in range(20)) for one in (seen, told)]
    assert {(item.world, item.split) for item in items[0]} == {("shapes", "fresh")}
    assert {(item.world, item.split) for item in items[1]} == {("shapes in words", "fresh")}
    assert all(len(item.images) == 1 for item in items[0]) and not any(item.images for item in items[1])
    scene = WORLDS.get("shapes", where="here").Config().build().scene("fresh", 3)
    for of_one in items:
        (question,) = [q for q in scene.questions if q.text == of_one[3].question.splitlines()[-1].strip()]
        assert (of_one[3].kind, of_one[3].answer) == (question.kind, question.answer)
    assert len({item.kind for item in items[0]}) > 3
    words = source(type="playground", world="language", task="words", turns=1, split="fresh").sample(0)
    assert words.meta["world"] == "language", "no pictures, so nothing to be told apart from"


def test_some_kinds_of_questions_alone() -> None:
    world = WORLDS.get("charts", where="world").Config().build()
    asking = source(type="playground", world="charts", task="words", turns=20, kinds=["trend", "count"])
    samples = [asking.sample(index) for index in range(20)]
    kinds = set()
    for sample in samples:
        scene = world.scene("train", int(sample.id.split("#")[0].split("/")[-1]))
        kind = {question.text: question.kind for question in scene.questions}
        kinds |= {kind[turn.text.split("\n")[-1]] for turn in sample.turns if turn.role is Role.USER}
    assert kinds == {"trend", "count"}
    later = source(type="playground", world="charts", task="words", turns=20, kinds=["trend", "count"], first=7)
    assert later.sample(1) == asking.sample(8)
    # Other scenes every time, and the same ones again when asked for again.
    assert len({sample.id for sample in samples}) == 20
    assert asking.sample(7) == samples[7]


def test_kinds_that_a_world_does_not_ask() -> None:
    with pytest.raises(BadInput, match=r"data.kinds: expected kinds of questions that digits asks \(compare, count, .*found rumor"):
        source(type="playground", world="digits", kinds=["count", "rumor"])
    with pytest.raises(BadInput, match=r"expected a task that asks questions .* found describe"):
        source(type="playground", world="digits", task="describe", kinds=["count"])


def test_playground_windows() -> None:
    window = source(type="playground", world="shapes", first=7, count=2)
    assert window.length == 2
    assert window.sample(1).id == source(type="playground", world="shapes").sample(8).id


def test_llava_json(tmp_path: Path) -> None:
    said = [{"from": "human", "value": "Hello?"}, {"from": "gpt", "value": "Yes."}]
    (tmp_path / "data.json").write_text(json.dumps([{"id": "a", "conversations": said}, {"id": "b"}]))
    records = source(type="llava-json", json_file=tmp_path / "data.json", images=tmp_path)
    assert records.length == 2 and records.sample(0).id == "a"
    with pytest.raises(BadInput, match="record 1"):
        records.sample(1)
