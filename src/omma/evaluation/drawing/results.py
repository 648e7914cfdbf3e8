"""drawing.json: how often a model draws what it is asked for, as typed models. Documented in docs/drawing.md."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from omma.errors import BadInput
from omma.evaluation.environment import Environment
from omma.evaluation.intervals import Estimate
from omma.evaluation.records import Record
from omma.storage import write_atomically


class DrawnPrompt(Record):
    """One picture that was asked for."""

    task: str = Field(description='One of GenEval\'s six, or "editing".')
    split: str = Field(description='"fresh", or "compositional" for pairs of colour and shape that training never has.')
    prompt: str = Field(description="What was to be drawn.")
    seed: int = Field(description="Of the picture.")
    passed: bool = Field(description="Whether the picture shows it.")
    found: tuple[str, ...] = Field(description="What was read back from its pixels.")


class TaskScore(Record):
    """The share of a task's prompts that were drawn."""

    task: str = Field(description="As above.")
    split: str = Field(description="As above.")
    prompts: int = Field(description="How many.")
    passed: Estimate = Field(description="Share of them, with its 95 % interval.")


class DrawingResults(Record):
    """Everything that one evaluation of drawing leaves behind, but the pictures, which lie beside it."""

    version: Literal[1] = 1
    model: str = Field(description="Name of the run or model.")
    command: str = Field(description="The command that repeats it.")
    finished: str = Field(description="When it ended: ISO 8601, UTC.")
    omma: str = Field(description="Version of omma.")
    painter: str = Field(description="Name of the way to draw.")
    size: tuple[int, int] = Field(description="Width and height of the pictures.")
    codes: int = Field(description="Of a picture.")
    vocabulary: int = Field(description="How many codes there are.")
    sampling: dict[str, float] = Field(description="guidance, temperature, top_k and top_p.")
    environment: Environment = Field(description="Versions and machine.")
    tasks: tuple[TaskScore, ...] = Field(description="In GenEval's order, fresh before compositional.")
    score: Estimate = Field(description="Mean of the six tasks on fresh prompts, each counting the same: GenEval's score.")
    used: float = Field(description="Share of the vocabulary that occurs in what was drawn now; NaN if nothing was.")
    perplexity: float = Field(description="Of those codes.")
    steps: float | None = Field(description="Steps of a picture; null if none was drawn now.")
    pictures_per_second: float | None = Field(description="Drawn now, painting included; null if none was.")
    prompts: tuple[DrawnPrompt, ...] = Field(description="Every picture.")


def read_drawing_results(path: Path) -> DrawingResults:
    """A drawing.json, checked.

    Raises:
        BadInput: if the file cannot be read, or is none.
    """
    remedy = "repeat the evaluation"
    try:
        return DrawingResults.model_validate_json(path.read_bytes())
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        raise BadInput(str(path), expected="a drawing.json that can be read", found=found, remedy=remedy) from None
    except ValidationError as error:
        first = error.errors()[0]
        found = ".".join(map(str, first["loc"])) or "no JSON"
        raise BadInput(str(path), expected="a drawing.json", found=f"{found}: {first['msg']}", remedy=remedy) from None


def write_drawing_results(results: DrawingResults, path: Path) -> None:
    """Write drawing.json. Raises BadInput if the place cannot be written."""
    write_atomically(path, results.model_dump_json(indent=1) + "\n")
