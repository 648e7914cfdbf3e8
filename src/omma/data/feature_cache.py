"""A cache on disk for what a frozen encoder makes of a picture: bounded, safe to delete, safe to kill.

A cache belongs to one encoder (its fingerprint names the directory) and is keyed by picture and plan. Features lie one
after another in slab files; an index of fixed-size records says where. Data is written before its index record, and a
checksum covers both, so a crash costs at most the last entries. When the limit is reached the oldest slab goes.

One process writes (`FeatureCache`); any number read (`FeatureReader`, picklable, for workers). What is not there, not whole
or not to be believed is simply not found: the picture is encoded again. Features are float32, or bfloat16 as uint16 bits.
"""

from __future__ import annotations

import os
import shutil
import struct
import zlib
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

import numpy as np

from omma.parts.resolution.base import Plan

_HEADER = struct.Struct("<16sIQIIIB")  # digest, slab, offset, V, T, C, dtype
_CHECKSUM = struct.Struct("<I")  # of the header and the data that it describes
_RECORD = _HEADER.size + _CHECKSUM.size
_GENERATION = 16
"""Random bytes that begin an index: other ones mean that everything known about the old index is void."""
_DTYPES = (np.dtype(np.float32), np.dtype(np.uint16))
_SLABS = 8


@lru_cache(maxsize=1024)
def _plan_text(plan: Plan) -> str:
    return repr(plan)


class FeatureReader:
    """Read access to a cache directory that another process may be writing, deleting or replacing."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._forget(b"")

    def _forget(self, generation: bytes) -> None:
        self._records: dict[bytes, bytes] = {}
        self._generation = generation
        self._read = _GENERATION

    def __getstate__(self) -> Path:
        return self.directory

    def __setstate__(self, directory: Path) -> None:
        self.__init__(directory)  # type: ignore[misc]

    def key(self, picture: str, plan: Plan) -> str:
        """The entry's name: hexadecimal digest of the picture's key and the plan."""
        return blake2b(f"{picture}\0{_plan_text(plan)}".encode(), digest_size=16).hexdigest()

    def get(self, picture: str, plan: Plan) -> np.ndarray | None:
        """Features [V, T, C], or None if they are not there (any more, or not whole)."""
        digest = bytes.fromhex(self.key(picture, plan))
        if digest not in self._records:
            self._refresh()
        record = self._records.get(digest)
        if record is None:
            return None
        features = self._features(record)
        if features is None:
            del self._records[digest]
        return features

    def _features(self, record: bytes) -> np.ndarray | None:
        _, slab, offset, v, t, c, dtype = _HEADER.unpack_from(record)
        if dtype >= len(_DTYPES):
            return None
        size = v * t * c * _DTYPES[dtype].itemsize
        try:
            with open(_slab(self.directory, slab), "rb", buffering=0) as file:
                if offset + size > os.fstat(file.fileno()).st_size:
                    return None
                data = os.pread(file.fileno(), size, offset)
        except OSError:
            return None
        if len(data) != size or _checksum(record[: _HEADER.size], data) != record[_HEADER.size :]:
            return None
        return np.frombuffer(data, dtype=_DTYPES[dtype]).reshape(v, t, c)

    def _refresh(self) -> None:
        try:
            with open(self.directory / "index.bin", "rb") as file:
                generation = file.read(_GENERATION)
                if generation != self._generation:
                    self._forget(generation)
                file.seek(self._read)
                data = file.read()
        except OSError:
            self._forget(b"")
            return
        for record in _records(data):
            self._records[record[:16]] = record
            self._read += _RECORD


class FeatureCache:
    """Write access: one process at a time.

    A cache must not stop the work that it speeds up: when nothing can be written (any more), nothing is.

    Args:
        root: directory of its own; what other encoders left there is removed.
        fingerprint: names the encoder, its weights, tap and precision; see `Composition.fingerprint`.
        limit_bytes: bound of the features on disk; the oldest go. The index adds about a thousandth.
    """

    def __init__(self, root: Path, fingerprint: str, limit_bytes: int) -> None:
        self.directory = root / fingerprint
        self.slab_bytes = max(1, limit_bytes // _SLABS)
        self.failed = False
        for other in root.iterdir() if root.is_dir() else ():
            if other != self.directory:
                shutil.rmtree(other, ignore_errors=True)
        try:
            self._trim_index()
        except OSError:
            self.failed = True

    def reader(self) -> FeatureReader:
        return FeatureReader(self.directory)

    def put(self, entries: Iterable[tuple[str, np.ndarray]]) -> None:
        """Append features [V, T, C] under their keys (`FeatureReader.key`), data first, index second."""
        if self.failed:
            return
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            records = [self._append(key, features) for key, features in entries]
            with open(self.directory / "index.bin", "ab") as file:
                file.write((b"" if file.tell() else os.urandom(_GENERATION)) + b"".join(records))
        except OSError:
            self.failed = True

    def size(self) -> int:
        """Bytes of features on disk."""
        return sum(path.stat().st_size for path in self._slabs())

    def _append(self, key: str, features: np.ndarray) -> bytes:
        """Write one entry's data; its record, or nothing if it is larger than a slab may be."""
        data = np.ascontiguousarray(features).tobytes()
        if len(data) > self.slab_bytes:
            return b""
        slab = self._slab_for(len(data))
        with open(_slab(self.directory, slab), "ab") as file:
            offset = file.tell()
            file.write(data)
        header = _HEADER.pack(bytes.fromhex(key), slab, offset, *features.shape, _DTYPES.index(features.dtype))
        return header + _checksum(header, data)

    def _slab_for(self, size: int) -> int:
        slabs = self._slabs()
        if not slabs:
            return 0
        last = _number(slabs[-1])
        if slabs[-1].stat().st_size + size <= self.slab_bytes:
            return last
        if len(slabs) >= _SLABS:
            for old in slabs[: len(slabs) - _SLABS + 1]:
                old.unlink(missing_ok=True)
            self._trim_index()
        return last + 1

    def _slabs(self) -> list[Path]:
        return sorted(self.directory.glob("slab-*.bin"), key=_number)

    def _trim_index(self) -> None:
        """Drop a torn record at the end and all records of slabs that are gone; readers notice the new index."""
        index = self.directory / "index.bin"
        if not index.exists():
            return
        generation, data = (whole := index.read_bytes())[:_GENERATION], whole[_GENERATION:]
        there = {_number(path) for path in self._slabs()}
        kept = b"".join(record for record in _records(data) if _HEADER.unpack_from(record)[1] in there)
        if kept != data or len(generation) < _GENERATION:
            temporary = index.with_suffix(".tmp")
            temporary.write_bytes(os.urandom(_GENERATION) + kept)
            os.replace(temporary, index)


def _records(data: bytes) -> Iterable[bytes]:
    """The whole records of an index behind its generation."""
    return (data[i : i + _RECORD] for i in range(0, len(data) - _RECORD + 1, _RECORD))


def _checksum(header: bytes, data: bytes) -> bytes:
    return _CHECKSUM.pack(zlib.crc32(data, zlib.crc32(header)))


def _slab(directory: Path, number: int) -> Path:
    return directory / f"slab-{number:06d}.bin"


def _number(slab: Path) -> int:
    return int(slab.stem.removeprefix("slab-"))
