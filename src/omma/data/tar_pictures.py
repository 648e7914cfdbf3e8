"""Folders of ``<split>.jsonl`` and ``<split>.tar``: records, and the pictures that they name as members of the archive."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omma.data.images import TarImage
from omma.data.json_index import JsonIndex
from omma.errors import BadInput


@dataclass(frozen=True, slots=True)
class TarRecord:
    """One line of the file, and where to find it for complaints."""

    data: Mapping[str, Any]
    where: str
    archive: Path
    members: Mapping[str, TarImage]

    def value(self, field: str, kind: type) -> Any:
        """What a field holds. Raises BadInput if it is of another type; a bool is no int here."""
        value = self.data.get(field)
        if type(value) is not kind:
            raise self.bad(field, f"a {kind.__name__}", repr(value))
        return value

    def image(self) -> TarImage:
        """The picture that the field ``image`` names. Raises BadInput if the archive has none of that name."""
        name = self.value("image", str)
        if name not in self.members:
            raise BadInput(
                f"{self.where}, field image",
                expected=f"a member of {self.archive}",
                found=repr(name),
                remedy="fetch the archive again, or remove the line",
            )
        return self.members[name]

    def bad(self, field: str, expected: str, found: str) -> BadInput:
        return BadInput(f"{self.where}, field {field}", expected=expected, found=found, remedy="correct the line")


def tar_records(folder: Path, split: str, *, fields: str, remedy: str) -> Iterator[TarRecord]:
    """The records of one split, in the order of the file.

    Args:
        fields: what a line has, for complaints about a file that is missing.
        remedy: how to come by it.

    Raises:
        BadInput: if a file is missing or damaged, or a line is no JSON object.
    """
    lines, archive = (_found(Path(folder) / f"{split}.{suffix}", fields, remedy) for suffix in ("jsonl", "tar"))
    members = _members(archive)
    index = JsonIndex.of(lines)
    for number in range(len(index)):
        data, line = index.read(number)
        where = f"{lines}, line {line}"
        try:
            record: Any = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise BadInput(where, expected="a JSON object", found=str(error), remedy="fetch the file again") from error
        yield TarRecord(record if isinstance(record, dict) else {}, where, archive, members)


def _found(path: Path, fields: str, remedy: str) -> Path:
    if path.is_file():
        return path
    raise BadInput(
        str(path),
        expected=f"a file of the data set, <split>.jsonl (fields {fields}) or <split>.tar (pictures)",
        found="a directory" if path.is_dir() else "nothing" if path.parent.is_dir() else "not even the folder",
        remedy=remedy,
    )


def _members(archive: Path) -> dict[str, TarImage]:
    """Every regular member of the archive by name."""
    try:
        with tarfile.open(archive, "r:") as tar:
            return {
                member.name: TarImage(archive, member.offset_data, member.size, member.name)
                for member in tar
                if member.isreg()
            }
    except (tarfile.TarError, OSError) as error:
        raise BadInput(
            str(archive),
            expected="a whole, uncompressed tar archive",
            found=str(error),
            remedy="fetch or pack it again",
        ) from error
