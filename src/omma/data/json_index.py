"""Where the records of a JSON array or of JSON lines lie in their file, found without parsing: one pass, little memory.

The bounds of records depend on quotes, backslashes, brackets and commas alone, and numpy finds those quickly. A million
records cost 24 MB of index; after that each opens at once, in any order, in any process.
"""

from __future__ import annotations

import os
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from omma.errors import BadInput

CHUNK = 1 << 20
"""Bytes read at a time while indexing."""

_BOM = b"\xef\xbb\xbf"
_SPACE = b" \t\r\n"


@dataclass(frozen=True, eq=False)
class JsonIndex:
    """The bounds of every record of one file.

    Attributes:
        path: the file.
        spans: uint64 [records, 3]: first byte, byte after the last (blanks around the record included), and the line,
            counted from 1, on which the first byte stands.
        stamp: size and modification time (ns) of the file that was indexed.
    """

    path: Path
    spans: np.ndarray
    stamp: tuple[int, int]

    @staticmethod
    def of(path: Path, *, chunk: int = CHUNK) -> JsonIndex:
        """Index a file: a JSON array if its first character is ``[``, JSON lines if it is ``{`` (blank lines do not count).

        Raises:
            BadInput: for a file that cannot be read or holds no records, and for an array that does not end where the
                file does, or one object spread over lines. What is wrong *inside* a record is found when the record is read.
        """
        try:
            with open(path, "rb") as stream:
                status = os.fstat(stream.fileno())
                start = len(_BOM) if stream.read(len(_BOM)) == _BOM else 0
                stream.seek(start)
                first = _first_character(stream)
                stream.seek(start)
                if first == b"[":
                    spans = _array_spans(stream, start, path, chunk)
                elif first == b"{":
                    spans = _line_spans(stream, start, path)
                else:
                    raise BadInput(
                        str(path),
                        expected="a JSON array, or one JSON object a line, in UTF-8",
                        found=f"{first.decode('latin-1')!r} as the first character" if first else "an empty file",
                        remedy="correct the path or write the file again",
                    )
        except OSError as error:
            raise BadInput(
                str(path),
                expected="a readable JSON file",
                found=_reason(error),
                remedy="correct the path or its permissions",
            ) from error
        index = JsonIndex(path, spans, (status.st_size, status.st_mtime_ns))
        if len(index) == 1 and not index.read(0)[0]:
            raise BadInput(str(path), expected="at least one record", found="an empty array", remedy="use another file")
        return index

    def __len__(self) -> int:
        return len(self.spans)

    def read(self, index: int) -> tuple[bytes, int]:
        """The bytes of a record, without blanks around them, and the line, from 1, on which it begins.

        The file is opened for each reading, so that threads and forked workers share no position in it.

        Raises:
            BadInput: if the file was changed or removed after it was indexed.
        """
        first, end, line = map(int, self.spans[index])
        try:
            with open(self.path, "rb") as stream:
                status = os.fstat(stream.fileno())
                stream.seek(first)
                data = stream.read(end - first)
        except OSError as error:
            found = _reason(error)
        else:
            if (status.st_size, status.st_mtime_ns) == self.stamp:
                record = data.lstrip(_SPACE)
                return record.rstrip(_SPACE), line + data[: len(data) - len(record)].count(b"\n")
            found = "a file that was changed since"
        raise BadInput(
            str(self.path),
            expected="the file that was opened",
            found=found,
            remedy="start again, and leave the file alone",
        )


def _first_character(stream: BinaryIO) -> bytes:
    while block := stream.read(4096):
        if text := block.lstrip(_SPACE):
            return text[:1]
    return b""


def _line_spans(stream: BinaryIO, offset: int, path: Path) -> np.ndarray:
    spans = array("Q")
    for number, line in enumerate(stream, start=1):
        if text := line.strip(_SPACE):
            if not spans and not text.endswith(b"}"):
                raise BadInput(
                    f"{path}, line {number}",
                    expected="a JSON array, or one whole JSON object a line",
                    found="an object that goes on behind this line",
                    remedy="write the records as a JSON array",
                )
            spans.extend((offset, offset + len(line), number))
        offset += len(line)
    return np.array(spans, np.uint64).reshape(-1, 3)


def _array_spans(stream: BinaryIO, offset: int, path: Path, chunk: int) -> np.ndarray:
    """The spans of an array's elements; ``stream`` stands at ``offset``, somewhere before the opening bracket."""
    scan = _ArrayScan(offset)
    bounds = []
    while not scan.closed and (block := stream.read(chunk)):
        bounds.append(scan.feed(np.frombuffer(block, np.uint8)))
    merged = np.concatenate(bounds)
    if not scan.closed:
        raise BadInput(
            f"{path}, line {scan.line}",
            expected="the closing ] of the array",
            found=f"the end of the file inside the record that begins near line {merged[-1, 1]}",
            remedy="fetch or write the file again if it was cut off, or close that record's brackets and quotes",
        )
    stream.seek(scan.end - 1)
    closing = stream.read(1)
    if rest := _first_character(stream) if closing == b"]" else closing:
        raise BadInput(
            f"{path}, line {merged[-1, 1]}",
            expected="] as the end of the array and of the file",
            found=repr(rest.decode("latin-1")),
            remedy="write one array only, or one object a line",
        )
    return np.stack([merged[:-1, 0] + np.uint64(1), merged[1:, 0], merged[:-1, 1]], axis=1)


_STEP = np.zeros(256, np.int8)
_STEP[[ord("["), ord("{")]] = 1
_STEP[[ord("]"), ord("}")]] = -1
_MARK = _STEP != 0
_MARK[ord(",")] = True


class _ArrayScan:
    """Finds the boundaries between an array's elements, chunk by chunk, and remembers what the next chunk must know.

    Brackets are counted, not matched: a ``}`` for a ``]`` within a record is that record's fault and found by its parser.
    """

    def __init__(self, offset: int) -> None:
        self.offset = offset  # bytes of the file seen so far
        self.line = 1
        self.depth = 0
        self.in_string = False
        self.escaping = False  # whether a backslash at the chunk's end escapes the next one's first byte
        self.closed = False
        self.end = 0  # the byte after the array, once closed

    def feed(self, block: np.ndarray) -> np.ndarray:
        """uint64 [boundaries, 2]: offsets and lines of the array's own brackets and of the commas directly within it."""
        quotes = self._quotes(block)
        marks = np.flatnonzero(_MARK[block])
        marks = marks[(np.searchsorted(quotes, marks) + self.in_string) % 2 == 0]
        steps = _STEP[block[marks]]
        depth = self.depth + np.cumsum(steps, dtype=np.int64)
        boundary = (depth == 1) & (steps >= 0)
        ends = np.flatnonzero(depth == 0)
        if len(ends):
            boundary[ends[0]] = True
            boundary[ends[0] + 1 :] = False
            self.closed = True
            self.end = self.offset + int(marks[ends[0]]) + 1
        found = marks[boundary]
        newlines = np.flatnonzero(block == ord("\n"))
        bounds = np.stack([self.offset + found, self.line + np.searchsorted(newlines, found)], axis=1).astype(np.uint64)
        self.offset += len(block)
        self.line += len(newlines)
        self.in_string ^= len(quotes) % 2 == 1
        if len(depth):
            self.depth = int(depth[-1])
        return bounds

    def _quotes(self, block: np.ndarray) -> np.ndarray:
        """Positions of the quotes that open or close a string: those after an even number of backslashes."""
        is_quote = block == ord('"')
        slashes = np.flatnonzero(block == ord("\\"))
        starts = slashes[np.diff(slashes, prepend=-2) > 1]
        ends = slashes[np.diff(slashes, append=len(block) + 1) > 1] + 1  # the byte after each run of backslashes
        lengths = ends - starts
        if self.escaping:
            if len(starts) and starts[0] == 0:
                lengths[0] += 1
            else:
                is_quote[0] = False
        escaped = ends[lengths % 2 == 1]
        self.escaping = len(escaped) > 0 and escaped[-1] == len(block)
        is_quote[escaped[: len(escaped) - self.escaping]] = False
        return np.flatnonzero(is_quote)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
