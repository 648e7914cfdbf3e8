"""`omma compare`: every run trained and measured once, gone on with, and compared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from omma.commands import compare as compare_command
from omma.errors import BadInput, OmmaError
from omma.study.study import TRIAL
from toy_training import ALIGN, toy_recipe

STUDY = """
name: toy
question: Which projector?
base: llava-1.5
size: debug
common:
  workers: 0
  evaluation.conditions: [sighted]
  evaluation.benchmarks: [{world: shapes, pictures: 3, splits: [fresh]}]
seeds: [0]
choices:
  linear: {changes: {model.projector: {type: linear}}}
  shuffled: {changes: {model.projector: {type: pixel-shuffle}}}
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "toy.yaml").write_text(STUDY)
    return tmp_path / "toy.yaml"


def test_a_study_is_run_once_and_compared(command, study: Path, tmp_path: Path, monkeypatch) -> None:
    called: list[list[str]] = []

    def here(arguments, log, device, *, alone) -> None:
        called.append(arguments[:1])
        result = command(*arguments)
        assert result.exit_code == 0, result.output

    monkeypatch.setattr(compare_command, "_call", here)
    out = tmp_path / "out"
    result = command("compare", study, "--out", out)
    assert result.exit_code == 0, result.output
    assert called == [["train"], ["evaluate"]] * 2
    found = json.loads((out / "comparison.json").read_text())
    assert [choice["name"] for choice in found["choices"]] == ["linear", "shuffled"]
    assert [choice["tokens"] for choice in found["choices"]] == [16, 4]
    assert "Which projector?" in (out / "comparison.html").read_text()
    assert "comparison.html" in result.stdout and "linear" in result.stdout
    again = command("compare", study, "--out", out)
    assert again.exit_code == 0, again.output
    assert len(called) == 4 and "0 of 2 runs to do" in again.stdout


def test_runs_of_other_processes_are_left_to_them(command, study: Path, tmp_path: Path, monkeypatch) -> None:
    """Two processes share a study: a run that one has begun, the other passes over, and the page waits for the last."""
    called: list[str] = []

    def here(arguments, log, device, *, alone) -> None:
        called.append(arguments[0])
        result = command(*arguments)
        assert result.exit_code == 0, result.output

    monkeypatch.setattr(compare_command, "_call", here)
    out = tmp_path / "out"
    (out / "linear").mkdir(parents=True)
    hold = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, out / "linear" / "seed-0.lock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        result = command("compare", study, "--out", out)
        other.communicate("\n")
    assert result.exit_code == 0, result.output
    assert called == ["train", "evaluate"]
    assert "Other processes have linear with seed 0; when they are done, the same command compares." in result.stdout
    assert not (out / "comparison.json").exists() and (out / "shuffled" / "seed-0" / "results.json").is_file()
    again = command("compare", study, "--out", out)
    assert again.exit_code == 0, again.output
    assert called == ["train", "evaluate"] * 2 and (out / "comparison.json").is_file()


def test_a_peer_is_asked_what_the_choices_were(command, study: Path, tmp_path: Path, monkeypatch) -> None:
    study.write_text(STUDY + "peers: {all-knowing: {model: 'scripted:oracle'}}\n")
    called: list[str] = []

    def here(arguments, log, device, *, alone) -> None:
        called.append(" ".join(arguments[:2]))
        result = command(*arguments)
        assert result.exit_code == 0, result.output

    monkeypatch.setattr(compare_command, "_call", here)
    result = command("compare", study, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert called[-1] == "evaluate scripted:oracle"
    found = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert (found["choices"][-1]["name"], found["choices"][-1]["accuracy"]["value"]) == ("all-knowing", 1.0)
    assert command("compare", study, "--out", tmp_path / "out").exit_code == 0
    assert len(called) == 5


def test_seconds_become_steps_that_are_measured_once(command, study: Path, tmp_path: Path, monkeypatch) -> None:
    study.write_text(STUDY.replace("choices:", "budget: {align: {seconds: 1}}\nchoices:").replace("[0]", "[0, 1]"))
    tried: list[str] = []

    def trained(arguments, log, device, *, alone) -> None:
        result = command(*arguments)
        assert result.exit_code == 0, result.output

    def paces(trial) -> dict[str, float]:
        assert {name: stage.steps for name, stage in trial.stages.items()} == {"align": TRIAL}
        tried.append(trial.name)
        return {"align": 0.45}

    monkeypatch.setattr(compare_command, "_call", trained)
    monkeypatch.setattr(compare_command, "_paces_of", paces)
    out = tmp_path / "out"
    out.mkdir()
    (out / "speed.json").write_text('{"linear": {"align": 0.3}}')
    result = command("compare", study, "--out", out)
    assert result.exit_code == 0, result.output
    assert tried == ["toy-shuffled"] and "shuffled has time for 2 steps of align, 0.45 s each." in result.stdout
    assert json.loads((out / "speed.json").read_text()) == {"linear": {"align": 0.3}, "shuffled": {"align": 0.45}}
    found = json.loads((out / "comparison.json").read_text())
    steps = [{name: cost["steps"] for name, cost in choice["stages"].items()} for choice in found["choices"]]
    assert steps == [{"align": 3, "instruct": 3}, {"align": 2, "instruct": 3}]
    for choice, expected in (("linear", 3), ("shuffled", 2)):
        for seed in (0, 1):
            lines = (out / choice / f"seed-{seed}" / "log.jsonl").read_text().splitlines()
            assert sum(json.loads(line)["stage"] == "align" for line in lines) == expected
    assert command("compare", study, "--out", out).exit_code == 0 and tried == ["toy-shuffled"]


def test_a_pace_is_measured_in_a_process_of_its_own() -> None:
    paces = compare_command._paces_of(toy_recipe(workers=1))
    assert set(paces) == {"align", "instruct"} and all(0 < pace < 60 for pace in paces.values())
    with pytest.raises(BadInput, match="matches none of"):
        compare_command._paces_of(toy_recipe(stages={"align": {**ALIGN, "learn": [{"pattern": "no.*", "rate": 1}]}}))


def test_worlds_and_words_are_compared_in_groups(command, study: Path, tmp_path: Path, monkeypatch) -> None:
    questions = "[{world: shapes, pictures: 3, splits: [fresh]}, {world: language, pictures: 3, splits: [fresh]}, " \
        "{source: {type: playground, world: shapes, task: words, turns: 1, split: fresh, count: 3}}]"  # fmt: skip
    text = STUDY.replace("[{world: shapes, pictures: 3, splits: [fresh]}]", questions)
    study.write_text(text + "groups: {seen: [shapes], told: [language, shapes in words]}\nranked_by: seen\nbefore: linear\n")
    monkeypatch.setattr(compare_command, "_call", lambda arguments, log, device, *, alone: command(*arguments))
    result = command("compare", study, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert set(found["choices"][0]["cells"]) == {"shapes, fresh", "language, fresh", "shapes in words, fresh"}
    assert (found["pictures"], found["texts"]) == (3, 6)
    assert [choice["tokens"] for choice in found["choices"]] == [16, 4], "words take no image tokens"
    assert set(found["choices"][1]["changes"]) == {"seen", "told"}
    page = (tmp_path / "out" / "comparison.html").read_text()
    assert "Told, against linear" in page and "<b>3</b> pictures and <b>6</b> texts" in page
    for column in ("seen %", "told %", "against linear"):
        assert column in result.stdout


def test_groups_are_checked_before_anything_is_trained(command, study: Path, tmp_path: Path, monkeypatch, one_sentence) -> None:
    study.write_text(STUDY + "groups: {seen: [shapes, trains]}\nranked_by: seen\n")
    monkeypatch.setattr(compare_command, "_call", lambda *arguments, **more: pytest.fail("trained"))
    said = one_sentence(command("compare", study, "--out", tmp_path / "out"))
    assert "study toy, groups.seen: expected worlds that are asked about (shapes), found trains" in said


def test_a_failing_run_is_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(
        compare_command, "OMMA", (sys.executable, "-c", "import sys; print('no'); sys.exit(int(sys.argv[1]))")
    )
    log = tmp_path / "log"
    compare_command._call(["0"], log, None, alone=False)
    assert log.read_text() == "no\n"
    with pytest.raises(OmmaError, match="omma 2: expected it to finish, found that it failed"):
        compare_command._call(["2"], log, None, alone=False)
    with pytest.raises(KeyboardInterrupt, match="To go on, run the same command again"):
        compare_command._call(["130"], log, None, alone=True)


def test_every_training_gets_its_own_accelerator(tmp_path: Path, monkeypatch) -> None:
    code = "import os; print(os.environ.get('CUDA_VISIBLE_DEVICES'))"
    monkeypatch.setattr(compare_command, "OMMA", (sys.executable, "-c", code))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    log = tmp_path / "log"
    compare_command._call([], log, 1, alone=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    compare_command._call([], log, 1, alone=False)
    compare_command._call([], log, None, alone=False)
    assert log.read_text().split() == ["1", "7", "4,7"]


def test_a_recipe_without_questions_is_refused(command, study: Path, tmp_path: Path, one_sentence) -> None:
    study.write_text(STUDY.replace("[{world: shapes, pictures: 3, splits: [fresh]}]", "[]"))
    said = one_sentence(command("compare", study, "--out", tmp_path / "out"))
    assert "study toy, linear: expected a model that answers about pictures" in said


def test_what_is_drawn_is_compared(command, study: Path, tmp_path: Path, monkeypatch) -> None:
    """Each choice begins with a recipe that draws in another way; a run is done when its drawings are judged."""
    pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")
    study.write_text(
        "name: toy\nquestion: Which way to draw?\nbase: var\nsize: debug\nseeds: [0]\n"
        "common:\n  workers: 0\n  evaluation.conditions: [sighted]\n"
        "  evaluation.benchmarks: [{world: shapes, pictures: 2, splits: [fresh]}]\n  evaluation.drawing: {prompts: 2, edits: 0}\n"
        "budget: {tokenize: {steps: 1}, draw: {steps: 1}}\ngroups: {drawn: [drawing], seen: [shapes]}\nranked_by: drawn\n"
        "choices: {scales: {}, raster: {base: llamagen}}\n"
    )
    called: list[str] = []

    def here(arguments, log, device, *, alone) -> None:
        called.append(arguments[0])
        result = command(*arguments)
        assert result.exit_code == 0, result.output

    monkeypatch.setattr(compare_command, "_call", here)
    out = tmp_path / "out"
    result = command("compare", study, "--out", out)
    assert result.exit_code == 0, result.output
    found = json.loads((out / "comparison.json").read_text())
    assert [choice["picture_steps"] for choice in found["choices"]] == [4, 64]
    assert set(found["choices"][0]["cells"]) == {"shapes, fresh", "drawing, fresh", "drawing new pairs, compositional"}
    page = (out / "comparison.html").read_text()
    assert page.count("As asked for") + page.count("Not as asked for") == 2 * 6 * 2 and "drawn %" in result.stdout
    (out / "raster" / "seed-0" / "drawing.json").unlink()
    again = command("compare", study, "--out", out)
    assert again.exit_code == 0, again.output
    assert "1 of 2 runs to do" in again.stdout and called == ["train", "evaluate"] * 3
