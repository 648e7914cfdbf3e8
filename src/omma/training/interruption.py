"""Ctrl-C and SIGTERM during training: the step under way is finished, so that a checkpoint can be written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """While it is entered, the first signal raises KeyboardInterrupt where nothing is half done, the second one anywhere.

    Attributes:
        forced: a second signal came: what was under way may be half done.
    """

    def __init__(self) -> None:
        self.forced = False
        self._requested = False
        self._safe = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        # Python lets only the main thread handle signals; elsewhere they are left to whoever does.
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._requested and error is None:
            raise KeyboardInterrupt

    @contextmanager
    def safe(self) -> Iterator[None]:
        """A place where work can be abandoned, such as waiting for data."""
        if self._requested:
            raise KeyboardInterrupt
        self._safe = True
        try:
            yield
        finally:
            self._safe = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.forced = self._requested and not self._safe
        first, self._requested = not self._requested, True
        if self._safe or not first:
            raise KeyboardInterrupt
