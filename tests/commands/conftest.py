"""A finished run at debug size, made once by the command itself, and a way to run commands in this process."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from omma.cli import app

Command = Callable[..., Result]


@pytest.fixture(scope="session")
def command() -> Command:
    """`command("train", "llava-1.5", input="...")` is what the shell would run, without the shell."""

    def run(*arguments: str | Path, input: str | None = None) -> Result:
        return CliRunner(env={"COLUMNS": "160"}).invoke(app, [str(argument) for argument in arguments], input=input)

    return run


@pytest.fixture(scope="session")
def finished_run(command: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run of llava-1.5 at size debug. Not to be changed."""
    directory = tmp_path_factory.mktemp("runs") / "finished"
    result = command("train", "llava-1.5", "--size", "debug", "--out", directory, "workers=0")
    assert result.exit_code == 0, result.output
    return directory


@pytest.fixture
def own_run(finished_run: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to be changed at will."""
    return Path(shutil.copytree(finished_run, tmp_path / "own"))


@pytest.fixture(scope="session")
def one_sentence() -> Callable[[Result], str]:
    """Asserts that a command ended as bad input must: exit code 2, one sentence on stderr, no traceback. The sentence."""

    def check(result: Result) -> str:
        assert result.exit_code == 2, result.output
        assert isinstance(result.exception, SystemExit | None), result.exception
        lines = result.stderr.strip().splitlines()
        assert len(lines) == 1, result.stderr
        assert "Traceback" not in result.output
        for piece in ("omma: ", "expected ", "found "):
            assert piece in lines[0]
        return lines[0]

    return check
