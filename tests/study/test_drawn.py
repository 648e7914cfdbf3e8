"""Studies of models that draw: prompts as questions, choices that begin with other recipes, and the page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from omma.errors import BadInput
from omma.evaluation.drawing.results import DrawingResults, read_drawing_results
from omma.recipe import DrawingRecipe
from omma.study import Outcome, StudyRun, compare, load_study
from omma.study.drawn import drawn_items, drawn_kinds, gallery, world_of
from omma.study.page import comparison_page
from study.conftest import at_rates, toy_study

SETTINGS = DrawingRecipe(prompts=5, edits=2)


def fake_drawing(passed: set[str], **changes: object) -> DrawingResults:
    """Prompts of which those of some tasks pass."""
    from omma.evaluation.drawing.evaluate import asked_for
    from omma.evaluation.environment import Environment
    from omma.evaluation.intervals import Estimate

    prompts = [
        {"task": one.prompt.task, "split": one.split, "prompt": one.prompt.text, "seed": one.number,
         "passed": one.prompt.task in passed, "found": ("large red ring, middle",)}
        for one in asked_for(SETTINGS.prompts, SETTINGS.edits)
    ]  # fmt: skip
    data = {
        "model": "toy", "command": "omma evaluate toy", "finished": "2026-11-28T00:00:00+00:00", "omma": "1", "painter": "raster",
        "size": (16, 16), "codes": 64, "vocabulary": 16, "sampling": {"guidance": 2.0}, "environment": Environment.current(),
        "tasks": (), "score": Estimate(value=0.5, low=0.4, high=0.6), "used": 0.5, "perplexity": 3.0, "steps": 64.0,
        "pictures_per_second": 4.0, "prompts": prompts,
    }  # fmt: skip
    return DrawingResults.model_validate(data | changes)


def test_prompts_are_questions() -> None:
    items = drawn_items(fake_drawing({"counting"}))
    assert len({item.id for item in items}) == len(items) == 8 * 5 + 2 * 2
    assert {(item.world, item.kind) for item in items} == drawn_kinds(SETTINGS)
    assert {item.world for item in items} == {"drawing", "drawing new pairs", "editing", "editing new pairs"}
    assert {item.kind for item in items if item.sighted.right} == {"counting"}
    assert world_of("editing", "compositional") == "editing new pairs"
    assert all(item.sighted.text == "large red ring, middle" and item.pictures == 0 for item in items)


def test_ranked_by_what_was_drawn_beside_what_was_seen(results, outcomes) -> None:
    study = toy_study("slow", "fast", groups={"drawn": ["drawing"], "seen": ["toys"]}, ranked_by="drawn", reference="slow")
    drawn = {"slow": fake_drawing({"counting", "position"}), "fast": fake_drawing(set(), pictures_per_second=None, steps=None)}
    answered = outcomes(study, at_rates({"slow": 0.5, "fast": 0.5}))
    asked = {
        run: Outcome(outcome.results, outcome.tokens, drawing=drawn[run.choice]) for run, outcome in answered.items()
    }
    comparison = compare(study, asked)
    slow, fast = comparison.choices
    assert slow.accuracy.value == pytest.approx(2 / 6) and fast.accuracy.value == 0
    assert slow.groups["drawn"].value == slow.accuracy.value and set(slow.groups) == {"drawn", "seen"}
    assert slow.kinds["drawing, counting"].value == 1 and "editing, fresh" in slow.cells
    assert (slow.picture_seconds, slow.picture_steps, fast.picture_seconds, fast.picture_steps) == (0.25, 64.0, None, None)
    pictures = {"slow": Image.new("RGB", (16, 16), "red"), "fast": Image.new("RGB", (16, 16), "blue")}
    opened: list[tuple[StudyRun, str]] = []

    def load(run: StudyRun, file: str) -> Image.Image:
        opened.append((run, file))
        return pictures[run.choice]

    rows = gallery(study, {run: drawn[run.choice] for run in study.runs()}, SETTINGS, load)
    assert len(rows) == 2 * 6 and {run.seed for run, _ in opened} == {0}
    assert [row.passed for row in rows if row.task == "counting"] == [{"slow": True, "fast": False}] * 2
    assert "counting-fresh-0.png" in {file for _, file in opened}
    page = comparison_page(study, comparison, asked, lambda item: [], "omma compare toy", rows)
    assert page.count('class="passed"') == 4 and "What they drew" in page and "Time of a picture" in page
    assert "time of drawing a picture" not in page, "no plot of what is not known of all"
    plain = comparison_page(study, comparison, asked, lambda item: [], "omma compare toy")
    assert "What they drew" not in plain and "Time of a picture" not in plain


def test_a_choice_may_begin_with_another_recipe(tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text(
        "name: toy\nquestion: Which way?\nbase: var\nsize: debug\nchoices: {scales: {}, raster: {base: llamagen}, dreams: {base: dreamllm}}\n"
        "budget: {tokenize: {steps: 2}, draw: {steps: 1}}\n"
    )
    study = load_study(str(tmp_path / "toy.yaml"))
    recipes = {name: study.recipe(StudyRun(name, 0)) for name in study.choices}
    assert {name: recipe.model.painter.type for name, recipe in recipes.items()} == {
        "scales": "next-scale", "raster": "raster", "dreams": "dream-queries"
    }  # fmt: skip
    assert {recipe.name for recipe in recipes.values()} == {"toy-scales", "toy-raster", "toy-dreams"}
    steps = {name: {stage: one.steps for stage, one in recipe.stages.items()} for name, recipe in recipes.items()}
    assert steps == {"scales": {"tokenize": 2, "draw": 1}, "raster": {"tokenize": 2, "draw": 1}, "dreams": {"paint": 3, "draw": 1}}


def test_drawing_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    from omma.evaluation.drawing.results import write_drawing_results

    results = fake_drawing({"position"}, used=float("nan"))
    file = tmp_path / "drawing.json"
    write_drawing_results(results, file)
    again = read_drawing_results(file)
    assert again.used != again.used and again.model_copy(update={"used": 0.0}) == results.model_copy(update={"used": 0.0})
    file.write_text(json.dumps(json.loads(file.read_text()) | {"codes": "many"}))
    with pytest.raises(BadInput, match=r"drawing.json: expected a drawing.json, found codes: .*; repeat the evaluation"):
        read_drawing_results(file)
    with pytest.raises(BadInput, match=r"none.json: expected a drawing.json that can be read, found no such file or directory"):
        read_drawing_results(tmp_path / "none.json")
