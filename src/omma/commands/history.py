"""What a run's directory tells about its training, in the terms of results.json."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omma.evaluation import CurvePoint, Phase, StageCurve
from omma.recipe import Recipe

_NO_LOSS = {"stage", "step", "rate", "gradient_norm", "tokens_per_second"}
"""Fields of a log line that are not terms of the loss."""


def stage_curves(directory: Path) -> tuple[StageCurve, ...]:
    """The loss curves of a run, stage by stage."""
    points: dict[str, list[CurvePoint]] = {}
    for line in _lines(directory):
        points.setdefault(line["stage"], []).append(
            CurvePoint(
                step=line["step"] + 1,
                loss=sum(value for name, value in line.items() if name not in _NO_LOSS),
                lr=line["rate"],
                tokens_per_second=line["tokens_per_second"],
            )
        )
    return tuple(StageCurve(stage=stage, points=tuple(each)) for stage, each in points.items())


def stage_phases(directory: Path, recipe: Recipe) -> tuple[Phase, ...]:
    """How long every finished stage took."""
    speeds: dict[str, list[float]] = {}
    for line in _lines(directory):
        speeds.setdefault(line["stage"], []).append(line["tokens_per_second"])
    phases = []
    for name in recipe.stages:
        file = directory / "stages" / name / "stage.json"
        if file.is_file():
            seen = speeds.get(name, [])
            speed = sum(seen) / len(seen) if seen else None
            phases.append(Phase(name=name, seconds=json.loads(file.read_text())["seconds"], tokens_per_second=speed))
    return tuple(phases)


def _lines(directory: Path) -> Iterator[Mapping[str, Any]]:
    log = directory / "log.jsonl"
    if not log.is_file():
        return
    with open(log, encoding="utf-8") as file:
        for line in file:
            try:
                yield json.loads(line)
            except ValueError:  # a killed run may leave a torn line, which is written again on resuming
                continue
