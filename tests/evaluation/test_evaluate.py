from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from evaluation.fakes import Keen, Pairs, Riddles, toys
from omma.data.sample import Sample
from omma.errors import BadInput
from omma.evaluation import CONDITIONS, evaluate
from omma.evaluation.items import Item, playground_items
from omma.model.output import Output


@pytest.fixture
def items() -> list[Item]:
    return [i for world in (toys(), toys(Pairs), toys(Riddles)) for i in playground_items(world, "fresh", 4)]


class Dying(Keen):
    """Stops answering after so many batches, as a killed process would."""

    def __init__(self, items: Sequence[Item], batches: int) -> None:
        super().__init__(items)
        self.left = batches

    def answer(self, prompts: Sequence[Sample]) -> list[Output]:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return super().answer(prompts)


def seen(model: Keen) -> list[list[tuple[str, int]]]:
    return [[(prompt.id, len(prompt.images)) for prompt in batch] for batch in model.batches]


def test_every_applicable_prompt_is_asked_once_and_progress_counts_them(items: list[Item]) -> None:
    model, steps = Keen(items), []
    found = evaluate(model, items, batch_size=5, progress=lambda done, total: steps.append((done, total)))
    assert {name: len(replies) for name, replies in found.items()} == {"sighted": 36, "blind": 24, "swapped": 24}
    assert sum(len(batch) for batch in model.batches) == 84
    assert steps[0] == (0, 84)
    assert steps[-1] == (84, 84)
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert (found["sighted"]["toys/fresh/0/0"].text or "").strip(" .").lower() == items[0].answer


def test_batches_are_alike_in_pictures_which_stand_together_and_independent_of_the_order(items: list[Item]) -> None:
    model, backwards = Keen(items), Keen(items)
    assert evaluate(model, items, batch_size=5) == evaluate(backwards, items[::-1], batch_size=5)
    assert seen(model) == seen(backwards)
    asked = []
    for batch in model.batches:
        assert len({len(prompt.images) for prompt in batch}) == 1
        assert len(batch) <= 5
        asked += [([image.key for image in prompt.images], -len(prompt.turns[-1].text)) for prompt in batch]
    assert asked == sorted(asked, key=lambda one: (-len(one[0]), *one))
    assert len({len(keys) for keys, _ in asked}) > 1 and len({tuple(keys) for keys, _ in asked}) < len(asked)


@pytest.mark.parametrize("batches", [1, 3, 9])
@pytest.mark.parametrize("torn", [0, 7])
def test_a_killed_run_continues_to_the_same_replies_in_the_same_batches(
    items: list[Item], tmp_path: Path, batches: int, torn: int
) -> None:
    path, whole = tmp_path / "run" / "predictions.jsonl", Keen(items)
    expected = evaluate(whole, items, batch_size=5)
    with pytest.raises(KeyboardInterrupt):
        evaluate(Dying(items, batches), items, batch_size=5, predictions_path=path)
    if torn:
        path.write_bytes(path.read_bytes()[:-torn])
    rest, steps = Keen(items), []
    again = evaluate(
        rest, items, batch_size=5, predictions_path=path, progress=lambda done, total: steps.append((done, total))
    )
    assert again == expected
    first_asked_again = batches - 1 if torn else batches
    assert seen(rest) == seen(whole)[first_asked_again:]
    assert steps[0] == (sum(map(len, whole.batches[:batches])) - bool(torn), 84)
    lines = path.read_text().splitlines()
    assert len(lines) == 85
    assert len({(json.loads(line)["condition"], json.loads(line)["id"]) for line in lines[1:]}) == 84


def test_replies_to_other_items_or_of_another_model_are_not_reused(items: list[Item], tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    evaluate(Keen(items), items, predictions_path=path, model="a")
    same, other_model, other_items = Keen(items), Keen(items), Keen(items)
    evaluate(same, items, predictions_path=path, model="a")
    assert same.batches == []
    evaluate(other_model, items, predictions_path=path, model="b")
    assert sum(map(len, other_model.batches)) == 84
    evaluate(other_items, items[3:], predictions_path=path, model="b")
    assert sum(map(len, other_items.batches)) == 75
    assert len(path.read_text().splitlines()) == 76


def test_a_condition_can_be_added_later(items: list[Item], tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    assert evaluate(Keen(items), items, conditions=["sighted"], predictions_path=path).keys() == {"sighted"}
    later = Keen(items)
    assert evaluate(later, items, predictions_path=path) == evaluate(Keen(items), items)
    assert evaluate(Keen(items), items, conditions=["blind"], predictions_path=path).keys() == {"blind"}


def test_odd_replies_survive_the_file(items: list[Item], tmp_path: Path) -> None:
    class Odd(Keen):
        def answer(self, prompts: Sequence[Sample]) -> list[Output]:
            return [Output('a\nb\r\u2028\x85\x00\U0001f441 {"id": 1}', "length", log_probabilities=(-0.5, -1e-30))] * len(prompts)

    path = tmp_path / "predictions.jsonl"
    first = evaluate(Odd(items), items, predictions_path=path)
    again = evaluate(Dying(items, 0), items, predictions_path=path)
    assert again == first
    assert again["blind"][items[0].id].log_probabilities == (-0.5, -1e-30)


def test_what_failed_is_asked_again_by_the_next_run(items: list[Item], tmp_path: Path) -> None:
    class Shaky(Keen):
        def answer(self, prompts: Sequence[Sample]) -> list[Output]:
            found = super().answer(prompts)
            return [Output(None, "failed", "the line went dead") if i % 3 == 1 else one for i, one in enumerate(found)]

    path = tmp_path / "predictions.jsonl"
    first = evaluate(Shaky(items), items, batch_size=5, predictions_path=path)
    lost = sum(reply.finish == "failed" for replies in first.values() for reply in replies.values())
    assert lost > 20
    assert len(path.read_text().splitlines()) == 85 - lost
    assert evaluate(Keen(items), items, batch_size=5, predictions_path=path) == evaluate(Keen(items), items, batch_size=5)


def test_a_damaged_line_is_named(items: list[Item], tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    evaluate(Keen(items), items, predictions_path=path)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:3], '{"condition": "sighted"}\n', *lines[4:]]))
    with pytest.raises(BadInput, match="line 4"):
        evaluate(Keen(items), items, predictions_path=path)


def test_wrong_use_is_refused(items: list[Item], tmp_path: Path) -> None:
    class Lazy(Keen):
        def answer(self, prompts: Sequence[Sample]) -> list[Output]:
            return super().answer(prompts)[1:]

    with pytest.raises(ValueError, match="replies to"):
        evaluate(Lazy(items), items)
    with pytest.raises(BadInput, match="toys/fresh/0/0"):
        evaluate(Keen(items), [*items, items[0]])
    with pytest.raises(ValueError, match="batch_size"):
        evaluate(Keen(items), items, batch_size=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="choose another folder"):
        evaluate(Keen(items), items, predictions_path=tmp_path / "file" / "predictions.jsonl")


def test_nothing_to_ask() -> None:
    assert evaluate(Keen([]), []) == {condition: {} for condition in CONDITIONS}
