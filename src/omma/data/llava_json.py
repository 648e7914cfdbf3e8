"""The LLaVA conversation format, in and out: what people bring when they fine-tune on pictures of their own.

A JSON array, or JSON lines, of records such as

    {"id": "7", "image": "cats/7.jpg", "conversations": [
        {"from": "human", "value": "<image>\\nWhat is on the mat?"}, {"from": "gpt", "value": "A cat."}]}

``image`` is a path within the image folder, a list of paths, or absent; each ``<image>`` in what the human says is the
place of the next one (github.com/haotian-liu/LLaVA, docs/Finetune_Custom_Data.md). Beyond LLaVA's own data, ``<image>`` in what
the assistant says is a picture that it draws.
"""

from __future__ import annotations

import json
import operator
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omma.data.images import FileImage
from omma.data.json_index import JsonIndex
from omma.data.picture_folder import picture_folder, picture_in
from omma.data.sample import ImageSegment, Role, Sample, Segment, TextSegment, Turn
from omma.errors import BadInput, nearest

IMAGE_SENTINEL = "<image>"

ROLES = {
    "system": Role.SYSTEM,
    "human": Role.USER,
    "user": Role.USER,
    "gpt": Role.ASSISTANT,
    "assistant": Role.ASSISTANT,
}
"""What ``from`` may say. LLaVA itself writes human and gpt."""

RESERVED = ("id", "image", "conversations")
"""The fields of a record that make the conversation; all others become ``Sample.meta``."""

_LEAVE_OUT = "correct the record or leave it out"


class LlavaJson:
    """The records of a file, by index or in order, none of them parsed before it is asked for.

    A record that is not as it should be raises BadInput (file, record, line and id in it) when *it* is asked for, and
    iteration goes on behind it if ``next`` is called again; whoever reads decides how many such records are too many.
    Threads and processes may share one source: it holds no open file.

    Args:
        path: the JSON or JSON lines file.
        image_folder: what the records' image paths are relative to, and must not leave.

    Raises:
        BadInput: at once if the file as a whole cannot be used or the folder does not exist.
    """

    def __init__(self, path: str | os.PathLike[str], image_folder: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._index = JsonIndex.of(self.path)
        self.image_folder = picture_folder(Path(image_folder))

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, index: int) -> Sample:
        """The record at an index, negative ones from the end. Raises BadInput for a bad record, IndexError outside."""
        number = operator.index(index)
        if number < 0:
            number += len(self)
        if not 0 <= number < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        data, line = self._index.read(number)
        return sample_from_record(
            _parsed(data, line, f"{self.path}, record {number} (from 0)"),
            where=f"{self.path}, record {number} (from 0), line {line}",
            image_folder=self.image_folder,
            source=self.path.name,
            default_id=str(number),
        )

    def __iter__(self) -> Iterator[Sample]:
        return _InOrder(self)


class _InOrder(Iterator[Sample]):
    """Unlike a generator, it survives the errors that pass through it."""

    def __init__(self, source: LlavaJson) -> None:
        self.source, self.position = source, 0

    def __next__(self) -> Sample:
        if self.position >= len(self.source):
            raise StopIteration
        self.position += 1
        return self.source[self.position - 1]


def sample_from_record(
    record: Any, *, where: str, image_folder: Path, source: str = "", default_id: str = ""
) -> Sample:
    """One parsed record as a `Sample`: what the assistant says is learned, pictures stay unread files.

    Args:
        record: the parsed record; anything but a mapping of the right shape is refused.
        where: file, record and line, for complaints.
        image_folder: what image paths are relative to.
        source: `Sample.source`.
        default_id: the id of a record that has none.

    Raises:
        BadInput: for anything that is not a conversation in this format, and for pictures that are not there.
    """
    if not isinstance(record, Mapping):
        raise BadInput(where, expected="a JSON object", found=_shown(record), remedy=_LEAVE_OUT)
    name = record.get("id", default_id)
    if isinstance(name, bool) or not isinstance(name, str | int):
        raise BadInput(f"{where}, field id", expected="a text or a number", found=_shown(name), remedy=_LEAVE_OUT)
    where = f"{where}, id {str(name)!r}" if "id" in record else where
    paths = _image_paths(record.get("image"), where)
    images = [picture_in(image_folder, path, where=f"{where}, field image") for path in paths]
    return Sample(
        id=str(name),
        turns=_turns(record, images, where),
        source=source,
        meta={field: value for field, value in record.items() if field not in RESERVED},
    )


def _parsed(data: bytes, line: int, where: str) -> Any:
    try:
        return json.loads(data.decode())
    except json.JSONDecodeError as error:
        at, found = line + error.lineno - 1, f"{error.msg.lower()} in column {error.colno}"
    except UnicodeDecodeError as error:
        at, found = line + data[: error.start].count(b"\n"), "bytes that are not UTF-8"
    except (ValueError, RecursionError) as error:
        at, found = line, str(error)
    raise BadInput(f"{where}, line {at}", expected="valid JSON", found=found, remedy=_LEAVE_OUT)


def _image_paths(value: Any, where: str) -> list[str]:
    paths = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(paths, list) or not all(isinstance(path, str) and path for path in paths):
        raise BadInput(
            f"{where}, field image", expected="a path or a list of paths", found=_shown(value), remedy=_LEAVE_OUT
        )
    return paths


def _turns(record: Mapping[str, Any], images: list[FileImage], where: str) -> tuple[Turn, ...]:
    entries = record.get("conversations")
    if not isinstance(entries, list) or not entries:
        found = _shown(entries) if "conversations" in record else "no such field"
        raise BadInput(f"{where}, field conversations", expected="a list of turns", found=found, remedy=_LEAVE_OUT)
    said = [_entry(entry, f"{where}, turn {number} (from 0)") for number, entry in enumerate(entries)]
    expected = Role.USER
    for number, (role, text) in enumerate(said):
        at = f"{where}, turn {number} (from 0)"
        if role is Role.SYSTEM and number == 0:
            continue
        if role is not expected:
            raise BadInput(at, expected=f"a turn of the {expected}", found=f"one of the {role}", remedy=_LEAVE_OUT)
        if not text.strip():
            raise BadInput(at, expected="some text", found="an empty value", remedy=_LEAVE_OUT)
        expected = Role.ASSISTANT if role is Role.USER else Role.USER
    if said[-1][0] is not Role.ASSISTANT:
        raise BadInput(
            where,
            expected="an answer of the assistant at the end",
            found=f"a turn of the {said[-1][0]}",
            remedy=_LEAVE_OUT,
        )
    count = sum(text.count(IMAGE_SENTINEL) for _, text in said)
    in_system = any(IMAGE_SENTINEL in text for role, text in said if role is Role.SYSTEM)
    if count != len(images) or in_system:
        raise BadInput(
            where,
            expected=f"{IMAGE_SENTINEL} {len(images)} times, once for each path in image, and not in the system's turn",
            found=f"it {count} times" + (", in the system's turn, too" if in_system else ""),
            remedy=f"write {IMAGE_SENTINEL} where each picture belongs, or leave the record out",
        )
    remaining = iter(images)
    return tuple(Turn(role, _segments(text, remaining), learn=role is Role.ASSISTANT) for role, text in said)


def _entry(entry: Any, where: str) -> tuple[Role, str]:
    for field in ("from", "value"):
        if not isinstance(entry, Mapping) or not isinstance(entry.get(field), str):
            found = _shown(entry.get(field)) if isinstance(entry, Mapping) and field in entry else f"no field {field}"
            raise BadInput(
                where, expected='{"from": text, "value": text}', found=f"{found} in {_shown(entry)}", remedy=_LEAVE_OUT
            )
    if entry["from"] not in ROLES:
        raise BadInput(
            f"{where}, field from", expected="a role", found=repr(entry["from"]), remedy=nearest(entry["from"], ROLES)
        )
    return ROLES[entry["from"]], entry["value"]


def _segments(text: str, images: Iterator[FileImage]) -> tuple[Segment, ...]:
    """The text cut at its sentinels, each replaced by the next picture; every other character stays where it is."""
    segments: list[Segment] = []
    for number, piece in enumerate(text.split(IMAGE_SENTINEL)):
        if number:
            segments.append(ImageSegment(next(images)))
        if piece:
            segments.append(TextSegment(piece))
    return tuple(segments)


def _shown(value: Any) -> str:
    """A value as JSON, cut to what fits into a sentence."""
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 80 else f"{text[:77]}..."
