"""Progress of long work: a moving bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from omma.evaluation.report.numbers import seconds
from omma.training.loop import Progress as StepProgress

LINE_EVERY = 15.0
"""Seconds between two lines where there is no terminal."""


class Display:
    """Shows how far work is, under one heading at a time. A context manager, so that the terminal is left in order."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[detail]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None
        self._heading = ""
        self._last_line = 0.0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def update(self, heading: str, done: int, total: int, detail: str) -> None:
        """So much of it is done; ``detail`` is what else is worth seeing."""
        if self._task is None or heading != self._heading:
            self._task = self._bar.add_task(heading, total=total, detail=detail)
            self._heading = heading
            self._last_line = 0.0
        self._bar.update(self._task, completed=done, total=total, detail=detail)
        now = time.monotonic()
        if not self.console.is_terminal and (done == total or now - self._last_line > LINE_EVERY):
            self._last_line = now
            self.console.print(f"{heading}: {done}/{total}, {detail}", highlight=False, markup=False, soft_wrap=True)

    def step(self, progress: StepProgress) -> None:
        """After a training step."""
        losses = ", ".join(f"{name} {value:.3f}" for name, value in progress.losses.items())
        detail = f"{losses}, {progress.tokens_per_second:,.0f} tokens/s, {seconds(progress.seconds_left)} left"
        self.update(f"stage {progress.stage}", progress.step, progress.steps, detail)


class Clock:
    """Time left of work of which so much is done, from how fast it went since it began."""

    def __init__(self) -> None:
        self._begun: tuple[float, int] | None = None

    def left(self, done: int, total: int) -> str:
        """In words; empty as long as nothing can be said."""
        now = time.monotonic()
        if self._begun is None:
            self._begun = now, done
        begun, before = self._begun
        if done == before:
            return "estimating the time left"
        return f"{seconds((now - begun) / (done - before) * (total - done))} left"
