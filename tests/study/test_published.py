"""The studies whose pages stand in the documentation: their figures are those of the files beside them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from omma.evaluation.report.numbers import percent, points, points_span, seconds, span
from omma.study import Comparison, Study, load_study

DOCS = Path(__file__).parents[2] / "docs"
PUBLISHED = sorted(path.stem for path in (DOCS / "studies").glob("*.json"))


def read(name: str) -> tuple[Study, Comparison]:
    found = json.loads((DOCS / "studies" / f"{name}.json").read_text())
    return load_study(name), Comparison.model_validate(found)


def table(study: Study, comparison: Comparison) -> str:
    """What docs/studies.md says of a study, best choice first."""
    means = study.means()
    heads = [column for mean in means for column in (f"{mean} %", *([f"against {study.before}"] if study.before else []))]
    lines = [
        f"| choice | {' | '.join(heads)} | tokens a picture | training |",
        f"| --- |{' ---: |' * (len(heads) + 2)}",
    ]
    for choice in sorted(comparison.choices, key=lambda choice: -choice.accuracy.value):
        cells = []
        for mean in means:
            cells.append(f"{percent(choice.mean(mean).value)} ({span(choice.mean(mean))})")
            if study.before is not None:
                change = choice.changes.get(mean)
                cells.append(f"{points(change.value)} ({points_span(change)})" if change is not None else "–")
        cost = ["–" if choice.tokens is None else f"{choice.tokens:,.0f}"]
        cost.append("–" if choice.training_seconds is None else seconds(choice.training_seconds))
        lines.append(f"| {choice.name} | {' | '.join(cells + cost)} |")
    return "\n".join(lines)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_table_is_that_of_its_file(name: str) -> None:
    assert table(*read(name)) in (DOCS / "studies.md").read_text()


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_study_is_the_one_that_ships(name: str) -> None:
    """With every choice, peer and seed, and a page that asks its question."""
    study, comparison = read(name)
    assert [choice.name for choice in comparison.choices] == study.names()
    assert list(comparison.seeds) == study.seeds and len(study.seeds) >= 3
    assert [(pair.first, pair.second) for pair in comparison.pairs] == study.pairs()
    page = (DOCS / "studies" / f"{name}.html").read_text()
    assert study.question in page and all(choice in page for choice in study.names())
    assert f"studies/{name}.html" in (DOCS / "compare.md").read_text()
