"""Studies of models that never were: answers drawn at random, at known rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from evaluation.fakes import fake_results
from omma.evaluation.judgement import ItemResult, Reply
from omma.evaluation.results import Results
from omma.study import Outcome, Study, StudyRun

Answered = Callable[[ItemResult, StudyRun], bool]


def toy_study(*choices: str, seeds: int = 3, **fields: object) -> Study:
    return Study(
        name="toy", question="Which is best?", base="llava-1.5", seeds=list(range(seeds)), choices={c: {} for c in choices},
        **fields,
    )  # type: ignore[arg-type]  # fmt: skip


@pytest.fixture(scope="session")
def results() -> Results:
    return fake_results(40)[0]


@pytest.fixture(scope="session")
def outcomes(results: Results) -> Callable[[Study, Answered], Mapping[StudyRun, Outcome]]:
    """Every run of a study, with the replies that a function decides on."""

    def make(study: Study, right: Answered) -> Mapping[StudyRun, Outcome]:
        return {
            run: Outcome(results.model_copy(update={"items": _judged(results, run, right)}), 64.0)
            for run in study.runs()
        }

    return make


def _judged(results: Results, run: StudyRun, right: Answered) -> tuple[ItemResult, ...]:
    items = []
    for item in results.items:
        is_right = right(item, run)
        reply = Reply(text=item.answer if is_right else f"not {item.answer}", right=is_right)
        items.append(item.model_copy(update={"sighted": reply}))
    return tuple(items)


def at_rates(rates: Mapping[str, float], *, by_seed: float = 0.0, draw: int = 0) -> Answered:
    """Right at the rate of the choice, independently; with ``by_seed``, seeds differ by so much (standard deviation)."""

    def right(item: ItemResult, run: StudyRun) -> bool:
        key = [draw, sorted(rates).index(run.choice), run.seed]
        shift = by_seed * np.random.default_rng([*key, 1]).standard_normal()
        chance = np.random.default_rng([*key, *item.id.encode()]).random()
        return bool(chance < rates[run.choice] + shift)

    return right
