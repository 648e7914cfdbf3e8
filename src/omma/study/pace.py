"""How long a training step takes: what turns a budget in seconds into steps.

Measured by a short training, thrown away, with the data, the workers and the precision of the run itself. Where an encoder is
frozen its features are new in it, as they are the first time through the data.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from omma.errors import BadInput
from omma.recipe import Recipe
from omma.storage import write_atomically
from omma.training.loop import Progress
from omma.training.run import train

FILE = "speed.json"
"""Of a study's directory: by choice and stage, seconds of a step."""

Paces = dict[str, dict[str, float]]


def paces_of(recipe: Recipe, clock: Callable[[], float] = time.monotonic) -> dict[str, float]:
    """By stage: seconds of a step, the median of the later half of them.

    The first steps wait for the data and for memory, and a step now and then is slow; neither says how many fit.

    Args:
        clock: seconds since whenever.

    Raises:
        OmmaError: as `omma.training.run.train`.
    """
    ends: dict[str, list[float]] = defaultdict(list)

    def note(progress: Progress) -> None:
        ends[progress.stage].append(clock())

    with TemporaryDirectory(prefix="omma-pace-") as place:
        train(recipe, Path(place), report=note)
    took = {stage: [later - sooner for sooner, later in pairwise(times)] for stage, times in ends.items()}
    return {stage: median(seconds[len(seconds) // 2 :]) for stage, seconds in took.items()}


def read_paces(out: Path) -> Paces:
    """What was measured for a study before; nothing if nothing was.

    Raises:
        BadInput: if the file is damaged.
    """
    file = out / FILE
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return {choice: {stage: float(pace) for stage, pace in paces.items()} for choice, paces in found.items()}
    except (ValueError, TypeError, AttributeError):
        raise BadInput(
            str(file),
            expected="seconds of a step by choice and stage",
            found="something else",
            remedy="restore the file; without it steps are counted anew, and a run that has begun takes no others",
        ) from None


def write_paces(paces: Paces, out: Path) -> None:
    """Keep what was measured."""
    write_atomically(out / FILE, json.dumps(paces, indent=1) + "\n")
