"""Rows of benchmark files, as their authors publish them: JSON, JSON lines, tables with tabs, parquet.

Nothing of a file is ever evaluated or unpickled, and a row that is not as described is one clear complaint that says where
it stands. Whole files are read: benchmarks are small beside training data.
"""

from __future__ import annotations

import base64
import binascii
import csv
import importlib
import importlib.util
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omma.data.images import BytesImage
from omma.data.json_index import JsonIndex
from omma.data.picture_folder import picture_in
from omma.data.sample import ImageSource
from omma.errors import BadInput

MOST_BYTES = 2 << 30
"""Bytes of a file that is read whole; the largest of the field's (VQAv2's annotations of its training set) is a fifth of it."""

MOST_CHARACTERS = 50_000
"""Characters of a question or an answer."""

LONGEST_FOUND = 100
"""Characters of a value that a complaint quotes."""

_REMEDY = "correct the row or fetch the file again"


@dataclass(frozen=True, slots=True)
class Row:
    """One record and where it stands."""

    where: str
    data: Mapping[str, Any]

    def bad(self, field: str, expected: str, *, remedy: str = _REMEDY) -> BadInput:
        """A complaint about one field, which quotes what is there."""
        found = shown(self.data[field]) if field in self.data else "no such field"
        return BadInput(f"{self.where}, field {field}", expected=expected, found=found, remedy=remedy)

    def text(self, field: str) -> str:
        """A text that is not blank, or a number as one."""
        value = self.optional(field)
        if value is None:
            raise self.bad(field, "a text that is not empty")
        return value

    def optional(self, field: str) -> str | None:
        """The same, or None where there is nothing: no such field, null, or blank."""
        value = self.data.get(field)
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = None if isinstance(value, float) and math.isnan(value) else str(value)
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        if not isinstance(value, str):
            raise self.bad(field, "a text")
        if len(value) > MOST_CHARACTERS:
            where = f"{self.where}, field {field}"
            found = f"{len(value):,}"
            raise BadInput(where, expected=f"at most {MOST_CHARACTERS:,} characters", found=found, remedy=_REMEDY)
        return value.strip()

    def texts(self, field: str, *, least: int = 1) -> tuple[str, ...]:
        """A list of texts (or numbers, as texts), of which none is blank."""
        values = self.data.get(field)
        if not isinstance(values, list) or len(values) < least:
            raise self.bad(field, "a list of texts" if least == 1 else f"a list of at least {least} texts")
        inner = [Row(self.where, {field: value}).optional(field) for value in values]
        if None in inner:
            raise self.bad(field, "texts that are not empty")
        return tuple(text for text in inner if text is not None)

    def people(self, field: str, answers: Sequence[str | None]) -> tuple[str, ...]:
        """What people answered, of whom some may have said nothing, but two at least something."""
        if sum(answer is not None for answer in answers) < 2:
            raise self.bad(field, "the answers of at least two people")
        return tuple(answer or "" for answer in answers)

    def identity(self, field: str) -> str:
        """What names the row: a text or a whole number."""
        value = self.data.get(field)
        if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
            raise self.bad(field, "a text or a whole number that names the row")
        return str(value).strip()

    def whole(self, field: str) -> int:
        """A whole number, also as a text of digits."""
        value = self.data.get(field)
        if isinstance(value, str) and value.strip().isdecimal():
            return int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.bad(field, "a whole number")
        return value

    def numbers(self, field: str, count: int) -> tuple[float, ...]:
        """A list of so many finite numbers."""
        values = self.data.get(field)
        fine = isinstance(values, list) and len(values) == count
        if not fine or any(isinstance(v, bool) or not isinstance(v, int | float) or not math.isfinite(v) for v in values or ()):
            raise self.bad(field, f"a list of {count} numbers")
        return tuple(map(float, values or ()))

    def rows(self, field: str) -> list[Row]:
        """A list of records."""
        values = self.data.get(field)
        if not isinstance(values, list) or not all(isinstance(value, Mapping) for value in values):
            raise self.bad(field, "a list of records")
        return [Row(f"{self.where}, {field} {number} (from 0)", value) for number, value in enumerate(values)]

    def one_of(self, field: str, allowed: Sequence[str]) -> str:
        """One of these texts, in any case."""
        value = self.optional(field)
        if value is None or value.lower() not in allowed:
            raise self.bad(field, f"one of {', '.join(allowed)}")
        return value.lower()

    def picture(self, field: str, folder: Path, *, name: str | None = None) -> ImageSource:
        """A picture of the folder: at the path in the field, or at ``name``, which is made of it."""
        path = name if name is not None else self.text(field)
        return picture_in(folder, path, where=f"{self.where}, field {field}")


def shown(value: Any) -> str:
    """A value as JSON, cut to what fits into a sentence."""
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= LONGEST_FOUND else f"{text[: LONGEST_FOUND - 3]}..."


def json_document(path: Path) -> Any:
    """What a JSON file holds. Raises BadInput for a file that cannot be read, or is none."""
    data = _contents(path)
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        where, found = f"{path}, line {error.lineno}", f"{error.msg.lower()} in column {error.colno}"
    except (ValueError, RecursionError) as error:
        where, found = str(path), "bytes that are not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
    raise BadInput(where, expected="valid JSON", found=found, remedy="fetch the file again")


def json_records(path: Path, *, within: str | None = None) -> list[Row]:
    """The records of a JSON array, or of the array in that field of a JSON object."""
    return records_in(json_document(path), path, within=within)


def records_in(document: Any, path: Path, *, within: str | None = None) -> list[Row]:
    """The same of a document that is read already; ``path`` is for complaints."""
    if within is not None:
        if not isinstance(document, Mapping) or not isinstance(document.get(within), list):
            raise _another_file(path, document, f'a JSON object with a list of records in "{within}"')
        document = document[within]
    if not isinstance(document, list):
        raise _another_file(path, document, "a JSON array")
    return [_row(record, f"{path}, record {number} (from 0)") for number, record in enumerate(document)]


def json_lines(path: Path) -> list[Row]:
    """The records of JSON lines, or of a JSON array."""
    _refuse_pickles(path)
    index = JsonIndex.of(path)
    rows = []
    for number in range(len(index)):
        data, line = index.read(number)
        where = f"{path}, line {line}"
        try:
            record = json.loads(data)
        except (ValueError, RecursionError) as error:
            found = error.msg.lower() if isinstance(error, json.JSONDecodeError) else str(error)
            raise BadInput(where, expected="a JSON object", found=found, remedy=_REMEDY) from None
        rows.append(_row(record, where))
    return rows


def json_by_name(path: Path) -> dict[str, Row]:
    """The records of a JSON object, by the name of the field that each is in.

    Raises:
        BadInput: as `json_document`, and for a name that is there twice, of which JSON would keep the last in silence.
    """
    names: list[str] = []

    def kept(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) != len(pairs):
            names.extend(name for name, _ in pairs)
        return dict(pairs)

    try:
        document = json.loads(_contents(path), object_pairs_hook=kept)
    except (ValueError, RecursionError):
        document = json_document(path)
    twice = next((name for number, name in enumerate(names) if name in names[:number]), None)
    if twice is not None:
        raise duplicate(str(path), twice)
    if not isinstance(document, Mapping):
        raise _another_file(path, document, "a JSON object with one record under each id")
    return {name: _row(record, f"{path}, record {name!r}") for name, record in document.items()}


def text_lines(path: Path) -> list[str]:
    """The lines of a text file that say something, without white space around them."""
    return [line.strip() for line in _utf8(path).splitlines() if line.strip()]


def table_rows(path: Path) -> list[Row]:
    """The rows of a table with tabs between its columns and their names in the first line, or of a parquet file."""
    if path.suffix == ".parquet":
        return list(_parquet_rows(path))
    text = _utf8(path)
    # Pictures are base64 in one cell; the module's own limit is a quarter of a small one.
    csv.field_size_limit(MOST_BYTES)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t")
    rows: list[Row] = []
    try:
        names = next(reader, [])
        if len(names) < 2:
            raise BadInput(
                str(path), expected="names of columns with tabs between them in the first line", found=shown("\t".join(names)),
                remedy="name the file that the authors publish",
            )
        for cells in reader:
            where = f"{path}, line {reader.line_num}"
            if len(cells) != len(names):
                raise BadInput(where, expected=f"{len(names)} cells, as in the first line", found=str(len(cells)), remedy=_REMEDY)
            # What reads and writes such tables has "nan" for a cell with nothing in it.
            filled = ("" if cell.strip().lower() == "nan" else cell for cell in cells)
            rows.append(Row(where, dict(zip(names, filled, strict=True))))
    except csv.Error as error:
        where = f"{path}, line {reader.line_num}"
        raise BadInput(where, expected="cells with tabs between them", found=str(error), remedy=_REMEDY) from None
    return rows


def _parquet_rows(path: Path) -> Iterator[Row]:
    _found(path)
    if importlib.util.find_spec("pyarrow") is None:
        raise BadInput(
            str(path), expected="pyarrow to be installed, which reads parquet", found="that it is not",
            remedy="run pip install pyarrow, or name the table with tabs (.tsv) that is published beside it",
        )  # fmt: skip
    parquet = importlib.import_module("pyarrow.parquet")
    try:
        table = parquet.read_table(path)
    except Exception as error:  # the library has no one type for damaged files
        raise BadInput(str(path), expected="a parquet file", found=str(error), remedy="fetch the file again") from None
    for number, record in enumerate(table.to_pylist()):
        yield Row(f"{path}, row {number} (from 0)", record)


def table_picture(row: Row, field: str, value: Any = None) -> BytesImage:
    """The picture in a cell: base64, or what the data sets of the hub have (``{"bytes": ..., "path": ...}``, bytes).

    Args:
        value: the cell, where it is another row's.
    """
    value = row.data.get(field) if value is None else value
    if isinstance(value, Mapping):
        value = value.get("bytes")
    if isinstance(value, str) and value.strip():
        try:
            value = base64.b64decode(value.strip(), validate=True)
        except (binascii.Error, ValueError):
            raise row.bad(field, "a picture in base64") from None
    if not isinstance(value, bytes) or not value:
        raise row.bad(field, "a picture in base64")
    return BytesImage(value, f"{row.where}, field {field}")


def duplicate(where: str, name: str) -> BadInput:
    """The complaint about an id that is there twice."""
    return BadInput(
        where, expected="every question to have an id of its own", found=f"the id {shown(name)} twice",
        remedy="leave one of them out, or fetch the file again",
    )  # fmt: skip


def _another_file(path: Path, document: Any, expected: str) -> BadInput:
    fields = isinstance(document, Mapping)
    found = f"an object with {', '.join(map(repr, list(document)[:6])) or 'nothing in it'}" if fields else shown(document)
    return BadInput(str(path), expected=expected, found=found, remedy="name the file that the authors publish")


def _row(record: Any, where: str) -> Row:
    if not isinstance(record, Mapping):
        raise BadInput(where, expected="a JSON object", found=shown(record), remedy=_REMEDY)
    return Row(where, record)


def _refuse_pickles(path: Path) -> None:
    if path.suffix in (".p", ".pkl", ".pickle", ".pth", ".npy"):
        raise BadInput(
            str(path), expected="JSON, JSON lines, a table with tabs or parquet", found="a pickle, which can run any code",
            remedy="convert it to one of those where you trust it",
        )  # fmt: skip


def _found(path: Path) -> None:
    _refuse_pickles(path)
    if not path.is_file():
        found = "a directory" if path.is_dir() else "nothing" if path.parent.is_dir() else "not even the folder"
        raise BadInput(str(path), expected="a file", found=found, remedy="fetch it, or correct the path; omma fetches no data")
    if (size := path.stat().st_size) > MOST_BYTES:
        found = f"{size / 2**30:.1f}"
        raise BadInput(str(path), expected=f"at most {MOST_BYTES >> 30} GiB", found=found, remedy="cut it into smaller files")


def _contents(path: Path) -> bytes:
    _found(path)
    try:
        return path.read_bytes()
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        raise BadInput(str(path), expected="a file that can be read", found=found, remedy="correct its permissions") from None


def _utf8(path: Path) -> str:
    try:
        return _contents(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(str(path), expected="UTF-8 text", found="other bytes", remedy="fetch the file again") from None
