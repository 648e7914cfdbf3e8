"""Progress where there is no terminal: few lines, the last one always."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from omma.commands import progress
from omma.commands.progress import Clock, Display
from omma.training.loop import Progress


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set."""
    time = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: time[0])
    return time


def test_a_log_gets_a_line_at_first_now_and_then_and_at_last(now: list[float]) -> None:
    text = io.StringIO()
    with Display(Console(file=text)) as display:
        for step in range(1, 101):
            now[0] += 1
            display.step(Progress("align", step, 100, {"loss": 1.5}, 0.1, 12345.6, 7.0, 100.0 - step))
    lines = text.getvalue().splitlines()
    assert 100 / progress.LINE_EVERY < len(lines) <= 100 / progress.LINE_EVERY + 2
    assert lines[0] == "stage align: 1/100, loss 1.500, 12,346 tokens/s, 1 min 39 s left"
    assert lines[-1].startswith("stage align: 100/100")


def test_a_new_stage_is_told_at_once(now: list[float]) -> None:
    text = io.StringIO()
    with Display(Console(file=text)) as display:
        display.update("one", 1, 9, "a")
        display.update("two", 1, 9, "b")
        display.update("two", 2, 9, "c")
    assert text.getvalue().splitlines() == ["one: 1/9, a", "two: 1/9, b"]


def test_a_terminal_gets_a_bar(now: list[float]) -> None:
    text = io.StringIO()
    with Display(Console(file=text, force_terminal=True, width=120)) as display:
        display.update("evaluation", 3, 9, "2 min left")
    assert "3/9" in text.getvalue()
    assert "2 min left" in text.getvalue()


def test_the_clock_counts_from_where_work_began(now: list[float]) -> None:
    clock = Clock()
    assert "estimating" in clock.left(50, 100)  # these were done in an earlier run
    now[0] += 10
    assert clock.left(60, 100) == "40 s left"
