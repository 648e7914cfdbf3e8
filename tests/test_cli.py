"""The commands from outside: help, exit codes, and what a recipe that is wrong is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from typer.main import get_command
from typer.testing import CliRunner

from omma import __version__
from omma.cli import app
from omma.recipe import recipe_names

COMMANDS = ("demo", "train", "evaluate", "chat", "draw", "recipes", "show", "compare", "versus", "leaderboard", "import", "export")


def invoke(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "160"}).invoke(app, list(arguments))


def complaint(*arguments: str) -> str:
    """The one sentence that a command with bad input ends with."""
    result = invoke(*arguments)
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit | None), result.exception
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe that is right, for tests to spoil."""
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"base": "llava-1.5", "name": "mine"}))
    return path


def spoiled(path: Path, **fields: object) -> str:
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | fields))
    return str(path)


def test_the_version_is_the_package_s() -> None:
    result = invoke("--version")
    assert (result.exit_code, result.stdout) == (0, f"omma {__version__}\n")


def test_help_names_every_command_and_every_command_has_help() -> None:
    overview = invoke("--help").stdout
    assert list(get_command(app).commands) == list(COMMANDS)  # type: ignore[attr-defined]
    for name in COMMANDS:
        assert f" {name} " in overview
        result = invoke(name, "--help")
        assert result.exit_code == 0
        assert "Usage:" in result.stdout
        if name not in ("demo", "recipes"):
            assert f"omma {name} " in result.stdout, "an example"


def test_without_a_command_there_is_help() -> None:
    assert "train" in invoke().output


def test_help_needs_no_heavy_import() -> None:
    """What makes `omma --help` answer at once."""
    code = "import sys, omma.cli; print([m for m in ('torch', 'transformers', 'numpy', 'PIL') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_unknown_command_or_option_ends_with_2() -> None:
    assert invoke("trian", "llava").exit_code == 2
    assert invoke("train", "llava", "--sise", "small").exit_code == 2


def test_recipes_lists_all_with_their_sizes() -> None:
    listed = invoke("recipes").stdout
    for name in recipe_names():
        assert any(line.split()[0] == name and "debug" in line for line in listed.splitlines() if line.strip())


def test_an_unknown_recipe_is_told_the_near_names() -> None:
    sentence = complaint("train", "llava-15")
    assert "llava-15" in sentence
    assert "did you mean llava-1.5" in sentence


def test_an_unknown_size_is_told_the_sizes() -> None:
    assert "debug, small, paper" in complaint("show", "llava-1.5", "--size", "huge")
    assert "(debug, small)" in complaint("show", "lm-small", "--size", "paper")


@pytest.mark.parametrize("name", ["train", "show"])
def test_an_unknown_part_is_told_all_parts_of_its_kind(name: str, recipe: Path) -> None:
    sentence = complaint(name, spoiled(recipe, model={"projector": {"type": "mpl"}}), "--size", "debug")
    assert "'mpl'" in sentence
    assert "linear, mlp" in sentence


def test_an_unknown_field_is_told_where_it_is_and_what_there_is(recipe: Path) -> None:
    sentence = complaint("train", spoiled(recipe, stages={"align": {"bacth": 3}}), "--size", "debug")
    assert "stages.align.bacth" in sentence
    assert "did you mean batch" in sentence
    assert "checkpoint_every" in sentence


def test_a_field_of_a_part_is_named_too() -> None:
    sentence = complaint("show", "llava-1.5", "--size", "debug", "model.projector.dpeth=3")
    assert "dpeth" in sentence
    assert "did you mean depth" in sentence


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("stages.align.batch=0", "greater than 0"),
        ("stages.align.batch=many", "integer"),
        ("stages.align.precision=fp8", "'auto', 'bf16' or 'fp32'"),
        ("seed", "dotted.field=value"),
        ("size=paper", "--size"),
        ("evaluation.benchmarks.7.world=shapes", "an index below"),
        ("model.template=vicuna", "vicuna-v1"),
    ],
)
def test_an_override_that_does_not_fit_is_told_what_does(override: str, said: str) -> None:
    assert said in complaint("show", "llava-1.5", "--size", "debug", override)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: [", "line"),
        ("- a list", "a mapping"),
        ("base: nothing", "nothing"),
        ("base: llava\nname: x\nsizes: [debug]", "sizes"),
        ("base: llava\nname: x\nsizes: {tiny: {}}", "debug, small, paper"),
    ],
)
def test_a_file_that_is_no_recipe_is_told_why(text: str, said: str, recipe: Path) -> None:
    recipe.write_text(text)
    assert said in complaint("show", str(recipe))


def test_a_recipe_in_other_bytes_than_utf_8(recipe: Path) -> None:
    recipe.write_bytes(b"name: \xff\xfe")
    assert "UTF-8" in complaint("show", str(recipe))


def test_a_recipe_file_that_is_not_there() -> None:
    assert "no such file" in complaint("train", "missing.yaml")
