"""The LLaVA format: read record by record, refused record by record, written and read back."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from omma.data.images import FileImage, MemoryImage
from omma.data.llava_export import write_llava_json
from omma.data.llava_json import LlavaJson
from omma.data.sample import Box, BoxSegment, ImageSegment, Role, Sample, TextSegment, Turn, assistant, user
from omma.errors import BadInput


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.png", "b.png", "sub/c.png"):
        Image.new("RGB", (5, 4), "red").save(folder / name)
    return folder


def says(*turns: str, **fields: Any) -> dict[str, Any]:
    """A record whose turns alternate between the human and gpt."""
    talk = [{"from": ("human", "gpt")[n % 2], "value": turn} for n, turn in enumerate(turns)]
    return {"id": "r", "conversations": talk} | fields


def source(folder: Path, *records: Any, lines: bool = False) -> LlavaJson:
    path = folder.parent / "train.json"
    path.write_text("\n".join(map(json.dumps, records)) if lines else json.dumps(records, indent=1))
    return LlavaJson(path, folder)


@pytest.mark.parametrize("lines", [False, True])
def test_places_roles_and_text_are_kept(folder: Path, lines: bool) -> None:
    first = says("<image>\nWhat?", "Red.", "And\n<image> or <image>?", "Also.", image=["a.png", "sub/c.png", "b.png"])
    first["conversations"].insert(0, {"from": "system", "value": "Be brief."})
    second = {
        "id": 12,
        "kind": "text",
        "conversations": [{"from": "user", "value": "Hi"}, {"from": "assistant", "value": " Ho\n"}],
    }
    data = source(folder, first, second, says("Where?\n<image>", "There.", image="b.png"), lines=lines)
    a, b, c = (ImageSegment(FileImage(folder / name)) for name in ("a.png", "b.png", "sub/c.png"))
    assert len(data) == 3
    assert data[0].turns == (
        Turn(Role.SYSTEM, (TextSegment("Be brief."),)),
        Turn(Role.USER, (a, TextSegment("\nWhat?"))),
        assistant("Red."),
        Turn(Role.USER, (TextSegment("And\n"), c, TextSegment(" or "), b, TextSegment("?"))),
        assistant("Also."),
    )
    assert data[1] == Sample("12", (user("Hi"), assistant(" Ho\n")), source="train.json", meta={"kind": "text"})
    assert data[-1].turns[0] == Turn(Role.USER, (TextSegment("Where?\n"), b))
    assert list(data) == [data[0], data[1], data[2]] == list(pickle.loads(pickle.dumps(data)))
    assert a.image.size == (5, 4)
    for outside in (3, -4):
        with pytest.raises(IndexError):
            data[outside]


def test_a_record_without_id_is_named_by_its_number(folder: Path) -> None:
    record = says("Hi", "Ho")
    del record["id"]
    assert [sample.id for sample in source(folder, record, record)] == ["0", "1"]


def test_a_picture_that_the_assistant_says_is_one_to_draw(folder: Path) -> None:
    (sample,) = source(folder, says("<image>\nDraw it larger.", "Here: <image>.", image=["a.png", "b.png"]))
    asked, answered = sample.turns
    assert [type(segment) for segment in answered.content] == [TextSegment, ImageSegment, TextSegment] and answered.learn
    ((said, image),) = sample.drawn()
    assert said == (asked, Turn(Role.ASSISTANT, answered.content[:1], learn=True)) and image == answered.content[1].image
    assert len(sample.images) == 2


GOOD = says("Hi", "Ho")


@pytest.mark.parametrize(
    ("record", "complaint"),
    [
        (7, "expected a JSON object, found 7"),
        (says("Hi", "Ho", id=True), "field id"),
        ({"id": "r"}, "field conversations: expected a list of turns, found no such field"),
        (says(), "field conversations"),
        ({"id": "r", "conversations": "Hi"}, 'found "Hi"'),
        ({"id": "r", "conversations": ["Hi"]}, "turn 0"),
        ({"id": "r", "conversations": [{"from": "human"}]}, "no field value"),
        ({"id": "r", "conversations": [{"from": "human", "value": 3}]}, "found 3"),
        ({"id": "r", "conversations": [{"from": "gtp", "value": "Hi"}]}, "did you mean gpt"),
        ({"id": "r", "conversations": GOOD["conversations"][:1] * 2}, "turn 1 .*expected a turn of the assistant"),
        ({"id": "r", "conversations": GOOD["conversations"][1:]}, "turn 0 .*expected a turn of the user"),
        ({"id": "r", "conversations": [*GOOD["conversations"], {"from": "system", "value": "x"}]}, "turn 2"),
        ({"id": "r", "conversations": [{"from": "system", "value": "x"}]}, "an answer of the assistant at the end"),
        (says("Hi"), "an answer of the assistant at the end"),
        (says("Hi", " "), "an empty value"),
        (says("", "Ho"), "an empty value"),
        (says("<image>Hi", "Ho"), "<image> 0 times.*found it 1 times"),
        (says("Hi", "Ho", image="a.png"), "<image> 1 times.*found it 0 times"),
        (says("<image><image>", "Ho", image=["a.png"]), "found it 2 times"),
        (says("<image>", "<image>", image="a.png"), "found it 2 times; write <image> where"),
        (
            {"id": "r", "image": "a.png", "conversations": [{"from": "system", "value": "<image>"}, *GOOD["conversations"]]},
            "and not in the system's turn, found it 1 times, in the system's turn, too",
        ),
        (says("<image>", "Ho", image="z.png"), "nothing at 'z.png'"),
        (says("<image>", "Ho", image="sub"), "nothing at 'sub'"),
        (says("<image>", "Ho", image="a\0.png"), "nothing at"),
        (says("<image>", "Ho", image="/etc/hostname"), "expected a path within"),
        (says("<image>", "Ho", image="../train.json"), "expected a path within"),
        (says("<image>", "Ho", image="sub/../../train.json"), "expected a path within"),
        (says("<image>", "Ho", image="C:\\a.png"), "expected a path within"),
        (says("<image>", "Ho", image="\\\\host\\a.png"), "expected a path within"),
        (says("<image>", "Ho", image=[3]), "field image"),
        (says("<image>", "Ho", image={"path": "a.png"}), "field image"),
        (says("<image>", "Ho", image=""), "field image"),
    ],
)
@pytest.mark.parametrize("lines", [False, True])
def test_a_bad_record_is_refused_alone(folder: Path, record: Any, complaint: str, lines: bool) -> None:
    if lines and not isinstance(record, dict):
        record = [record]
        complaint = "expected a JSON object"
    data = source(folder, GOOD, record, GOOD, lines=lines)
    with pytest.raises(BadInput, match=complaint) as error:
        data[1]
    where = str(error.value)
    assert "train.json, record 1 (from 0), line " in where and "\n" not in where and where.endswith(".")
    assert ", id 'r'" in where or not isinstance(record, dict) or record.get("id") is True
    walk, good, bad = iter(data), 0, 0
    while True:
        try:
            next(walk)
            good += 1
        except BadInput:
            bad += 1
        except StopIteration:
            break
    assert (good, bad) == (2, 1)


def test_a_path_that_turns_back_but_stays_is_fine(folder: Path) -> None:
    assert source(folder, says("<image>", "Ho", image="sub/../a.png"))[0].images[0].size == (5, 4)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            b'[{"id": "a"},\n\n{"id":\n tru}]',
            r"record 1 \(from 0\), line 4: expected valid JSON, found expecting value",
        ),
        (b'[{"id": "a"},\n{"id": "\xff"}]', r"line 2: .*not UTF-8"),
        (b'{"id": "a"}\n{"id": "b"\n', r"record 1 \(from 0\), line 2: expected valid JSON"),
        (b'[{"id": "a"},\n]', r"record 1 \(from 0\), line 2: expected valid JSON"),
        (b"[1," + b"[" * 100_000 + b"]" * 100_000 + b"]", "expected valid JSON"),
    ],
)
def test_malformed_records(folder: Path, text: bytes, complaint: str) -> None:
    path = folder.parent / "bad.json"
    path.write_bytes(text)
    data = LlavaJson(path, folder)
    with pytest.raises(BadInput, match=complaint):
        data[1]


def test_what_is_refused_at_once(folder: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        LlavaJson(folder / "missing.json", folder)
    path = folder / "cut.json"
    path.write_text('[{"id": 1}, {"id')
    with pytest.raises(BadInput, match="cut off"):
        LlavaJson(path, folder)
    path.write_text(json.dumps([GOOD]))
    with pytest.raises(BadInput, match="nothing of that name"):
        LlavaJson(path, folder / "elsewhere")


texts = st.text(max_size=20).filter(lambda text: "<image>" not in text)
spoken = texts.filter(str.strip)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Turn, ...]:
    turns = [Turn(Role.SYSTEM, (TextSegment(draw(spoken)),))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 3))):
        content: list[TextSegment | ImageSegment] = []
        for _ in range(draw(st.integers(0, 2))):
            color = draw(st.sampled_from(["red", "green", "blue"]))
            content += [ImageSegment(MemoryImage(Image.new("RGB", (3, 2), color), color)), TextSegment(draw(spoken))]
        turns += [Turn(Role.USER, tuple(content) or (TextSegment(draw(spoken)),)), assistant(draw(spoken))]
    return tuple(turns)


@given(st.lists(conversations(), min_size=1, max_size=4))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_written_and_read_back(tmp_path: Path, talks: list[tuple[Turn, ...]]) -> None:
    samples = [Sample(f"s{n}", turns, meta={"kind": "count", "n": [n]}) for n, turns in enumerate(talks)]
    path, folder = tmp_path / "out.json", tmp_path / "out"
    assert write_llava_json(samples, path, folder) == len(samples)
    again = LlavaJson(path, folder)
    assert len(again) == len(samples)
    for sample, copy in zip(samples, again, strict=True):
        assert (copy.id, copy.meta) == (sample.id, sample.meta)
        assert [(turn.role, turn.text, turn.learn) for turn in copy.turns] == [
            (turn.role, turn.text, turn.learn) for turn in sample.turns
        ]
        assert [list(map(type, turn.content)) for turn in copy.turns] == [
            list(map(type, turn.content)) for turn in sample.turns
        ]
        for one, other in zip(sample.images, copy.images, strict=True):
            assert np.array_equal(np.asarray(one.load()), np.asarray(other.load()))
    assert len(list(folder.iterdir())) <= 3  # a picture shown twice is stored once


def test_a_failed_export_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    write_llava_json([Sample("old", (user("Hi"), assistant("Ho")))], path, tmp_path / "p")
    before = path.read_bytes()
    boxes = Turn(Role.USER, (BoxSegment((Box(0, 0, 1, 1),)),))
    shown = Turn(Role.ASSISTANT, (ImageSegment(MemoryImage(Image.new("RGB", (1, 1)), "k")),))
    for turns, complaint in (
        ((boxes,), "BoxSegment of the user"),
        ((Turn(Role.SYSTEM, shown.content), user("Hi"), assistant("Ho")), "ImageSegment of the system"),
        ((user("see <image>"), assistant("Ho")), "texts without <image>"),
    ):
        with pytest.raises(BadInput, match=complaint):
            write_llava_json([Sample("new", (user("Hi"), assistant("Ho"))), Sample("bad", turns)], path, tmp_path / "p")
    with pytest.raises(BadInput, match="meta field image"):
        write_llava_json([Sample("bad", (user("Hi"), assistant("Ho")), meta={"image": 1})], path, tmp_path / "p")
    with pytest.raises(BadInput, match="at least one sample"):
        write_llava_json([], path, tmp_path / "p")
    with pytest.raises(BadInput, match="a place to write to"):
        write_llava_json([Sample("new", ())], tmp_path / "none" / "out.json", tmp_path / "p")
    assert path.read_bytes() == before and sorted(p.name for p in tmp_path.iterdir()) == ["out.json", "p"]
