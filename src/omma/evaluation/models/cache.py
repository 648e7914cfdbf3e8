"""Replies on disk, so that nothing is asked, or paid for, twice: one SQLite file that any number of runs may share."""

from __future__ import annotations

import json
import sqlite3
import threading
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter

from omma.errors import BadInput
from omma.model.output import Output

_REPLY = TypeAdapter(Output)
LIMIT = 10**9
"""Bytes of replies at most; those that were used longest ago go first."""


class ReplyCache:
    """Replies by key (`remote.prompt_key`: model, words, pictures, parameters).

    Args:
        path: of the file, which is made if it is not there.
        limit: bytes of replies that it may hold.

    Raises:
        BadInput: if the file is no such cache, or cannot be written.
    """

    def __init__(self, path: Path, *, limit: int = LIMIT) -> None:
        self.path, self.limit = path, limit
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=60, check_same_thread=False, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT NOT NULL, used INTEGER NOT NULL)"
            )
            self._database.execute("CREATE INDEX IF NOT EXISTS by_use ON replies (used)")
            self._bytes = self._size()
        except (sqlite3.Error, OSError) as error:
            raise BadInput(
                str(path), expected="a cache of replies, or a place for one", found=str(error), remedy="name another file"
            ) from None

    def get(self, key: str) -> Output | None:
        """The reply of that key; None if it is not known or cannot be read."""
        with self._lock:
            row = self._database.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
            if row is None:
                return None
            self._database.execute("UPDATE replies SET used = ? WHERE key = ?", (self._next(), key))
        try:
            return _REPLY.validate_python(json.loads(row[0]))
        except ValueError:
            return None

    def put(self, key: str, reply: Output) -> None:
        """Keep a reply. One that failed is not kept: it may come the next time."""
        if reply.finish == "failed":
            return
        text = json.dumps(asdict(reply))
        with self._lock:
            self._database.execute("INSERT OR REPLACE INTO replies VALUES (?, ?, ?)", (key, text, self._next()))
            self._bytes += len(text)
            self._shrink()

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def _next(self) -> int:
        """A number above all others: what is used now was used last."""
        return int(self._database.execute("SELECT COALESCE(MAX(used), 0) + 1 FROM replies").fetchone()[0])

    def _size(self) -> int:
        return int(self._database.execute("SELECT COALESCE(SUM(LENGTH(reply)), 0) FROM replies").fetchone()[0])

    def _shrink(self) -> None:
        """Drop a tenth if there is too much. What others added meanwhile is seen then, since counting takes time."""
        if self._bytes <= self.limit:
            return
        while (size := self._size()) > 0.9 * self.limit:
            self._database.execute("DELETE FROM replies WHERE key IN (SELECT key FROM replies ORDER BY used LIMIT 64)")
        self._bytes = size
