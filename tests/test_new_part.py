"""The page about a part of one's own, as somebody would follow it: its test passes, and its recipe shows and trains."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "new-part.md"
OMMA = [sys.executable, "-c", "from omma.cli import main; main()"]


def block(language: str, number: int = 0) -> str:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)[number]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The files of the page, installed as far as entry points go."""
    (tmp_path / "pooled.py").write_text(block("python"))
    (tmp_path / "test_pooled.py").write_text(block("python", 1))
    (tmp_path / "mine.yaml").write_text(block("yaml"))
    project = tomllib.loads(block("toml"))["project"]
    installed = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = project["entry-points"].items()
    lines = [line for group, points in groups for line in (f"[{group}]", *(f"{k} = {v}" for k, v in points.items()))]
    (installed / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def run(package: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(arguments, cwd=package, env=environment, capture_output=True, text=True, timeout=300)


def test_file_and_test_are_short() -> None:
    assert len((block("python") + block("python", 1)).splitlines()) < 60


def test_its_test_passes(package: Path) -> None:
    done = run(package, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_pooled.py")
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout + done.stderr


def test_its_recipe_shows_and_trains(package: Path) -> None:
    shown = run(package, *OMMA, "show", "mine.yaml", "--size", "debug")
    assert shown.returncode == 0 and "pooled" in shown.stdout, shown.stderr
    trained = run(package, *OMMA, "train", "mine.yaml", "--size", "debug", "--out", "out")
    assert trained.returncode == 0, trained.stderr
    assert '"type": "pooled"' in (package / "out" / "model" / "config.json").read_text()
    refused = run(package, *OMMA, "show", "mine.yaml", "--size", "debug", "model.projector.factor=3")
    assert refused.returncode == 2 and "a divisor of 4 and 4, found 3" in refused.stderr
