"""How fast training goes, and how long it will still take."""

from __future__ import annotations

import time
from collections import deque

from omma.objectives.base import Step

WINDOW = 20
"""Steps over which speeds are averaged."""


class Speed:
    """Real tokens and pictures per second over the last steps (padding does not count), waiting for data included."""

    def __init__(self) -> None:
        self._now = time.monotonic()
        self._steps: deque[tuple[float, int, int]] = deque(maxlen=WINDOW)

    def after(self, step: Step) -> None:
        """A step was finished."""
        before, self._now = self._now, time.monotonic()
        self._steps.append((self._now - before, step.tokens, step.images))

    @property
    def last(self) -> float:
        """Seconds that the last step took."""
        return self._steps[-1][0]

    @property
    def tokens(self) -> float:
        """Tokens per second."""
        return sum(tokens for _, tokens, _ in self._steps) / self._elapsed

    @property
    def images(self) -> float:
        """Pictures per second."""
        return sum(images for _, _, images in self._steps) / self._elapsed

    def left(self, steps: int) -> float:
        """Seconds that so many more steps will take."""
        return steps * self._elapsed / len(self._steps)

    @property
    def _elapsed(self) -> float:
        return sum(seconds for seconds, _, _ in self._steps)
