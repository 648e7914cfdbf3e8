"""What a model drew, as a study compares it: every prompt is a question, whose answer is right if the picture shows what it says.

Prompts of the split *compositional*, with pairs of colour and shape that training never has, are a world of their own: GenEval's
score is of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from omma.evaluation.drawing.evaluate import Asked, asked_for
from omma.evaluation.drawing.prompts import Prompt
from omma.evaluation.drawing.results import DrawingResults
from omma.evaluation.judgement import ItemResult, Reply
from omma.evaluation.report.pictures import data_uri
from omma.recipe import DrawingRecipe
from omma.study.study import Study, StudyRun

A_TASK = 2
"""Prompts of each task that are shown."""
SIDE = 128
"""Longest side of their pictures in pixels."""


def world_of(task: str, split: str) -> str:
    """Under which name a study has what was asked for."""
    what = "editing" if task == "editing" else "drawing"
    return what if split == "fresh" else f"{what} new pairs"


def drawn_kinds(settings: DrawingRecipe) -> set[tuple[str, str]]:
    """Worlds and kinds of all that will be asked for."""
    asked = asked_for(settings.prompts, settings.edits)
    return {(world_of(one.prompt.task, one.split), one.prompt.task) for one in asked}


def drawn_items(results: DrawingResults) -> tuple[ItemResult, ...]:
    """Every prompt with what was read back from its picture."""
    items = []
    for one in results.prompts:
        name = f"{world_of(one.task, one.split)}/{one.task}/{one.seed}"
        reply = Reply(text="; ".join(one.found), right=one.passed)
        items.append(
            ItemResult(
                id=name, world=world_of(one.task, one.split), split=one.split, kind=one.task, cluster=name, pictures=0,
                question=one.prompt, answer="", sighted=reply, blind=None, swapped=None,
            )
        )  # fmt: skip
    return tuple(items)


@dataclass(frozen=True, slots=True)
class Row:
    """One prompt, as every choice drew it with the first seed."""

    task: str
    prompt: str
    pictures: Mapping[str, str]
    passed: Mapping[str, bool]


def gallery(
    study: Study,
    drawn: Mapping[StudyRun, DrawingResults],
    settings: DrawingRecipe,
    load: Callable[[StudyRun, str], Image.Image],
) -> list[Row]:
    """The first prompts of every task, drawn by all choices.

    Args:
        drawn: of every run.
        load: from a run and the name of a file to the picture.
    """
    runs = [StudyRun(choice, study.seeds[0]) for choice in study.choices]
    passed = {run: {(one.task, one.split, one.seed): one.passed for one in drawn[run].prompts} for run in runs}
    rows = []
    for asked in _first(asked_for(settings.prompts, settings.edits)):
        key = (asked.prompt.task, asked.split, asked.number)
        rows.append(
            Row(
                asked.prompt.task,
                asked.prompt.text,
                {run.choice: data_uri(load(run, asked.file), SIDE) for run in runs},
                {run.choice: passed[run][key] for run in runs},
            )
        )
    return rows


def _first(asked: Sequence[Asked]) -> list[Asked]:
    return [one for one in asked if one.split == "fresh" and one.number < A_TASK and isinstance(one.prompt, Prompt)]
