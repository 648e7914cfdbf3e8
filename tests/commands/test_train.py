"""`omma train`: a run from nothing, again, elsewhere, interrupted, and on data that is at fault."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from PIL import Image

from omma.commands.progress import Display
from omma.training.loop import Progress

DEBUG = ("--size", "debug", "workers=0")


def test_a_run_says_where_the_model_is_and_what_to_do_with_it(command, tmp_path: Path) -> None:
    result = command("train", "llava-1.5", *DEBUG, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert "stage align: 3/3, loss " in result.stdout
    assert "tokens/s" in result.stdout
    assert f"omma chat {tmp_path / 'run'}" in result.stdout
    assert f"omma evaluate {tmp_path / 'run'}" in result.stdout
    assert (tmp_path / "run" / "model" / "config.json").is_file()


def test_the_default_directory_is_named_after_recipe_and_size(command, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert command("train", "llava", *DEBUG, "stages.align.steps=1", "stages.instruct.steps=1").exit_code == 0
    assert (tmp_path / "runs" / "llava-debug" / "model").is_dir()


def test_a_language_model_alone_is_not_offered_for_chat(command, tmp_path: Path) -> None:
    result = command("train", "lm-small", *DEBUG, "stages.pretrain.steps=1", "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert "omma chat" not in result.stdout


def test_a_finished_run_is_recognised(command, finished_run: Path) -> None:
    before = (finished_run / "log.jsonl").read_text()
    result = command("train", "llava-1.5", *DEBUG, "--out", finished_run)
    assert result.exit_code == 0, result.output
    assert "align is done already" in result.stdout
    assert (finished_run / "log.jsonl").read_text() == before


def test_a_directory_of_another_run_is_refused(command, own_run: Path, one_sentence: Callable[[Result], str]) -> None:
    sentence = one_sentence(command("train", "llava-1.5", *DEBUG, "seed=7", "--out", own_run))
    assert "seed: 7" in sentence


def _llava_json(folder: Path, records: int, missing: int) -> Path:
    Image.new("RGB", (8, 8), "red").save(folder / "there.png")
    turns = [{"from": "human", "value": "<image>\nWhich colour?"}, {"from": "gpt", "value": "red"}]
    data = [
        {"id": str(i), "image": "gone.png" if i < missing else "there.png", "conversations": turns}
        for i in range(records)
    ]
    (folder / "train.json").write_text(json.dumps(data))
    return folder / "train.json"


def _stages(json_file: Path) -> list[str]:
    source = f"{{type: llava-json, json_file: {json_file}, images: {json_file.parent}}}"
    return [f"stages.{stage}.data=[{{source: {source}}}]" for stage in ("align", "instruct")]


def test_a_folder_in_llava_s_json_trains(command, tmp_path: Path) -> None:
    result = command("train", "llava-1.5", *DEBUG, *_stages(_llava_json(tmp_path, 4, 0)), "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output


def test_too_many_missing_pictures_stop_the_run_and_are_listed(command, tmp_path: Path, one_sentence) -> None:
    stages = _stages(_llava_json(tmp_path, 4, 3))
    sentence = one_sentence(command("train", "llava-1.5", *DEBUG, *stages, "--out", tmp_path / "run"))
    assert "bad samples" in sentence
    assert "gone.png" in sentence
    listed = (tmp_path / "run" / "bad_samples.jsonl").read_text().splitlines()
    assert listed
    assert all("gone.png" in json.loads(line)["reason"] for line in listed)


def test_a_data_file_that_is_not_there(command, tmp_path: Path, one_sentence) -> None:
    stages = _stages(tmp_path / "nowhere" / "train.json")
    assert "train.json" in one_sentence(command("train", "llava-1.5", *DEBUG, *stages, "--out", tmp_path / "run"))


def test_a_full_disk_ends_in_one_sentence(command, tmp_path: Path, monkeypatch, one_sentence) -> None:
    def full(self: Display, progress: Progress) -> None:
        raise OSError(28, "No space left on device", "log.jsonl")

    monkeypatch.setattr(Display, "step", full)
    assert "log.jsonl" in one_sentence(command("train", "llava-1.5", *DEBUG, "--out", tmp_path / "run"))


def test_ctrl_c_ends_with_130_and_the_run_goes_on_from_there(command, tmp_path: Path, monkeypatch) -> None:
    out = tmp_path / "run"
    endless = ("train", "llava-1.5", "--size", "debug", "stages.align.steps=100000", "--out", str(out))
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", "from omma.cli import main; main()", *endless],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        give_up = time.monotonic() + 120
        while not list((out / "checkpoints").glob("step-*")):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < give_up
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the worker processes get it too
        _, complaint = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130
    lines = complaint.strip().splitlines()
    assert len(lines) == 1, complaint
    assert "run the same command again" in lines[0]

    reached = int(max(path.name for path in (out / "checkpoints").glob("step-*")).removeprefix("step-"))
    seen: list[int] = []

    def stop(self: Display, progress: Progress) -> None:
        seen.append(progress.step)
        raise KeyboardInterrupt

    monkeypatch.setattr(Display, "step", stop)
    again = command(*endless, "workers=0")
    assert again.exit_code == 130
    assert seen == [reached + 1]
    assert reached >= 1


@pytest.mark.parametrize("broken", ["state.json", "optimizer.safetensors"])
def test_a_broken_checkpoint_is_named(command, tmp_path: Path, monkeypatch, one_sentence, broken: str) -> None:
    out = tmp_path / "run"
    steps = ("stages.align.steps=5", "--out", str(out))

    def stop(self: Display, progress: Progress) -> None:
        if progress.step == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Display, "step", stop)
        assert command("train", "llava-1.5", *DEBUG, *steps).exit_code == 130
    last = max((out / "checkpoints").glob("step-*"))
    (last / broken).write_bytes((last / broken).read_bytes()[:20])
    sentence = one_sentence(command("train", "llava-1.5", *DEBUG, *steps))
    assert broken in sentence


def test_a_name_that_no_hub_gives(command, tmp_path: Path, monkeypatch, one_sentence) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    tokenizer = "model.backbone.tokenizer=nobody/nothing"
    sentence = one_sentence(command("train", "llava-1.5", *DEBUG, tokenizer, "--out", tmp_path / "run"))
    assert "nobody/nothing" in sentence or "hub" in sentence
