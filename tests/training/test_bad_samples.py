"""Bad samples are counted, listed and skipped up to a limit; then the run stops, and goes on once they are corrected."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from omma.data.sample import Sample, assistant, user
from omma.data.sources import SOURCES, Source
from omma.parts.base import PartConfig
from omma.recipe import Recipe
from omma.training.checkpoint import checkpoints, read_state
from omma.training.loop import TooManyBadSamples, build_mixture
from omma.training.run import read_record, train
from toy_training import ALIGN, log_lines, toy_recipe

RECORDS = 8


def write_data(folder: Path, bad: Collection[int] = ()) -> None:
    """Eight conversations about eight small pictures; the bad ones lack theirs."""
    folder.mkdir(exist_ok=True)
    records = []
    for i in range(RECORDS):
        Image.new("RGB", (20 + i, 20), (30 * i, 0, 0)).save(folder / f"{i}.png")
        said = [{"from": "human", "value": "<image>\nwhich?"}, {"from": "gpt", "value": f"number {i}"}]
        records.append({"id": f"r{i}", "image": f"{i if i not in bad else 'lost'}.png", "conversations": said})
    (folder / "data.json").write_text(json.dumps(records))


def recipe_of(folder: Path, *, workers: int = 0, **stage: Any) -> Recipe:
    source = {"type": "llava-json", "json_file": str(folder / "data.json"), "images": str(folder)}
    align = {**ALIGN, "data": [{"source": source}], "batch": 2, "checkpoint_every": 100, **stage}
    return toy_recipe(stages={"align": align}, workers=workers)


@pytest.mark.parametrize("workers", [0, 1])
def test_skipped_counted_listed(tmp_path: Path, workers: int) -> None:
    write_data(tmp_path / "data", bad=[3])
    run = tmp_path / "run"
    train(recipe_of(tmp_path / "data", workers=workers, bad_samples=0.01), run)
    listed = [json.loads(line) for line in (run / "bad_samples.jsonl").read_text().splitlines()]
    assert len(listed) == 1
    assert listed[0]["stage"] == "align" and listed[0]["step"] == listed[0]["position"] // 2
    assert "record 3" in listed[0]["reason"] and "lost.png" in listed[0]["reason"]
    took = read_record(run)["stages"]["align"]
    assert (took["samples"], took["bad"], took["steps"]) == (RECORDS - 1, 1, 4)
    assert took["seconds"] > 0 and took["peak_memory"] > 2**20


def test_beyond_the_limit_the_run_stops_and_goes_on_when_corrected(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_data(data)
    train(recipe_of(data), tmp_path / "whole")
    write_data(data, bad=range(RECORDS))
    recipe, run = recipe_of(data, bad_samples=0.0), tmp_path / "run"
    with pytest.raises(TooManyBadSamples, match=r"at most 0.0% bad samples, found 2 among 2 .*lost.png.*bad_samples.jsonl"):
        train(recipe, run)
    assert read_record(run)["status"] == "stopped"
    write_data(data)
    train(recipe, run)
    assert log_lines(run) == log_lines(tmp_path / "whole")
    assert (run / "bad_samples.jsonl").read_text() == ""


def test_the_stop_leaves_a_checkpoint_and_a_raised_limit_goes_on_from_it(tmp_path: Path) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    write_data(data)
    mixture = build_mixture(recipe_of(data).stages["align"], 0)
    write_data(data, bad=[mixture.locate(position)[1] for position in (1, 6)])
    with pytest.raises(TooManyBadSamples) as told:
        train(recipe_of(data, bad_samples=0.01), run)
    assert told.value.exit_code == 2
    state = read_state(checkpoints(run)[-1])
    steps = [json.loads(line)["step"] for line in (run / "bad_samples.jsonl").read_text().splitlines()]
    assert steps == [0, 3] and state["step"] == len(log_lines(run)) == 3
    assert state["counters"]["bad"] == 1
    train(recipe_of(data, bad_samples=0.02), run)
    assert [line["step"] for line in log_lines(run)] == [0, 1, 2, 3]
    assert read_record(run)["stages"]["align"]["bad"] == 2


def test_a_step_without_any_good_sample_changes_nothing(tmp_path: Path) -> None:
    write_data(tmp_path / "data", bad=range(RECORDS))
    train(recipe_of(tmp_path / "data", bad_samples=1.0), tmp_path / "run")
    lines = log_lines(tmp_path / "run")
    assert len(lines) == 4 and all("loss" not in line and line["gradient_norm"] == 0 for line in lines)


@SOURCES.register("failing")
class Failing(Source):
    """A source with a programming error."""

    class Config(PartConfig):
        pass

    length = None

    def sample(self, index: int, *, epoch: int = 0) -> Sample:
        if index == 3:
            raise ZeroDivisionError("a programming error")
        return Sample(str(index), (user("one?"), assistant("two")))


@pytest.mark.parametrize("workers", [0, 1])
def test_programming_errors_keep_their_traceback(tmp_path: Path, workers: int) -> None:
    stage = {**ALIGN, "data": [{"source": {"type": "failing"}}], "template": None}
    with pytest.raises(ZeroDivisionError, match="a programming error") as told:
        train(toy_recipe(stages={"align": stage}, workers=workers), tmp_path)
    shown = str(told.value) if workers else str(told.traceback[-1])
    assert "test_bad_samples.py" in shown
