"""`omma evaluate` of a model that draws: drawing.json and drawing.html, gone on with, beside or without other questions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from omma.evaluation.drawing.results import DrawingResults
from omma.parts.tokenizers import IMAGE_TOKENIZERS
from omma.parts.tokenizers.saved import save_image_tokenizer
from toy_drawing import ONE_BOOK

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


def test_texts_are_painted_without_a_language_model(command: Any, one_sentence: Any, tmp_path: Path) -> None:
    out, few = tmp_path / "run", ("evaluation.drawing.prompts=2", "evaluation.drawing.edits=0")
    assert command("train", "stable-diffusion", "--size", "debug", "--out", out, "stages.paint.steps=1", "workers=0").exit_code == 0
    result = command("evaluate", out, *few)
    assert result.exit_code == 0 and "mean of six" in result.stdout and not (out / "reconstruction.json").exists()
    results = DrawingResults.model_validate_json((out / "drawing.json").read_text())
    assert (results.painter, results.size, results.codes, results.vocabulary) == ("text-diffusion", (16, 16), 12, 0)
    assert results.steps == 1 and len(results.prompts) == 16 and results.sampling["guidance"] == 0
    # Every picture has its seed, whatever is drawn beside it.
    first = results.prompts[0]
    assert command("draw", out, first.prompt, "--seed", first.seed, "--out", tmp_path / "alone.png").exit_code == 0
    drawn = out / "drawn" / f"{first.task.replace(' ', '-')}-{first.split}-{first.seed}.png"
    assert abs(pixels(tmp_path / "alone.png") - pixels(drawn)).max() <= 1
    said = one_sentence(command("draw", out, "a star", "--image", drawn))
    assert "prompt: expected words alone, for text-diffusion, which sees no pictures, found 1 of them" in said
    assert "expected an image tokenizer that can paint what it has read" in one_sentence(command("show", out, "--image", drawn))


def pixels(file: Path) -> np.ndarray:
    with Image.open(file) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def test_an_image_tokenizer_without_texts_does_not_draw(command: Any, one_sentence: Any, tmp_path: Path) -> None:
    save_image_tokenizer(IMAGE_TOKENIZERS.parse(ONE_BOOK, where="test").build(), tmp_path, dtype=torch.float32)
    said = one_sentence(command("draw", tmp_path, "a star"))
    assert "expected a model that draws, or an image tokenizer that paints what texts say, found an image tokenizer of type" in said


def test_an_endpoint_does_not_draw(command: Any, one_sentence: Any) -> None:
    message = one_sentence(command("evaluate", "scripted:oracle", "--recipe", "var", "--size", "debug", "evaluation.benchmarks=[]"))
    assert "field evaluation.drawing: expected nothing for a model that is no directory" in message
