"""Printed lines cut out of scans, to be read aloud: receipts, say (ICDAR 2019 SROIE; Huang et al.).

The folder holds, for each split, ``<split>.jsonl`` with one scan a line (id, image, and lines: bbox as [x, y, width, height] in
pixels, and text) and ``<split>.tar`` with the pictures that ``image`` names.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omma.data.images import CroppedImage
from omma.data.sample import Sample, assistant, user
from omma.data.tar_pictures import TarRecord, tar_records
from omma.errors import BadInput

PROMPT = "What does it say?"

MARGIN = 3
"""Pixels around a line that are cut out with it: boxes of annotators are tight."""

SMALLEST = 4
"""Lines of fewer pixels across or down are left out."""


@dataclass(frozen=True, slots=True)
class PrintedLine:
    """A line of a scan. ``scan`` is the scan's id."""

    id: str
    scan: str
    text: str
    image: CroppedImage


class PrintedLines:
    """The lines of one split as samples, by index or in order: a picture of the line, `PROMPT`, and what it says.

    A sample's ``meta`` holds cluster (the scan) and kind. Lines without a text, without width or height, or outside of their
    scan are left out.

    Args:
        folder: where ``<split>.jsonl`` and ``<split>.tar`` lie.
        split: such as "train" or "val".
        lower: answers in small letters.

    Raises:
        BadInput: at once, if a file is missing or damaged, a record is not as described, or there is no line.
    """

    def __init__(self, folder: Path, split: str, *, lower: bool = False) -> None:
        self.split, self.lower = split, lower
        records = tar_records(
            folder, split, fields="id, image, lines", remedy="correct the path, or pack the scans like this"
        )
        self.lines = tuple(line for record in records for line in _lines(record))
        if not self.lines:
            raise BadInput(f"{folder}, split {split}", expected="lines of print", found="none", remedy="name another split")

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, index: int) -> Sample:
        line = self.lines[operator.index(index)]
        return Sample(
            id=line.id,
            turns=(user(line.image, f"\n{PROMPT}"), assistant(line.text.lower() if self.lower else line.text)),
            source=f"printed-lines/{self.split}",
            meta={"kind": "line", "cluster": line.scan},
        )

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))


def _lines(record: TarRecord) -> Iterator[PrintedLine]:
    scan, image = record.value("id", str), record.image()
    width, height = image.size
    for number, line in enumerate(record.value("lines", list)):
        box, text = _box(line), line.get("text") if isinstance(line, dict) else None
        if box is None or not isinstance(text, str):
            raise record.bad(f"lines, {number} (from 0)", "bbox [x, y, width, height] and text", repr(line)[:80])
        x, y, across, down = box
        if not text.strip() or min(across, down) < SMALLEST or not (0 <= x < width and 0 <= y < height):
            continue
        left, top = max(0, math.floor(x) - MARGIN), max(0, math.floor(y) - MARGIN)
        right, bottom = min(width, math.ceil(x + across) + MARGIN), min(height, math.ceil(y + down) + MARGIN)
        yield PrintedLine(f"{scan}/{number}", scan, " ".join(text.split()), CroppedImage(image, (left, top, right, bottom)))


def _box(line: Any) -> list[float] | None:
    box = line.get("bbox") if isinstance(line, dict) else None
    if not isinstance(box, list) or len(box) != 4:
        return None
    is_number = all(type(number) in (int, float) and math.isfinite(number) for number in box)
    return [float(number) for number in box] if is_number else None
