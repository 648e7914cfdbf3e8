"""Evaluating what is drawn: an oracle and a blank sheet, what was interrupted, and what was drawn otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from evaluation.drawing.test_prompts import painted
from omma.data.playground.shapes_drawing import draw_picture
from omma.data.sample import user
from omma.errors import BadInput
from omma.evaluation.drawing.edits import EDITING, EditPrompt
from omma.evaluation.drawing.evaluate import Drawn, asked_for, draw_all, judge, task_scores
from omma.evaluation.drawing.prompts import COLORED, TASKS, Prompt
from omma.parts.painters.base import Sampling
from omma.parts.tokenizers.base import NO_CODE

COUNT = 3


class Scripted:
    """Draws what it is told to, and counts."""

    batch = 5

    def __init__(self, draw: Any) -> None:
        self.make, self.drawn = draw, 0

    def draw(self, conversations: Sequence[Any], *, seeds: Sequence[int], sampling: Sampling, watch: Any) -> list[Image.Image]:
        assert [len(conversations)] == [len(seeds)]
        for step in (1, 2):
            watch(0, torch.full((len(seeds), step), 3))
        self.drawn += len(seeds)
        return [self.make(turns[0].text) for turns in conversations]


def oracle() -> Scripted:
    pictures = {one.prompt.text: draw_picture(painted(one.prompt)) for one in asked_for(COUNT)}
    return Scripted(pictures.__getitem__)


def run(drawer: Any, folder: Path, identity: str = "model", sampling: Sampling | None = None) -> tuple[Drawn, Any, Any]:
    asked = asked_for(COUNT)
    drawn = draw_all(
        drawer, asked, folder, identity=identity, sampling=sampling or Sampling(), turns_of=lambda one: (user(one.prompt.text),)
    )
    return drawn, *task_scores(judge(asked, folder))


def test_an_oracle_draws_everything_and_a_blank_sheet_nothing(tmp_path: Path) -> None:
    drawn, tasks, score = run(oracle(), tmp_path / "oracle")
    assert [(one.task, one.split) for one in tasks] == [
        *((task, "fresh") for task in TASKS), *((task, "compositional") for task in COLORED)
    ]  # fmt: skip
    assert score.value == 1.0 and {one.passed.value for one in tasks} == {1.0} and {one.prompts for one in tasks} == {COUNT}
    assert 0 < score.low < 1
    assert drawn.pictures == COUNT * 8 and drawn.steps == 2 * drawn.pictures
    assert drawn.use(8) == (1 / 8, 1.0)
    _, tasks, score = run(Scripted(lambda text: Image.new("RGB", (64, 64), "white")), tmp_path / "blank")
    assert score.value == 0.0 and {one.passed.value for one in tasks} == {0.0}


def test_codes_that_a_picture_lacks_are_not_counted(tmp_path: Path) -> None:
    class Ends(Scripted):
        def draw(self, conversations: Sequence[Any], *, seeds: Sequence[int], sampling: Sampling, watch: Any) -> list[Image.Image]:
            watch(0, torch.tensor([[1, 2, NO_CODE], [1, NO_CODE, NO_CODE]])[: len(seeds)])
            return [self.make(turns[0].text) for turns in conversations]

    drawer = Ends(lambda text: Image.new("RGB", (64, 64), "white"))
    drawer.batch = 2
    drawn, *_ = run(drawer, tmp_path)
    assert sorted(set(drawn.codes[0].tolist())) == [1, 2] and drawn.use(8)[0] == 2 / 8


def test_what_was_interrupted_goes_on_where_it_was(tmp_path: Path) -> None:
    whole = run(oracle(), tmp_path)[1:]
    for name in ("counting-fresh-1.png", "colors-compositional-0.png"):
        (tmp_path / name).unlink()
    again = oracle()
    drawn, *scores = run(again, tmp_path)
    assert again.drawn == 2 == drawn.pictures and tuple(scores) == whole
    nothing, *scores = run(again, tmp_path)
    assert again.drawn == 2 and nothing.pictures == 0 and tuple(scores) == whole
    assert nothing.use(8)[0] != nothing.use(8)[0]


@pytest.mark.parametrize("other", [{"identity": "another"}, {"sampling": Sampling(guidance=1.0)}])
def test_pictures_of_another_model_or_drawn_otherwise_are_not_taken(tmp_path: Path, other: Any) -> None:
    run(oracle(), tmp_path)
    again = oracle()
    run(again, tmp_path, **other)
    assert again.drawn == COUNT * 8


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(BadInput, match=r"a new folder, or one of pictures that omma evaluate drew, found other files"):
        run(oracle(), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_edits_pass_if_all_else_stays_and_are_no_part_of_the_score(tmp_path: Path) -> None:
    asked = asked_for(1, edits=8)
    edits = [one for one in asked if isinstance(one.prompt, EditPrompt)]
    assert [(one.split, one.number) for one in edits] == [(split, i) for split in ("fresh", "compositional") for i in range(8)]
    for name, picture_of, share in (("after", "after", 1.0), ("before", "before", 0.0)):
        pictures = [
            draw_picture(painted(one.prompt)) if isinstance(one.prompt, Prompt) else getattr(one.prompt, picture_of).load()
            for one in asked
        ]
        waiting = iter(pictures)
        drawer: Any = Scripted(lambda text, waiting=waiting: next(waiting))
        draw_all(drawer, asked, tmp_path / name, identity="m", sampling=Sampling(), turns_of=lambda one: (user("x"),))
        tasks, score = task_scores(judge(asked, tmp_path / name))
        assert {(one.task, one.split): one.passed.value for one in tasks if one.task == EDITING} == {
            (EDITING, "fresh"): share, (EDITING, "compositional"): share
        }  # fmt: skip
        assert score.value == 1.0
