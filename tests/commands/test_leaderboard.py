"""`omma versus` and `omma leaderboard`: from evaluations to figures and a site, and what ends in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from board.runs import evaluated, items_of
from omma.board.versus import Versus
from omma.evaluation import read_results, write_results

SOURCE = "evaluation.benchmarks=[{source: {type: playground, world: digits, split: fresh, turns: 1, count: 6}}]"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for model in ("oracle", "guesser", "blind-prior"):
        evaluated(model, folder / model, items_of(("digits",), 4))
    return folder


def test_models_are_compared_in_words_and_in_figures(command, runs: Path, tmp_path: Path) -> None:
    result = command("versus", runs, "--out", tmp_path / "versus.json")
    assert result.exit_code == 0, result.output
    found = Versus.model_validate(json.loads((tmp_path / "versus.json").read_text()))
    assert found.models == ("blind-prior", "guesser", "oracle")
    assert found.standings[0].name == "oracle"
    assert "guesser are not resolved: if the difference is the" in result.stdout
    for duel in found.duels:
        assert f"{100 * abs(duel.difference.value):.1f}" in result.stdout


def test_names_that_look_like_markup_are_printed_as_they_are(command, runs: Path) -> None:
    result = command("versus", f"[red]a[/]={runs / 'oracle'}", runs / "guesser")
    assert result.exit_code == 0, result.output
    assert "[red]a[/]" in result.stdout


def test_a_site_is_made_and_made_again(command, runs: Path, tmp_path: Path) -> None:
    for expected in (("3 models", [runs]), ("1 model", [runs / "oracle"])):
        result = command("leaderboard", *expected[1], "--out", tmp_path / "site")
        assert result.exit_code == 0, result.output
        assert f"{expected[0]} on the leaderboard {tmp_path / 'site' / 'index.html'}." in result.stdout
    assert not (tmp_path / "site" / "pairs.html").exists(), "one model has no pairs"
    assert "All pairs" not in (tmp_path / "site" / "index.html").read_text()


def test_pictures_of_data_sets_are_read_on_demand(command, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert command("evaluate", "scripted:yes-sayer", SOURCE, "--out", run).exit_code == 0
    assert read_results(run / "results.json").timing.phases[-1].replies_per_second > 0
    for options, pictures in (((), 0), (("--sources",), 6)):
        result = command("leaderboard", run, "--out", tmp_path / "site", *options)
        assert result.exit_code == 0, result.output
        folder = tmp_path / "site" / "pictures"
        assert (len(list(folder.iterdir())) if folder.is_dir() else 0) == pictures


def test_replies_that_were_known_are_no_speed(command, tmp_path: Path) -> None:
    for expected in (True, False):
        assert command("evaluate", "scripted:yes-sayer", SOURCE, "--out", tmp_path).exit_code == 0
        assert (read_results(tmp_path / "results.json").timing.phases[-1].replies_per_second is not None) == expected


def test_bad_input_is_one_sentence(command, one_sentence, runs: Path, tmp_path: Path) -> None:
    assert "no such directory" in one_sentence(command("versus", tmp_path / "nowhere", runs))
    assert "two or more" in one_sentence(command("versus", runs / "oracle"))
    assert "other files in it" in one_sentence(command("leaderboard", runs, "--out", runs))
    results = read_results(runs / "oracle" / "results.json")
    bad = results.model_copy(update={"run": results.run.model_copy(update={"recipe_yaml": "evaluation: {benchmarks: 7}"})})
    write_results(bad, tmp_path / "bad" / "results.json")
    sentence = one_sentence(command("leaderboard", tmp_path / "bad", "--sources", "--out", tmp_path / "site"))
    assert "evaluation.benchmarks" in sentence and "recipe_yaml" in sentence
    (tmp_path / "file").write_text("")
    assert "versus.json" in one_sentence(command("versus", runs, "--out", tmp_path / "file" / "versus.json"))
