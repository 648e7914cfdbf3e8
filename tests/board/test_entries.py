"""What is read, and what is refused: damaged, made up, or of another version of the data."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import omma.board.entries
from board.runs import evaluated, items_of
from omma.board.entries import read_entries, shown, slug
from omma.errors import BadInput


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("entries")
    for model in ("oracle", "guesser"):
        evaluated(model, folder / model, items_of(("digits",), 2))
    return folder


@pytest.fixture
def runs(originals: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(originals, tmp_path / "runs"))


def changed(file: Path, change: Callable[[Any], object]) -> None:
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))


def test_directories_folders_files_and_names_are_read(runs: Path) -> None:
    assert [entry.name for entry in read_entries([str(runs)])] == ["guesser", "oracle"]
    named = read_entries([f"the best={runs / 'oracle'}", str(runs / "guesser" / "results.json"), str(runs / "guesser")])
    assert [entry.name for entry in named] == ["the best", "guesser"], "the same file counts once"
    assert named[0].data == named[1].data is not None
    assert named[0].replies_per_second == 10.0


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("nowhere", "found no such directory"),
        ("", "found no results.json in it"),
        ("x={runs}", "found 2 of them"),
    ],
)
def test_places_without_results_are_refused(runs: Path, tmp_path: Path, argument: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    place = argument.format(runs=runs) if argument else str(tmp_path / "empty")
    with pytest.raises(BadInput, match=message):
        read_entries([place])


def twice(data: Any) -> None:
    data["items"].append(data["items"][0])


def better(data: Any) -> None:
    data["scores"]["cells"][0]["accuracy"]["value"] = 0.99


def nothing(data: Any) -> None:
    data["items"] = []


def invented_world(data: Any) -> None:
    data["scores"]["cells"].append({**data["scores"]["cells"][0], "world": "a world of its own"})


def too_sure(data: Any) -> None:
    data["items"][0]["sighted"]["confidence"] = 1.5


def for_ever(data: Any) -> None:
    data["timing"]["phases"][0]["seconds"] = "Infinity"


def too_large(data: Any) -> None:
    data["run"]["parameters"] = {"model": 10**400}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (twice, "every item once, found it twice"),
        (better, r"as its replies have, found 0\.9900"),
        (nothing, "questions with replies, found none"),
        (invented_world, "only scores of its items"),
        (too_sure, r"0 to 1, found 1\.5"),
        (for_ever, "finite numbers from 0, found inf"),
        (too_large, "a number of parameters, found one beyond all models"),
    ],
)
def test_results_that_cannot_be_are_refused(runs: Path, change: Callable[[Any], None], message: str) -> None:
    (runs / "guesser" / "predictions.jsonl").unlink()
    changed(runs / "guesser" / "results.json", change)
    with pytest.raises(BadInput, match=message):
        read_entries([str(runs / "guesser")])


def test_files_beyond_all_bounds_are_refused(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (runs / "oracle" / "results.json").write_text("[" * 300_000)
    with pytest.raises(BadInput, match="expected JSON"):
        read_entries([str(runs / "oracle")])
    monkeypatch.setattr(omma.board.entries, "MOST_BYTES", 2**20)
    (runs / "oracle" / "results.json").write_text(" " * (2**20 + 1))
    with pytest.raises(BadInput, match="at most 1 MiB, found 1 MiB"):
        read_entries([str(runs / "oracle")])


def test_another_version_of_the_data_is_refused(runs: Path) -> None:
    (runs / "guesser" / "predictions.jsonl").unlink()
    file = runs / "guesser" / "results.json"
    changed(file, lambda data: data["items"][0].update(question="Which is it?"))
    with pytest.raises(BadInput, match=r"the same version of the data as in .*, with the question .*found 'Which is it\?'; evaluate both|with the question 'Which is it\?', found"):
        read_entries([str(runs)])
    assert len(read_entries([str(runs / "guesser")])) == 1, "alone it may be what it is"


def test_other_pictures_of_the_same_words_are_refused(runs: Path) -> None:
    path = runs / "guesser" / "predictions.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    lines[0] = json.dumps({**json.loads(lines[0]), "items": "0" * 32}) + "\n"
    path.write_text("".join(lines))
    with pytest.raises(BadInput, match=rf"predictions\.jsonl: expected the same version of the data .*\(items {'0' * 32}\), found items"):
        read_entries([str(runs)])


def test_records_of_another_evaluation_are_refused(runs: Path) -> None:
    shutil.copy(runs / "oracle" / "predictions.jsonl", runs / "guesser" / "predictions.jsonl")
    with pytest.raises(BadInput, match=r"predictions\.jsonl, item .*: expected the reply that is in results\.json, found another one"):
        read_entries([str(runs)])
    (runs / "oracle" / "predictions.jsonl").write_text("no records\n")
    with pytest.raises(BadInput, match=r"line 1: expected a header with format 2"):
        read_entries([str(runs / "oracle")])


def test_two_models_of_one_name_are_refused(runs: Path) -> None:
    with pytest.raises(BadInput, match=r"a model with a name of its own, found 'oracle'.*NAME="):
        read_entries([str(runs / "oracle"), f"oracle={runs / 'guesser'}"])


@given(st.text(max_size=200), st.text(max_size=200))
def test_names_become_paths_that_stay_where_they_are_and_differ(one: str, other: str) -> None:
    for name in (one, other):
        assert re.fullmatch(r"[a-z0-9]+([-.][a-z0-9]+)*", slug(name)), slug(name)
        assert not re.search(r"\.[a-z]", slug(name)), "no name ends like a file of the site"
        assert len(slug(name)) < 64
        assert shown(name).isprintable() and len(shown(name)) <= 80
    if one != other:
        assert slug(one) != slug(other)


def test_plain_names_stay_as_they_are() -> None:
    assert slug("llava-1.5-small") == "llava-1.5-small"
    assert re.fullmatch(r"etc-passwd-[0-9a-f]{8}", slug("../../etc/passwd"))
    assert re.fullmatch(r"foo-html-[0-9a-f]{8}", slug("foo.html"))
    assert shown("a\u202eb\n<b>") == "a b <b>"
