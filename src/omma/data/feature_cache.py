"""A cache on disk for what a frozen encoder makes of a picture: bounded, safe to delete, safe to kill.

A cache belongs to one encoder (its fingerprint names the directory) and is keyed by picture and plan. Features lie one
after another in slab files; an index of fixed-size records says where. Data is written before its index record and every
record carries a checksum, so a crash costs at most the last entries. When the limit is reached the oldest slab goes.

One process writes (`FeatureCache`); any number read (`FeatureReader`, picklable, for workers).
Features are float32, or bfloat16 as uint16 bits.
"""

from __future__ import annotations

import os
import struct
import zlib
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

import numpy as np

from omma.parts.resolution.base import Plan

_RECORD = struct.Struct("<16sIQIIIBI")  # digest, slab, offset, V, T, C, dtype, checksum
_DTYPES = (np.dtype(np.float32), np.dtype(np.uint16))
_SLABS = 8


@lru_cache(maxsize=1024)
def _plan_text(plan: Plan) -> str:
    return repr(plan)


class FeatureReader:
    """Read access to a cache directory that another process may be writing, deleting or replacing."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._reset()

    def _reset(self) -> None:
        self._entries: dict[bytes, tuple[int, int, int, int, int, int, int]] = {}
        self._read = 0
        self._inode: int | None = None

    def __getstate__(self) -> Path:
        return self.directory

    def __setstate__(self, directory: Path) -> None:
        self.directory = directory
        self._reset()

    def key(self, picture: str, plan: Plan) -> str:
        """The entry's name: hexadecimal digest of the picture's key and the plan."""
        return blake2b(f"{picture}\0{_plan_text(plan)}".encode(), digest_size=16).hexdigest()

    def get(self, picture: str, plan: Plan) -> np.ndarray | None:
        """Features [V, T, C], or None if they are not there (any more, or not whole)."""
        digest = bytes.fromhex(self.key(picture, plan))
        if digest not in self._entries:
            self._refresh()
        entry = self._entries.get(digest)
        if entry is None:
            return None
        slab, offset, v, t, c, dtype, checksum = entry
        count = v * t * c * _DTYPES[dtype].itemsize
        try:
            with open(self.directory / f"slab-{slab:06d}.bin", "rb", buffering=0) as file:
                data = os.pread(file.fileno(), count, offset)
        except FileNotFoundError:
            data = b""
        if len(data) != count or zlib.crc32(data) != checksum:
            del self._entries[digest]
            return None
        return np.frombuffer(data, dtype=_DTYPES[dtype]).reshape(v, t, c)

    def _refresh(self) -> None:
        try:
            with open(self.directory / "index.bin", "rb") as file:
                inode = os.fstat(file.fileno()).st_ino
                if inode != self._inode:
                    self._reset()
                    self._inode = inode
                file.seek(self._read)
                data = file.read()
        except FileNotFoundError:
            self._reset()
            return
        whole = len(data) // _RECORD.size * _RECORD.size
        for digest, *entry in _RECORD.iter_unpack(data[:whole]):
            self._entries[digest] = tuple(entry)
        self._read += whole


class FeatureCache:
    """Write access: one process at a time per directory.

    Args:
        root: directory that holds the caches of all encoders.
        fingerprint: names the encoder, its weights, tap and precision; see `Composition.fingerprint`.
        limit_bytes: the oldest entries go when the slabs reach this.
    """

    def __init__(self, root: Path, fingerprint: str, limit_bytes: int) -> None:
        self.directory = root / fingerprint
        self.directory.mkdir(parents=True, exist_ok=True)
        self.slab_bytes = max(1, limit_bytes // _SLABS)
        self._trim_index()

    def reader(self) -> FeatureReader:
        return FeatureReader(self.directory)

    def put(self, entries: list[tuple[str, np.ndarray]]) -> None:
        """Append features [V, T, C] under their keys (`FeatureReader.key`), data first, index second."""
        records: list[bytes] = []
        for key, features in entries:
            data = np.ascontiguousarray(features).tobytes()
            slab, offset = self._place(len(data))
            with open(self._slab(slab), "ab") as file:
                file.write(data)
            records.append(
                _RECORD.pack(
                    bytes.fromhex(key), slab, offset, *features.shape, _DTYPES.index(features.dtype), zlib.crc32(data)
                )
            )
        with open(self.directory / "index.bin", "ab") as file:
            file.write(b"".join(records))

    def size(self) -> int:
        """Bytes of features on disk."""
        return sum(path.stat().st_size for path in self._slabs())

    def _slab(self, number: int) -> Path:
        return self.directory / f"slab-{number:06d}.bin"

    def _slabs(self) -> list[Path]:
        return sorted(self.directory.glob("slab-*.bin"))

    def _place(self, size: int) -> tuple[int, int]:
        slabs = self._slabs()
        if not slabs:
            return 0, 0
        last = int(slabs[-1].stem.removeprefix("slab-"))
        used = slabs[-1].stat().st_size
        if used + size <= self.slab_bytes:
            return last, used
        for old in slabs[: max(0, len(slabs) - _SLABS + 1)]:
            old.unlink(missing_ok=True)
            self._trim_index()
        return last + 1, 0

    def _trim_index(self) -> None:
        """Drop a torn record at the end and all records of slabs that are gone; readers notice the new file."""
        index = self.directory / "index.bin"
        if not index.exists():
            return
        data = index.read_bytes()
        there = {int(path.stem.removeprefix("slab-")) for path in self._slabs()}
        kept = b"".join(
            data[i : i + _RECORD.size]
            for i in range(0, len(data) - _RECORD.size + 1, _RECORD.size)
            if _RECORD.unpack_from(data, i)[1] in there
        )
        if kept != data:
            temporary = index.with_suffix(".tmp")
            temporary.write_bytes(kept)
            os.replace(temporary, index)
