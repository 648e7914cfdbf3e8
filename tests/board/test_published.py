"""The leaderboard in the docs: the model that ships beside scripted ones, files that can be read, and links that lead somewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from omma.evaluation import read_results

SITE = Path(__file__).parents[2] / "docs" / "leaderboard"
SCRIPTED = {"oracle", "guesser", "yes-sayer", "blind-prior", "memorizer"}


@pytest.fixture(autouse=True)
def published() -> None:
    if not SITE.is_dir():
        pytest.skip("docs/leaderboard is not here: it is part of the repository, not of what is built from it")


def test_who_is_on_it_and_what_the_scripted_ones_reach() -> None:
    rows = json.loads((SITE / "leaderboard.json").read_text())["rows"]
    assert {row["model"] for row in rows} == SCRIPTED | {"llava-1.5-small"}
    whole = {row["model"]: row for row in rows if row["world"] is None and row["benchmark"].startswith("mean of")}
    assert whole["oracle"]["accuracy"] == 1 and whole["oracle"]["blind"] == 0 and whole["oracle"]["hallucination"] == 0
    assert whole["memorizer"]["gain"] == 0 and whole["yes-sayer"]["hallucination"] == 1
    assert 0.5 < whole["llava-1.5-small"]["accuracy"] < 1


@pytest.mark.parametrize("model", sorted(SCRIPTED | {"llava-1.5-small"}))
def test_downloads_are_results(model: str) -> None:
    results = read_results(SITE / "results" / f"{model}.json")
    assert len(results.items) > 700


def test_links_lead_somewhere() -> None:
    for page in SITE.rglob("*.html"):
        for target in re.findall(r"""(?:href|src)=["']([^"'#?]+)""", page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:", target):
                assert (page.parent / target).exists(), f"{page.relative_to(SITE)}: {target}"
