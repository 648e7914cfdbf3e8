"""results.json: everything that one run leaves behind, as typed models. Documented in docs/results.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from omma.errors import BadInput
from omma.evaluation.environment import Environment
from omma.evaluation.judgement import ItemResult
from omma.evaluation.records import Record
from omma.evaluation.scores import Scores
from omma.storage import write_atomically

SCHEMA_VERSION: Literal[2] = 2


class Run(Record):
    """Which run it was and how to repeat it."""

    name: str = Field(description="Name of the run.")
    recipe: str = Field(description="Name of the recipe.")
    size: str = Field(description='Size of the recipe: "debug", "small" or "paper".')
    seeds: dict[str, int] = Field(description='Every seed by what it seeds ("training", "evaluation", ...).')
    version: str = Field(description="Version of omma.")
    commit: str | None = Field(default=None, description="Commit of the source, if it came from a repository.")
    command: str = Field(description="The command that repeats the run.")
    finished: str = Field(description="When it ended: ISO 8601, UTC.")
    parameters: dict[str, int] = Field(
        default_factory=dict, description="Number of parameters of each part of the model by the part's name."
    )
    recipe_yaml: str = Field(description="The complete recipe as it was run, overrides included.")


class Phase(Record):
    """One phase of the run and how fast it went."""

    name: str = Field(description='"data", a stage\'s name, "evaluation", ...')
    seconds: float = Field(description="Wall-clock time.", ge=0)
    tokens_per_second: float | None = Field(default=None, description="Mean over the phase; null where it has none.")
    images_per_second: float | None = Field(default=None, description="Mean over the phase; null where it has none.")
    replies_per_second: float | None = Field(
        default=None,
        description="Replies that were given anew, per second; null where there were none. Those known from an interrupted "
        "evaluation take no time, and do not count.",
        ge=0,
    )


class Timing(Record):
    """How long each phase took, and the peak memory."""

    phases: tuple[Phase, ...] = Field(description="In order.")
    peak_memory_bytes: int | None = Field(
        default=None, description="Highest resident memory of the process, or of the accelerator where one was used."
    )


class CurvePoint(Record):
    """One logged step of training."""

    step: int = Field(description="Optimizer step, from 1, within the stage.", ge=0)
    loss: float = Field(description='Training loss (nats per learned token for text); "NaN" if it was.')
    lr: float = Field(description="Learning rate of the step (of the first parameter group).")
    tokens_per_second: float | None = Field(default=None, description="Speed of the step; null if not measured.")


class StageCurve(Record):
    """How one stage of training went."""

    stage: str = Field(description="Name of the stage; with several terms of the loss, also of the term.")
    points: tuple[CurvePoint, ...] = Field(description="In order of steps.")


class Results(Record):
    """The whole of results.json."""

    schema_version: Literal[2] = Field(default=SCHEMA_VERSION, description="Version of this format.")
    run: Run = Field(description="What was run.")
    environment: Environment = Field(description="What it ran on.")
    timing: Timing = Field(description="Speed and memory.")
    curves: tuple[StageCurve, ...] = Field(description="How training went, one per stage and term of its loss.")
    scores: Scores = Field(description="The numbers, computed from the items.")
    items: tuple[ItemResult, ...] = Field(description="Every question with the replies to it.")


def write_results(results: Results, path: Path) -> None:
    """Writes results.json, whole or not at all.

    Raises:
        BadInput: if the place cannot be written; an older file stays as it was.
    """
    write_atomically(path, (results.model_dump_json(indent=1) + "\n").encode())


def read_results(path: Path) -> Results:
    """A results.json, checked.

    Raises:
        BadInput: if the file cannot be read, is no JSON, has another schema version, or a field is not what it should be.
    """
    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BadInput(
            str(path), expected="a results.json that can be read", found=reason, remedy="name another file"
        ) from None
    except (ValueError, RecursionError) as error:
        raise BadInput(
            str(path), expected="JSON", found=f"{error}", remedy="write it again by repeating the evaluation"
        ) from None
    version = data.get("schema_version") if isinstance(data, dict) else None
    if version != SCHEMA_VERSION:
        raise BadInput(
            f"{path}, field schema_version",
            expected=str(SCHEMA_VERSION),
            found=repr(version),
            remedy="read it with the omma version that wrote it, or repeat the evaluation",
        )
    try:
        return Results.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        found = "nothing" if first["type"] == "missing" else repr(first["input"])
        raise BadInput(
            f"{path}, field {'.'.join(map(str, first['loc']))}",
            expected=first["msg"][0].lower() + first["msg"][1:],
            found=found if len(found) < 120 else f"{found[:117]}...",
            remedy="write it again by repeating the evaluation",
        ) from None


def results_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of results.json, for readers in other languages."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Results.model_json_schema(mode="serialization"),
    }
