"""`omma evaluate` and `omma demo`: results, report, and models that are at fault."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from evaluation.benchmarks.published import docvqa, pope
from omma.commands.evaluate import benchmark_items
from omma.commands.under_test import weights_digest
from omma.evaluation import read_results
from omma.recipe import Benchmark, load_recipe
from omma.training.run import open_run

FEW = ("evaluation.benchmarks=[{world: shapes, pictures: 2}, {world: charts, pictures: 2, splits: [fresh]}]",)


def test_a_run_is_measured_by_its_own_recipe(command, own_run: Path) -> None:
    result = command("evaluate", own_run)
    assert result.exit_code == 0, result.output
    results = read_results(own_run / "results.json")
    worlds = {benchmark.world for benchmark in open_run(own_run).evaluation.benchmarks}
    assert {item.world for item in results.items} == worlds
    assert all(item.sighted.text is not None and item.blind is not None for item in results.items)
    assert [curve.stage for curve in results.curves] == ["align", "instruct"]
    assert [point.step for point in results.curves[0].points] == [1, 2, 3]
    assert [phase.name for phase in results.timing.phases] == ["align", "instruct", "evaluation"]
    assert results.timing.phases[0].tokens_per_second > 0
    assert set(results.run.parameters) == {"encoder", "projector", "language_model"}
    assert results.run.seeds == {"training": 0, "evaluation": 0}
    page = (own_run / "report.html").read_text()
    assert "data:image/png" in page
    for world in worlds:
        assert world in result.stdout


def test_a_bare_model_is_measured_by_any_recipe(command, finished_run: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished_run / "model", tmp_path / "bare")
    result = command("evaluate", "bare", *FEW, "--recipe", "llava-1.5", "--size", "debug")
    assert result.exit_code == 0, result.output
    results = read_results(tmp_path / "runs" / "evaluate-bare" / "results.json")
    assert {(item.world, item.split) for item in results.items} == {
        ("shapes", "fresh"), ("shapes", "compositional"), ("charts", "fresh"),
    }  # fmt: skip
    assert results.curves == ()
    assert results.run.seeds == {"evaluation": 0}


def test_replies_are_kept_and_not_asked_again(command, own_run: Path, tmp_path: Path, monkeypatch) -> None:
    ask = ("evaluate", own_run, *FEW, "--out", tmp_path / "out")
    assert command(*ask).exit_code == 0
    first = (tmp_path / "out" / "predictions.jsonl").read_bytes()

    def never(*arguments: object) -> list[str]:
        raise AssertionError("a question was asked twice")

    monkeypatch.setattr("omma.model.answering.ModelAnswerer.answer", never)
    assert command(*ask).exit_code == 0
    assert (tmp_path / "out" / "predictions.jsonl").read_bytes() == first


def test_the_digest_tells_models_apart(own_run: Path, finished_run: Path) -> None:
    assert weights_digest(own_run / "model") == weights_digest(finished_run / "model")
    data = bytearray((own_run / "model" / "projector.safetensors").read_bytes())
    data[-1] ^= 1
    (own_run / "model" / "projector.safetensors").write_bytes(data)
    assert weights_digest(own_run / "model") != weights_digest(finished_run / "model")


def test_a_seed_asks_about_scenes_of_its_own(command, own_run: Path, tmp_path: Path) -> None:
    """Others than any other seed's, the same each time, named in the results."""
    found = {}
    for name, seed in (("first", 0), ("anew", 7), ("again", 7)):
        result = command("evaluate", own_run, *FEW, f"evaluation.seed={seed}", "--out", tmp_path / name)
        assert result.exit_code == 0, result.output
        results = read_results(tmp_path / name / "results.json")
        assert results.run.seeds["evaluation"] == seed
        found[name] = [(item.id, item.question, item.answer) for item in results.items]
    assert found["anew"] == found["again"]
    assert not set(found["first"]) & set(found["anew"])
    assert all(7_000_000 <= int(id.split("/")[2]) < 8_000_000 for id, _, _ in found["anew"])


def test_a_seed_has_no_more_scenes_than_it_has_for_itself() -> None:
    with pytest.raises(ValidationError, match="less than or equal to 1000000"):
        Benchmark(world="shapes", pictures=1_000_001)


def test_a_source_gives_its_first_samples_as_items() -> None:
    source = {"type": "playground", "world": "digits", "split": "fresh", "turns": 1, "count": 5}
    assert len(benchmark_items(Benchmark(source=source, pictures=3))) == 3
    assert len(benchmark_items(Benchmark(source=source, pictures=30))) == 5
    assert len(benchmark_items(Benchmark(source=source))) == 5, "all of a source that ends"
    endless = {"type": "playground", "world": "digits", "split": "fresh", "turns": 1}
    assert len(benchmark_items(Benchmark(source=endless, pictures=7))) == 7
    assert len(benchmark_items(Benchmark(source=endless))) == 100


def test_a_world_gives_all_questions_about_its_scenes() -> None:
    items = benchmark_items(Benchmark(world="digits", splits=["fresh"]))
    assert len({item.cluster for item in items}) == 100
    both = benchmark_items(Benchmark(world="digits", pictures=3))
    assert len({item.cluster for item in both}) == 6


def test_published_benchmarks_stand_beside_worlds(command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mine = json.dumps([pope(tmp_path), docvqa(tmp_path / "docvqa"), {"world": "shapes", "pictures": 2, "splits": ["fresh"]}])
    ask = ("evaluate", "scripted:oracle", f"evaluation.benchmarks={mine}")
    result = command(*ask)
    assert result.exit_code == 0, result.output
    for piece in ("docvqa", "popular", "F1 of yes", "answered with yes", "100.0"):
        assert piece in result.stdout
    results = read_results(tmp_path / "runs" / "evaluate-scripted-oracle" / "results.json")
    assert {(cell.world, cell.split) for cell in results.scores.cells} == {("pope", "popular"), ("docvqa", "val"), ("shapes", "fresh")}
    assert all(cell.accuracy.value == 1.0 and cell.majority < 1.0 for cell in results.scores.cells if cell.kind is None)
    assert {item.benchmark for item in results.items} == {"pope", "docvqa", None}
    assert [one.world for one in results.scores.steadiness] == ["docvqa", "pope", "shapes"]
    item = next(item for item in results.items if item.benchmark == "docvqa")
    assert item.answers == ("$ 0,000", "0,000") and item.sighted.credit == 1.0
    page = (tmp_path / "runs" / "evaluate-scripted-oracle" / "report.html").read_text()
    assert "Published figures" in page and "F1 of yes" in page and "Each question by its own metric" in page
    kept = (tmp_path / "runs" / "evaluate-scripted-oracle" / "predictions.jsonl").read_bytes()
    assert command(*ask).exit_code == 0
    assert (tmp_path / "runs" / "evaluate-scripted-oracle" / "predictions.jsonl").read_bytes() == kept
    # The recipe that was run is one again, and its benchmarks are numbered like any list.
    (tmp_path / "again.yaml").write_text(results.run.recipe_yaml)
    recipe = load_recipe("again.yaml", "small", ["evaluation.benchmarks.0.reading=pope-original"])
    assert recipe.evaluation.benchmarks[0].reading == "pope-original"
    assert recipe.evaluation.benchmarks[2].world == "shapes"


@pytest.mark.parametrize(
    ("benchmarks", "message"),
    [
        ("[{type: docvq}]", "recipe field evaluation.benchmarks.0.type: expected the name of a known benchmark, found 'docvq'; did you mean docvqa"),
        ("[{world: shapes}, {type: docvqa, images: .}]", "recipe field evaluation.benchmarks.1.file: expected field required, found nothing"),
        ("[{type: docvqa, file: gone.json, images: .}]", "gone.json: expected a file, found nothing; fetch it, or correct the path"),
        ("[{wrld: shapes}]", "recipe field evaluation.benchmarks.0.wrld: expected a known field, found 'wrld'; did you mean world"),
        ("[{}]", "either world or source"),
    ],
)  # fmt: skip
def test_benchmarks_that_are_none(command, one_sentence, tmp_path: Path, monkeypatch, benchmarks: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in one_sentence(command("evaluate", "scripted:oracle", f"evaluation.benchmarks={benchmarks}"))


def test_a_recipe_without_questions_is_refused(command, finished_run: Path, one_sentence) -> None:
    sentence = one_sentence(command("evaluate", finished_run / "model", "--recipe", "lm-small"))
    assert "benchmarks" in sentence


def test_an_unknown_world_is_refused(command, finished_run: Path, one_sentence) -> None:
    sentence = one_sentence(command("evaluate", finished_run, "evaluation.benchmarks=[{world: shape}]"))
    assert "did you mean shapes" in sentence


@pytest.mark.parametrize("name", ["evaluate", "chat", "export"])
@pytest.mark.parametrize(
    "file",
    [
        "projector.safetensors", "encoder.safetensors", "model.safetensors.index.json", "config.json", "generation_config.json",
        "processor_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
    ],
)  # fmt: skip
@pytest.mark.parametrize("how", ["missing", "truncated"])
def test_a_broken_model_is_named_by_its_file(command, own_run: Path, one_sentence, name: str, file: str, how: str) -> None:
    path = own_run / "model" / file
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    arguments = [own_run, own_run.parent / "out"] if name == "export" else [own_run]
    sentence = one_sentence(command(name, *arguments, input="Hi\n"))
    assert file.partition(".")[0] in sentence


def test_a_model_of_other_parts_is_refused(command, own_run: Path, one_sentence) -> None:
    config = json.loads((own_run / "model" / "config.json").read_text())
    config["projector"]["depth"] = 3
    (own_run / "model" / "config.json").write_text(json.dumps(config))
    assert "missing" in one_sentence(command("chat", own_run, input="Hi\n"))


def test_what_is_no_model_is_refused(command, tmp_path: Path, one_sentence) -> None:
    assert "no such directory" in one_sentence(command("evaluate", tmp_path / "nowhere"))
    assert "without config.json" in one_sentence(command("evaluate", tmp_path))
    assert "lm-small" in one_sentence(command("chat", "zoo:lm-smal", input="Hi\n"))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llava"}))
    assert "omma import" in one_sentence(command("chat", tmp_path, input="Hi\n"))


def test_an_unfinished_run_is_told_to_be_finished(command, own_run: Path, one_sentence) -> None:
    shutil.rmtree(own_run / "model")
    assert "omma train" in one_sentence(command("evaluate", own_run))


def test_the_demo_goes_from_training_to_chat(command, tmp_path: Path) -> None:
    out = tmp_path / "demo"
    result = command("demo", "--size", "debug", "--out", out)
    assert result.exit_code == 0, result.output
    assert (out / "report.html").is_file()
    assert read_results(out / "results.json").run.name == "demo"
    assert f"omma chat {out} {out / 'pictures' / 'shapes.png'}" in result.stdout
    told = result.stdout
    chat = command("chat", out, out / "pictures" / "shapes.png", "--max-new-tokens", "3", input="How many?\n")
    assert chat.exit_code == 0
    again = command("demo", "--size", "debug", "--out", out)
    assert again.exit_code == 0, "a finished demo can be looked at again"
    assert told.splitlines()[-3:][1:] == again.stdout.splitlines()[-3:][1:]
