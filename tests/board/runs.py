"""Evaluations of scripted models, as `omma evaluate` leaves them, and models that are right where a test wants it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from evaluation.fakes import fake_results
from omma.board.entries import Entry, slug
from omma.data.playground import WORLDS
from omma.evaluation import (
    Item,
    ItemResult,
    Phase,
    Reply,
    Results,
    Timing,
    evaluate,
    judged,
    playground_items,
    score,
    write_results,
)
from omma.evaluation.models.scripted import scripted


@cache
def items_of(worlds: tuple[str, ...] = ("digits", "shapes"), scenes: int = 3) -> tuple[Item, ...]:
    """Questions about so many scenes of the fresh and the compositional split of each world."""
    return tuple(
        item
        for world in worlds
        for split in ("fresh", "compositional")
        for item in playground_items(WORLDS.get(world, where="test").Config().build(), split, scenes)  # type: ignore[arg-type]
    )


def evaluated(model: str, out: Path, items: Sequence[Item], *, name: str | None = None, speed: float | None = 10.0) -> Path:
    """The directory of an evaluation of a scripted model."""
    predictions = evaluate(scripted(model, items), items, variants=4, predictions_path=out / "predictions.jsonl", model=model)
    write_results(results_of(judged(items, predictions), name or out.name, speed), out / "results.json")
    return out


def results_of(items: Sequence[ItemResult], name: str, speed: float | None = 10.0) -> Results:
    """Judged items as results of a model of that name."""
    results, _ = fake_results(1)
    return results.model_copy(
        update={
            "run": results.run.model_copy(update={"name": name}),
            "timing": Timing(phases=(Phase(name="evaluation", seconds=3.0, replies_per_second=speed),)),
            "items": tuple(items),
            "scores": score(items),
            "curves": (),
        }
    )


def entry(name: str, right: Callable[[ItemResult], bool], items: Sequence[ItemResult]) -> Entry:
    """A model that is right about what a function says."""
    said = [
        item.model_copy(update={"sighted": Reply(text=item.answer if right(item) else "wrong", right=right(item))}) for item in items
    ]
    return Entry(name, slug(name), results_of(said, name), Path(f"runs/{name}/results.json"), None)


def toys(pictures: int = 30) -> tuple[ItemResult, ...]:
    """Three questions about each picture, in two worlds and two splits."""
    return fake_results(pictures)[0].items


def at_rate(rate: float, seed: int) -> Callable[[ItemResult], bool]:
    """Right about a share of pictures, and mostly about all three questions of one or about none."""

    def right(item: ItemResult) -> bool:
        return random.Random(f"{seed}/{item.cluster}").random() < rate

    return right
