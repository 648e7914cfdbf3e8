"""`omma evaluate` of a model that draws: drawing.json and drawing.html, gone on with, beside or without other questions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from omma.evaluation.drawing.results import DrawingResults

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'omma[draw]'")


def test_results_and_page_of_a_trained_model(command: Any, tmp_path: Path) -> None:
    out = tmp_path / "run"
    steps = ["stages.tokenize.steps=1", "stages.draw.steps=1", "workers=0"]
    assert command("train", "var", "--size", "debug", "--out", out, *steps).exit_code == 0
    result = command("evaluate", out, "evaluation.benchmarks=[]")
    assert result.exit_code == 0, result.output
    assert "mean of six" in result.stdout and "drawing.html" in result.stdout and not (out / "results.json").exists()
    results = DrawingResults.model_validate_json((out / "drawing.json").read_text())
    assert (results.painter, results.size, results.codes, results.vocabulary) == ("next-scale", (16, 16), 85, 16)
    assert results.steps == 4 and len(results.prompts) == 18 and results.sampling["guidance"] == 2.0
    page = (out / "drawing.html").read_text()
    assert page.count("data:image/png;base64,") == 18 and "<script" not in page and "http" not in page.replace("http-equiv", "")
    for one in results.prompts:
        assert one.prompt in page
    assert json.loads((out / "drawn" / "settings.json").read_text())["guidance"] == 2.0
    assert command("evaluate", out, "evaluation.benchmarks=[]").exit_code == 0
    again = DrawingResults.model_validate_json((out / "drawing.json").read_text())
    assert again.pictures_per_second is None and again.prompts == results.prompts
    both = command("evaluate", out, "evaluation.benchmarks=[{world: shapes, splits: [fresh], pictures: 2}]")
    assert both.exit_code == 0 and (out / "results.json").is_file()


def test_an_endpoint_does_not_draw(command: Any, one_sentence: Any) -> None:
    message = one_sentence(command("evaluate", "scripted:oracle", "--recipe", "var", "--size", "debug", "evaluation.benchmarks=[]"))
    assert "field evaluation.drawing: expected nothing for a model that is no directory" in message
