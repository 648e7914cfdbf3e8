"""What a run's directory tells about its training, in the terms of results.json."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omma.evaluation import CurvePoint, Phase, StageCurve
from omma.training.run import read_record

_NO_LOSS = {"stage", "step", "rate", "gradient_norm", "tokens_per_second"}
"""Fields of a log line that are not terms of the loss."""


def stage_curves(directory: Path) -> tuple[StageCurve, ...]:
    """The loss curves of a run, stage by stage.

    Where the loss has several terms, each has a curve, named "stage: term". They are not added up: the log holds the mean
    of each as it is, and only the objective knows the coefficients.
    """
    points: dict[str, dict[str, list[CurvePoint]]] = {}
    for line in _lines(directory):
        terms = points.setdefault(line["stage"], {})
        for term in (name for name in line if name not in _NO_LOSS):
            terms.setdefault(term, []).append(
                CurvePoint(
                    step=line["step"] + 1,
                    loss=line[term],
                    lr=line["rate"],
                    tokens_per_second=line["tokens_per_second"],
                )
            )
    return tuple(
        StageCurve(stage=stage if len(terms) == 1 else f"{stage}: {term}", points=tuple(each))
        for stage, terms in points.items()
        for term, each in terms.items()
    )


def stage_phases(directory: Path) -> tuple[Phase, ...]:
    """How long every finished stage took, interruptions left out."""
    return tuple(
        Phase(
            name=name,
            seconds=took["seconds"],
            tokens_per_second=took["tokens"] / took["seconds"],
            images_per_second=took["images"] / took["seconds"] if took["images"] else None,
        )
        for name, took in read_record(directory).get("stages", {}).items()
    )


def peak_of_training(directory: Path) -> int:
    """Most bytes that a finished stage used; 0 if there is none."""
    return max((took["peak_memory"] for took in read_record(directory).get("stages", {}).values()), default=0)


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
