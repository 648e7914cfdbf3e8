"""The page of a study: what was asked, what came out with its intervals, which pairs differ, and where choices disagree."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from PIL import Image

from omma import __version__
from omma.evaluation.judgement import ItemResult
from omma.evaluation.report.numbers import big, seconds
from omma.evaluation.report.pictures import data_uri
from omma.evaluation.report.rendering import page_templates
from omma.evaluation.report.scatter import Scatter, scatter
from omma.evaluation.trust.pairs import ALPHA
from omma.storage import write_atomically
from omma.study.comparison import ChoiceScores, Comparison, Outcome, Pair
from omma.study.drawn import Row
from omma.study.study import Budget, Study, StudyRun

EXAMPLES = 18
"""Questions that are shown where the choices disagree."""
SIDE = 320
"""Longest side of their pictures in pixels."""
_TEMPLATES = page_templates("omma.study")


@dataclass(frozen=True, slots=True)
class Said:
    """What one choice says to a question: what most of its seeds say, and how many of them are right."""

    choice: str
    text: str
    right: int


@dataclass(frozen=True, slots=True)
class Example:
    """A question on which the choices disagree."""

    item: ItemResult
    pictures: tuple[str, ...]
    said: tuple[Said, ...]


def comparison_page(
    study: Study,
    comparison: Comparison,
    outcomes: Mapping[StudyRun, Outcome],
    load: Callable[[str], Sequence[Image.Image]],
    command: str,
    rows: Sequence[Row] = (),
) -> str:
    """The page as text.

    Args:
        load: from an item's id to its pictures.
        command: what the user typed.
        rows: what was drawn, if anything.
    """
    # Peers stand below all that were trained, so that numbers in the plots are those of the table.
    ranked = sorted(comparison.choices, key=lambda choice: (choice.tokens is None, -choice.accuracy.value))
    trained = [choice for choice in ranked if choice.tokens is not None and choice.training_seconds is not None]
    first = outcomes[study.runs()[0]].results
    return _TEMPLATES.get_template("study.html.jinja").render(
        study=study,
        comparison=comparison,
        ranked=ranked,
        numbers={choice.name: number for number, choice in enumerate(ranked, start=1)},
        means=study.means(),
        cells=list(ranked[0].cells),
        stages=list(dict.fromkeys(stage for choice in trained for stage in choice.stages)),
        kinds=list(ranked[0].kinds),
        figures=list(ranked[0].figures),
        verdict=verdict(study, comparison),
        scatters=_scatters(trained),
        rows=rows,
        drawn=[choice.name for choice in trained],
        examples=examples(study, outcomes, load),
        alpha=ALPHA,
        changes={
            name: _as_yaml({**choice.changes, **_budgets(choice.budget)}) for name, choice in study.choices.items()
        },
        peers={name: _as_yaml({"model": peer.model, **peer.settings}) for name, peer in study.peers.items()},
        common=_as_yaml({**study.common, **_budgets(study.budget)}),
        environment=first.environment,
        command=command,
        version=__version__,
    )


def _scatters(trained: Sequence[ChoiceScores]) -> list[Scatter]:
    """Accuracy against costs that are known of all."""
    costs: list[tuple[str, list[float | None], Callable[[float], str]]] = [
        ("Accuracy against image tokens per picture", [choice.tokens for choice in trained], big),
        ("Accuracy against the time of drawing a picture", [choice.picture_seconds for choice in trained], seconds),
        ("Accuracy against training time", [choice.training_seconds for choice in trained], seconds),
    ]
    return [
        scatter(title, trained, [value for value in values if value is not None], label)
        for title, values, label in costs
        if None not in values
    ]


def verdict(study: Study, comparison: Comparison) -> str:
    """What can be said of the pairs, in one or two sentences."""
    pairs = comparison.pairs
    differing = [pair for pair in pairs if pair.differs]
    if not differing:
        return f"None of the {_many(len(pairs), 'pair')} differ beyond chance: more seeds or pictures would be needed."
    trained = [choice for choice in comparison.choices if choice.name not in study.peers]
    ranked = sorted(trained, key=lambda choice: -choice.accuracy.value)
    best = ranked[0].name
    beaten = [choice.name for choice in ranked[1:] if any(_wins(pair, best, choice.name) for pair in differing)]
    said = f"{len(differing)} of {_many(len(pairs), 'pair')} differ beyond chance."
    if beaten:
        said += f" {best} is above {_listed(beaten)}."
    return said


def _wins(pair: Pair, best: str, other: str) -> bool:
    upward = (pair.first, pair.second) == (best, other) and pair.difference.value > 0
    return upward or ((pair.second, pair.first) == (best, other) and pair.difference.value < 0)


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _as_yaml(changes: Mapping[str, object]) -> str:
    return yaml.safe_dump(dict(changes), sort_keys=False, allow_unicode=True, width=90).strip() if changes else ""


def _budgets(budgets: Mapping[str, Budget]) -> dict[str, object]:
    return {f"budget.{stage}": budget.model_dump(exclude_none=True) for stage, budget in budgets.items()}


def examples(
    study: Study, outcomes: Mapping[StudyRun, Outcome], load: Callable[[str], Sequence[Image.Image]]
) -> list[Example]:
    """Questions about pictures on which choices disagree most, in turn over worlds, no picture twice."""
    items = [item for item in outcomes[study.runs()[0]].results.items if item.pictures]
    replies = {
        choice: [
            {item.id: item.sighted for item in outcomes[StudyRun(choice, seed)].results.items} for seed in study.seeds
        ]
        for choice in study.choices
    }

    def rights(item: ItemResult) -> list[int]:
        return [sum(replied[item.id].right for replied in replies[choice]) for choice in study.choices]

    by_world: dict[str, list[ItemResult]] = {}
    for item in sorted(items, key=lambda item: (min(rights(item)) - max(rights(item)), item.id)):
        if max(rights(item)) > min(rights(item)):
            by_world.setdefault(item.world, []).append(item)
    chosen: list[ItemResult] = []
    seen: set[str] = set()
    while any(by_world.values()) and len(chosen) < EXAMPLES:
        for waiting in by_world.values():
            unseen = next((one for one in waiting if one.cluster not in seen), None)
            if unseen is None:
                waiting.clear()
                continue
            waiting.remove(unseen)
            seen.add(unseen.cluster)
            chosen.append(unseen)
    found = []
    for item in chosen[:EXAMPLES]:
        said = []
        for choice, count in zip(study.choices, rights(item), strict=True):
            texts = Counter((replied[item.id].text or "").strip() for replied in replies[choice])
            said.append(Said(choice, texts.most_common(1)[0][0], count))
        pictures = tuple(data_uri(picture, SIDE) for picture in load(item.id))
        found.append(Example(item, pictures, tuple(said)))
    return found


def write_comparison(comparison: Comparison, page: str, out: Path) -> None:
    """comparison.json and comparison.html. Raises BadInput if the place cannot be written."""
    write_atomically(
        out / "comparison.json", (json.dumps(comparison.model_dump(mode="json"), indent=1) + "\n").encode()
    )
    write_atomically(out / "comparison.html", page.encode("utf-8", "replace"))
