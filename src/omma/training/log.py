"""The log of a run: one JSON line per step, bad samples, and TensorBoard."""

from __future__ import annotations

import json
import os
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from omma.objectives.base import BadSample


class StepLog:
    """Appends to ``log.jsonl``, ``bad_samples.jsonl`` and ``tensorboard/``; lines after a resumed step are dropped first."""

    def __init__(self, directory: Path, stage: str, start: int) -> None:
        self.stage = stage
        directory.mkdir(parents=True, exist_ok=True)
        self._lines = directory / "log.jsonl"
        self._bad = directory / "bad_samples.jsonl"
        _drop(self._lines, stage, start)
        _drop(self._bad, stage, start)
        self._file = open(self._lines, "a", encoding="utf-8")
        self._board = SummaryWriter(str(directory / "tensorboard" / stage), purge_step=start)
        self._step = start

    def write(self, step: int, values: dict[str, float], speed: tuple[float, float]) -> None:
        """One step's figures: losses by term, rate, gradient norm; tokens and pictures per second."""
        line = {"stage": self.stage, "step": step, **values, "tokens_per_second": round(speed[0], 1)}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        for name, value in values.items():
            self._board.add_scalar(name, value, step)
        self._board.add_scalar("tokens_per_second", speed[0], step)
        self._step = step + 1

    def bad(self, samples: list[BadSample]) -> None:
        """List samples that were skipped in the current step."""
        if samples:
            with open(self._bad, "a", encoding="utf-8") as file:
                for sample in samples:
                    line = {"stage": self.stage, "step": self._step, "position": sample.position, "reason": sample.reason}
                    file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        self._file.close()
        self._board.close()


def _drop(path: Path, stage: str, start: int) -> None:
    """Remove a stage's lines from step ``start`` on, and a torn last line: they will be written again."""
    if not path.exists():
        return
    kept = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if line["stage"] != stage or line["step"] < start:
            kept.append(text + "\n")
    temporary = path.with_suffix(".tmp")
    temporary.write_text("".join(kept), encoding="utf-8")
    os.replace(temporary, path)
