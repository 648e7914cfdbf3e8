"""The page of a study: escaped, self-contained, and readable on a phone."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from browser import needs_chromium, told_by_frames
from omma.evaluation import Phase
from omma.evaluation.judgement import Reply
from omma.evaluation.report.numbers import points, points_span
from omma.study import Outcome, compare
from omma.study.page import comparison_page, examples, scatter, verdict, write_comparison
from study.conftest import at_rates, toy_study

RATES = {"linear": 0.5, "mlp": 0.75, "nothing-at-all": 0.3}


@pytest.fixture(scope="module")
def page(outcomes) -> str:
    study = toy_study(*RATES, published="a claim <b>with</b> marks")
    found = outcomes(study, at_rates(RATES))
    return comparison_page(study, compare(study, found), found, pictures, "omma compare toy")


def pictures(item: str) -> list[Image.Image]:
    return [Image.new("RGB", (60, 40), "teal")] * (2 if item.startswith("pairs") else 1)


def test_everything_is_said_and_escaped(page: str) -> None:
    assert "a claim &lt;b&gt;with&lt;/b&gt; marks" in page
    for words in (
        "Which is best?",
        "3 of 3 pairs differ beyond chance",
        "mlp is above linear and nothing-at-all",
        "&lt; 0.001",
    ):
        assert words in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_peer_stands_below_the_choices_and_in_no_plot(outcomes, results) -> None:
    study = toy_study("linear", "mlp", peers={"reader": {"model": "tesseract:eng", "about": "a program"}})
    found = outcomes(study, at_rates({"linear": 0.5, "mlp": 0.75}))
    perfect = [item.model_copy(update={"sighted": Reply(text=item.answer, right=True)}) for item in results.items]
    comparison = compare(study, found, {"reader": results.model_copy(update={"items": tuple(perfect)})})
    page = comparison_page(study, comparison, found, pictures, "omma compare toy")
    table = page[page.index("<tbody>") : page.index("</tbody>")]
    assert table.index(">mlp<") < table.index(">linear<") < table.index(">reader<") < table.index("not trained")
    assert "a program" in table and "model: tesseract:eng" in page
    plots = page[page.index('class="scatters"') : page.index('id="pairs"')]
    assert "mlp" in plots and "reader" not in plots
    assert "mlp is above linear" in verdict(study, comparison)


def test_groups_changes_stages_and_their_budget_are_told(outcomes) -> None:
    study = toy_study(
        "frozen", "mlp", groups={"words": ["toys"], "pictures": ["pairs"]}, ranked_by="pictures", before="frozen",
        budget={"align": {"seconds": 90}},
    )  # fmt: skip
    found = {
        run: Outcome(outcome.results, 64.0, {"align": 1234 if run.choice == "mlp" else 5678})
        for run, outcome in outcomes(study, at_rates({"frozen": 0.4, "mlp": 0.7})).items()
    }
    phases = (Phase(name="align", seconds=88.0),)
    for run, outcome in found.items():
        timing = outcome.results.timing.model_copy(update={"phases": phases})
        found[run] = Outcome(outcome.results.model_copy(update={"timing": timing}), 64.0, outcome.steps)
    comparison = compare(study, found)
    page = comparison_page(study, comparison, found, pictures, "omma compare toy")
    head = page[page.index("<thead>") : page.index("</thead>")]
    assert head.index("Pictures %") < head.index("Pictures, against frozen") < head.index("Words %"), "what ranks is first"
    rows = page[page.index("<tbody>") : page.index("</tbody>")].split("<tr>")[1:]
    mlp, frozen = rows
    (better,) = [choice for choice in comparison.choices if choice.name == "mlp"]
    for group in ("words", "pictures"):
        assert f"{points(better.changes[group].value)}<small>{points_span(better.changes[group])}" in mlp
    assert frozen.count(">–<") == 2, "it did not change"
    assert "ranked by the first column, the mean of pairs" in page and "Words: the mean of toys." in page
    stages = page[page.index("What each stage took") :]
    assert "1,234" in stages and "5,678" in stages and "1 min 28 s" in stages
    assert "seconds: 90.0" in page and "measured once for each choice" in page


def test_examples_are_questions_on_which_choices_disagree(outcomes) -> None:
    study = toy_study("a", "b")
    found = outcomes(study, lambda item, run: run.choice == "a" or item.kind != "count")
    shown = examples(study, found, pictures)
    assert shown and {example.item.kind for example in shown} == {"count"}
    assert len({example.item.cluster for example in shown}) == len(shown)
    assert {example.item.world for example in shown} == {"toys", "pairs"}
    for example in shown:
        assert [said.right for said in example.said] == [3, 0]
        assert example.said[0].text == example.item.answer
    agreeing = outcomes(study, lambda item, run: item.kind == "count")
    assert examples(study, agreeing, pictures) == []


def test_costs_far_apart_are_on_a_logarithmic_axis(outcomes) -> None:
    study = toy_study(*RATES)
    ranked = compare(study, outcomes(study, at_rates(RATES))).choices
    near, far = (scatter("", ranked, costs, str) for costs in ([64, 70, 80], [16, 64, 256]))
    gaps = [dot.x for dot in far.dots]
    assert gaps[1] - gaps[0] == pytest.approx(gaps[2] - gaps[1])
    assert near.dots[1].x - near.dots[0].x < near.dots[2].x - near.dots[1].x
    equal = scatter("", ranked, [64, 64, 64], str)
    twins = [choice.model_copy(update={"accuracy": ranked[0].accuracy}) for choice in ranked]
    beside = [dot.x for dot in scatter("", twins, [64, 64, 64], str).dots]
    assert beside == sorted(set(beside)), "dots that hide each other"
    for plot in (near, far, equal):
        assert all(0 <= place <= 1 for dot in plot.dots for place in (dot.x, dot.low, dot.y, dot.high))
        assert plot.x_ticks and plot.y_ticks


def test_without_differences_that_is_said(outcomes) -> None:
    study = toy_study("a", "b")
    comparison = compare(study, outcomes(study, lambda item, run: True))
    assert verdict(study, comparison).startswith("None of the 1 pair differ")


@needs_chromium
def test_in_a_browser_nothing_overflows_a_phone(page: str, outcomes, tmp_path: Path) -> None:
    study = toy_study(*RATES)
    write_comparison(compare(study, outcomes(study, at_rates(RATES))), page, tmp_path)
    script = "return `${page.documentElement.scrollWidth} ${page.querySelectorAll('.dot').length}`;"
    told = told_by_frames(tmp_path, ["comparison.html"], (360, 1280), script)
    assert told == "360: 360 6; 1280: 1280 6"
