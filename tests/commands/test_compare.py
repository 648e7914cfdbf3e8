"""`omma compare`: every run trained and measured once, gone on with, and compared."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from omma.commands import compare as compare_command
from omma.errors import OmmaError

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
