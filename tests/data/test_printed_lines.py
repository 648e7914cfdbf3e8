"""Lines cut out of scans, from a tiny folder of the same layout, and from the real one where it is at hand."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from omma.data.printed_lines import MARGIN, PROMPT, PrintedLines
from omma.data.sources import SOURCES
from omma.errors import BadInput

WHOLE = {"bbox": [10, 20, 30, 8], "text": "TOTAL  12.50 "}


def make(folder: Path, *lines: Any, **changes: Any) -> Path:
    folder.mkdir()
    stream = io.BytesIO()
    picture = Image.new("RGB", (80, 60), "white")
    picture.paste((255, 0, 0), (10, 20, 40, 28))
    picture.save(stream, "PNG")
    with tarfile.open(folder / "val.tar", "w") as tar:
        member = tarfile.TarInfo("a.png")
        member.size = stream.tell()
        stream.seek(0)
        tar.addfile(member, stream)
    (folder / "val.jsonl").write_text(json.dumps({"id": "a", "image": "a.png", "lines": lines} | changes))
    return folder


def test_a_line_is_what_its_box_holds_and_a_margin(tmp_path: Path) -> None:
    data = PrintedLines(make(tmp_path / "scans", WHOLE), "val")
    (sample,) = data
    assert (sample.id, sample.turns[0].text, sample.turns[1].text) == ("a/0", f"\n{PROMPT}", "TOTAL 12.50")
    picture = sample.images[0].load()
    assert picture.size == (30 + 2 * MARGIN, 8 + 2 * MARGIN)
    assert picture.crop((MARGIN, MARGIN, MARGIN + 30, MARGIN + 8)).getcolors() == [(240, (255, 0, 0))]
    assert picture.getcolors() == [(picture.width * picture.height - 240, (255, 255, 255)), (240, (255, 0, 0))]
    source = SOURCES.parse(
        {"type": "printed-lines", "folder": str(tmp_path / "scans"), "split": "val", "lower": True}, where="source"
    ).build()
    assert (source.length, source.sample(0).turns[1].text) == (1, "total 12.50")


def test_what_cannot_be_read_is_left_out_and_a_box_over_the_edge_is_cut(tmp_path: Path) -> None:
    lines = [
        {"bbox": [0, 0, 3, 20], "text": "thin"}, {"bbox": [0, 0, 30, 10], "text": " "}, {"bbox": [80, 0, 30, 10], "text": "out"},
        {"bbox": [-1, 0, 30, 10], "text": "out"}, {"bbox": [70.5, 50, 99, 99], "text": "over"},
    ]  # fmt: skip
    (sample,) = PrintedLines(make(tmp_path / "scans", *lines), "val")
    assert (sample.id, sample.images[0].load().size) == ("a/4", (80 - 67, 60 - 47))


@pytest.mark.parametrize(
    ("line", "changes", "complaint"),
    [
        ({"bbox": [1, 2, 3], "text": "x"}, {}, r"line 1, field lines, 0 \(from 0\): expected bbox \[x, y, width, height\] and text"),
        ({"bbox": [1, 2, 3, float("nan")], "text": "x"}, {}, "field lines, 0"),
        ({"bbox": [1, 2, 3, True], "text": "x"}, {}, "field lines, 0"),
        ({"bbox": [1, 2, 30, 40]}, {}, "field lines, 0"),
        ("a line", {}, "field lines, 0"),
        (WHOLE, {"lines": "none"}, "field lines: expected a list, found 'none'"),
        (WHOLE, {"image": "b.png"}, "field image: expected a member of"),
        (WHOLE, {"id": 3}, "field id: expected a str, found 3"),
        (WHOLE, {"lines": []}, "expected lines of print, found none"),
    ],
)  # fmt: skip
def test_bad_records(tmp_path: Path, line: Any, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint):
        PrintedLines(make(tmp_path / "scans", line, **changes), "val")


def test_a_folder_without_the_split_says_what_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"train\.jsonl: expected a file of the data set.*id, image, lines.*found nothing"):
        PrintedLines(make(tmp_path / "scans", WHOLE), "train")


def test_the_real_receipts(shared_data: Callable[[str], Path]) -> None:
    lines = PrintedLines(shared_data("sroie_receipts"), "val")
    assert len({line.scan for line in lines.lines}) == 75
    assert len(lines) == 3898
    assert all(1 < side <= 1024 for line in lines.lines for side in line.image.size)
    lines[0].images[0].load()
