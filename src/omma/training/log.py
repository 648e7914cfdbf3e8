"""The log of a run: one JSON line per step, held-out losses, bad samples, and TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from omma.objectives.base import BadSample
from omma.storage import write_atomically


class StepLog:
    """Appends to ``log.jsonl``, ``validation.jsonl``, ``bad_samples.jsonl`` and ``tensorboard/`` of a run.

    Args:
        start: the stage's lines from this step on are dropped first: they will be written again.
    """

    def __init__(self, directory: Path, stage: str, start: int) -> None:
        self.stage = stage
        self._bad = directory / "bad_samples.jsonl"
        self._validation = directory / "validation.jsonl"
        lines = directory / "log.jsonl"
        for path in (lines, self._bad, self._validation):
            _drop(path, stage, start)
        self._lines = open(lines, "a", encoding="utf-8")  # noqa: SIM115 - open as long as the stage runs
        self._board = SummaryWriter(str(directory / "tensorboard" / stage), purge_step=start)

    def write(self, step: int, values: Mapping[str, float], tokens_per_second: float) -> None:
        """One step's figures: losses by term, rate, gradient norm, speed."""
        line = {"stage": self.stage, "step": step, **values, "tokens_per_second": round(tokens_per_second, 1)}
        self._lines.write(json.dumps(line) + "\n")
        self._lines.flush()
        for name, value in {**values, "tokens_per_second": tokens_per_second}.items():
            self._board.add_scalar(name, value, step)

    def validation(self, step: int, losses: Mapping[str, Mapping[str, float]]) -> None:
        """Held-out losses after a step, by source and term."""
        with open(self._validation, "a", encoding="utf-8") as file:
            file.write(json.dumps({"stage": self.stage, "step": step, "losses": losses}) + "\n")
        for source, terms in losses.items():
            for term, value in terms.items():
                self._board.add_scalar(f"validation {term}/{source}", value, step)

    def bad(self, step: int, samples: Sequence[BadSample]) -> None:
        """List samples that could not be used in a step."""
        if samples:
            with open(self._bad, "a", encoding="utf-8") as file:
                for sample in samples:
                    line = {"stage": self.stage, "step": step, "position": sample.position, "reason": sample.reason}
                    file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        self._lines.close()
        self._board.close()


def _drop(path: Path, stage: str, start: int) -> None:
    """Remove a stage's lines from step ``start`` on, and a torn last line."""
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
    write_atomically(path, "".join(kept))
