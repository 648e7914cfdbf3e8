"""`omma export` and `omma import` from outside; what they write is tested in tests/model/interop."""

from __future__ import annotations

from pathlib import Path


def test_out_and_in_again_answers_the_same(command, finished_run: Path, tmp_path: Path) -> None:
    out = command("export", finished_run, tmp_path / "out", "--to", "transformers")
    assert out.exit_code == 0, out.output
    back = command("import", tmp_path / "out", tmp_path / "back")
    assert back.exit_code == 0, back.output
    said = [command("chat", place, input="Hello there\n").stdout for place in (finished_run, tmp_path / "back")]
    assert said[0] == said[1] != ""


def test_an_unknown_layout_is_told_the_known_one(command, finished_run: Path, tmp_path: Path, one_sentence) -> None:
    assert "transformers" in one_sentence(command("export", finished_run, tmp_path / "out", "--to", "gguf"))


def test_a_taken_directory_is_refused(command, finished_run: Path, tmp_path: Path, one_sentence) -> None:
    (tmp_path / "file").write_text("mine")
    assert "a new or empty directory" in one_sentence(command("export", finished_run, tmp_path))
    assert "config.json" in one_sentence(command("import", tmp_path, tmp_path / "out"))
