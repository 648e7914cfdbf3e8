"""`omma evaluate` of what is no model of omma's: scripted ones, endpoints, any of `transformers`."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluation.models.fake_server import FakeServer
from omma.commands.under_test import under_test, weights_digest
from omma.evaluation import read_results
from omma.recipe import EvaluationRecipe

FEW = ("evaluation.benchmarks=[{world: shapes, pictures: 3, splits: [fresh]}]",)


def test_the_oracle(command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = command("evaluate", "scripted:oracle", *FEW)
    assert result.exit_code == 0, result.output
    results = read_results(tmp_path / "runs" / "evaluate-scripted-oracle" / "results.json")
    (cell,) = (cell for cell in results.scores.cells if cell.kind is None)
    assert cell.accuracy.value == 1.0 and cell.gain is not None and cell.gain.value == 1.0
    assert results.run.parameters == {}
    assert (tmp_path / "runs" / "evaluate-scripted-oracle" / "report.html").is_file()


def test_an_endpoint_that_fails_at_first(command, tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="openai is not installed")
    with FakeServer() as server:
        plain = server.handle
        down = True

        def sometimes(to, body) -> None:
            number = len(server.requests)
            if down and number % 3 == 0:
                body["messages"][-1]["content"].append({"type": "text", "text": "[400]"})
            plain(to, body)

        server.handle = sometimes  # type: ignore[method-assign]
        ask = (
            "evaluate", "openai:fake", *FEW, "--out", tmp_path / "out", "--replies", tmp_path / "replies.sqlite",
            "--with", f"url={server.url}/v1", "--with", "concurrency=1",
        )  # fmt: skip
        result = command(*ask)
        assert result.exit_code == 0, result.output
        results = read_results(tmp_path / "out" / "results.json")
        asked = len(server.requests)
        assert not results.scores.complete
        assert "these are not the model's scores yet. Run the same command again" in result.stdout
        assert f"{asked:,} questions in {asked:,} requests" in result.stdout
        lost = [item for item in results.items if item.sighted.finish == "failed"]
        assert lost and all("status 400" in item.sighted.error for item in lost)
        down = False
        assert command(*ask).exit_code == 0
        again = read_results(tmp_path / "out" / "results.json")
        assert again.scores.complete and all(item.sighted.finish == "stop" for item in again.items)
        assert len(server.requests) < asked * 1.5, "what was answered was asked again"


def test_any_model_of_transformers_is_omma_s_own_too(command, finished_run: Path, tmp_path: Path) -> None:
    for name, model in (("own", finished_run / "model"), ("any", f"transformers:{finished_run / 'model'}")):
        result = command("evaluate", model, *FEW, "--recipe", "llava-1.5", "--size", "debug", "--out", tmp_path / name)
        assert result.exit_code == 0, result.output
    own, other = ([item.sighted.text for item in read_results(tmp_path / name / "results.json").items] for name in ("own", "any"))
    assert own == other


def test_a_directory_with_other_weights_is_another_model(finished_run: Path) -> None:
    """Or replies of what lay there before would be taken for its own."""
    directory = finished_run / "model"
    found = under_test(f"transformers:{directory}", [], EvaluationRecipe(), {}, None)
    assert weights_digest(directory) in found.identity


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("scripted:orakel",), "did you mean oracle"),
        (("scripted:oracle", "--with", "url=x"), "model scripted:oracle, setting url"),
        (("openai:x", "--with", "concurency=3"), "did you mean concurrency"),
        (("openai:x", "--with", "concurrency=none"), "model openai:x field concurrency: expected a valid integer"),
        (("openai:x", "--with", "concurrency"), "--with: expected key=value, found 'concurrency'"),
        (("openai:x",), "OPENAI_API_KEY"),
        (("gemini:x",), "GEMINI_API_KEY"),
        (("transformers:/nowhere",), "transformers:/nowhere"),
    ],
)
def test_bad_input(command, one_sentence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert said in one_sentence(command("evaluate", *arguments, *FEW, "--replies", tmp_path / "replies.sqlite"))
