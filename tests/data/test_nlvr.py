"""NLVR on a tiny folder of the same layout, and on the real one where it is at hand."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from omma.data.nlvr import BOXES, PROMPT, Nlvr
from omma.data.sample import ImageSegment, Role, TextSegment
from omma.errors import BadInput

COLOURS = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]


def line(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"dev-{number // 2}-{number % 2}-0",
        "example_id": f"{number // 2}-{number % 2}",
        "permutation": 0,
        "image": f"dev/{number}.png",
        "sentence": f"There are {number} circles.",
        "label": number % 3 == 0,
        "directory": str(number // 4),
    } | changes


def make(folder: Path, lines: list[Any]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "dev.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    with tarfile.open(folder / "dev.tar", "w") as tar:
        for number in range(16):
            picture = Image.new("RGB", (400, 100), (128, 128, 128))
            for box, colour in zip(BOXES, COLOURS, strict=True):
                picture.paste(colour, box)
            picture.putpixel((0, 0), (number, 0, 0))
            stream = io.BytesIO()
            picture.quantize(8).save(stream, "PNG")
            member = tarfile.TarInfo(f"dev/{number}.png")
            member.size = stream.tell()
            stream.seek(0)
            tar.addfile(member, stream)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make(tmp_path / "nlvr", [line(number) for number in range(16)])


def shown(data: Nlvr, index: int) -> list[int]:
    """Which box each of the sample's pictures is, told by its colour."""
    return [int(np.asarray(image.load())[50, 50].argmax()) for image in data[index].images]


def test_a_sample(folder: Path) -> None:
    data = Nlvr(folder, "dev")
    sample = data[3]
    question, answer = sample.turns
    assert len(data) == 16 and sample.id == "dev-1-1-0" and sample.source == "nlvr/dev"
    assert [type(segment) for segment in question.content] == [ImageSegment] * 3 + [TextSegment]
    assert question.text == PROMPT.format(sentence="There are 3 circles.")
    assert answer.role is Role.ASSISTANT and answer.text == "true" and answer.learn and data[4].turns[1].text == "false"
    assert sample.meta == {
        "kind": "statement",
        "label": True,
        "example_id": "1-1",
        "permutation": 0,
        "box_order": [0, 1, 2],
        "directory": 0,
        "cluster": "1",
    }
    assert [image.size for image in sample.images] == [(100, 100)] * 3 and shown(data, 3) == [0, 1, 2]
    assert len({image.key for each in data for image in each.images}) == 48
    assert list(pickle.loads(pickle.dumps(data))) == list(data) and data[-1] == data[15]
    with pytest.raises(IndexError):
        data[16]


def test_random_orders_belong_to_seed_epoch_and_example(folder: Path) -> None:
    data = Nlvr(folder, "dev", box_orders="random", seed=5)
    orders = [shown(data, index) for index in range(16)]
    assert len({tuple(order) for order in orders}) > 3
    assert all(sorted(order) == [0, 1, 2] for order in orders)
    assert orders == [sample.meta["box_order"] for sample in data]
    assert orders == [shown(Nlvr(folder, "dev", box_orders="random", seed=5), index) for index in range(16)]
    assert orders != [shown(data.at_epoch(1), index) for index in range(16)]
    assert orders != [shown(Nlvr(folder, "dev", box_orders="random", seed=6), index) for index in range(16)]
    assert [s.turns[1] for s in data] == [s.turns[1] for s in Nlvr(folder, "dev")]
    with pytest.raises(ValueError, match="box_orders"):
        Nlvr(folder, "dev", box_orders="all")  # type: ignore[arg-type]


def test_holding_out_directories(folder: Path) -> None:
    rest, held = Nlvr(folder, "dev", box_orders="random").hold_out_directories([1, 3])
    assert {s.meta["directory"] for s in held} == {1, 3} and {s.meta["directory"] for s in rest} == {0, 2}
    assert len(rest) == len(held) == 8
    assert not {s.meta["cluster"] for s in rest} & {s.meta["cluster"] for s in held}
    assert [s.meta["box_order"] for s in held] == [[0, 1, 2]] * 8
    for wrong in ([9], [0, 1, 2, 3]):
        with pytest.raises(BadInput, match="some but not all of 0 to 3"):
            rest_and_all = Nlvr(folder, "dev")
            rest_and_all.hold_out_directories(wrong)


def test_missing_data_says_where_to_get_it(folder: Path, tmp_path: Path) -> None:
    for where, split in ((tmp_path / "none", "dev"), (folder, "test")):
        with pytest.raises(BadInput, match=r"<split>\.jsonl.*<split>\.tar.*github\.com/lil-lab/nlvr"):
            Nlvr(where, split)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"label": "true"}, "line 2, field label"),
        ({"permutation": True}, "field permutation"),
        ({"sentence": None}, "field sentence"),
        ({"directory": "x"}, "field directory"),
        ({"image": "dev/99.png"}, "field image: expected a member of"),
    ],
)
def test_bad_lines(tmp_path: Path, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint):
        Nlvr(make(tmp_path / "nlvr", [line(0), line(1, **changes)]), "dev")


def test_damaged_files(folder: Path) -> None:
    text = (folder / "dev.jsonl").read_text()
    (folder / "dev.jsonl").write_text(text[:-20])
    with pytest.raises(BadInput, match="line 16: expected a JSON object"):
        Nlvr(folder, "dev")
    (folder / "dev.jsonl").write_text(text)
    whole = (folder / "dev.tar").read_bytes()
    for damaged in (whole[:1200], b"not a tar" * 100):
        (folder / "dev.tar").write_bytes(damaged)
        with pytest.raises(BadInput):
            Nlvr(folder, "dev")


def test_a_picture_of_another_shape_is_refused(folder: Path) -> None:
    small = folder / "small.tar"
    stream = io.BytesIO()
    Image.new("RGB", (200, 100)).save(stream, "PNG")
    with tarfile.open(small, "w") as tar:
        member = tarfile.TarInfo("dev/0.png")
        member.size = stream.tell()
        stream.seek(0)
        tar.addfile(member, stream)
    (folder / "small.jsonl").write_text(json.dumps(line(0)))
    with pytest.raises(BadInput, match=r"dev/0\.png in .*small\.tar.*200 x 100"):
        Nlvr(folder, "small")[0].images[2].load()


def test_the_real_data(shared_data: Callable[[str], Path]) -> None:
    dev = Nlvr(shared_data("nlvr"), "dev")
    assert len(dev) == 5934
    assert sum(sample.meta["label"] for sample in dev) / len(dev) == pytest.approx(0.553, abs=0.0005)
    assert len({sample.meta["example_id"] for sample in dev}) == 989
    assert {sample.meta["permutation"] for sample in dev} == set(range(6))
    # The six pictures of an example hold the same three boxes in six orders.
    boxes = [{image.load().tobytes() for image in dev[index].images} for index in range(6)]
    assert all(len(three) == 3 and three == boxes[0] for three in boxes)
    assert dev[0].images[0].load().getpixel((0, 0)) != (255, 255, 255)
