from __future__ import annotations

import math
import random

import pytest

from evaluation.fakes import Keen, Riddles, fake_results, toys
from omma.errors import BadInput
from omma.evaluation import evaluate, judged, playground_items, score
from omma.evaluation.judgement import ItemResult, Reply
from omma.model.output import Output


def result(
    name: str,
    sighted: bool,
    blind: bool | None = None,
    *,
    world: str = "w",
    split: str = "fresh",
    kind: str = "k",
    answer: str = "x",
    text: str | None = "something",
) -> ItemResult:
    return ItemResult(
        id=name,
        world=world,
        split=split,
        kind=kind,
        cluster=name,
        pictures=0 if blind is None else 1,
        question="?",
        answer=answer,
        sighted=Reply(text=text, right=sighted),
        blind=None if blind is None else Reply(text="y", right=blind),
        swapped=None,
    )


def test_a_model_that_looks_is_told_from_one_that_guesses() -> None:
    items = playground_items(toys(), "fresh", 40)
    scores = score(judged(items, evaluate(Keen(items), items)))
    total = scores.cell("toys", "fresh")
    assert (total.items, total.pictures, total.accuracy.value) == (120, 40, 1.0)
    assert total.accuracy.low == pytest.approx(40 / (40 + 1.96**2), abs=1e-3)
    reds = sum(item.answer == "red" for item in items)
    assert total.blind is not None and total.blind.value == pytest.approx(reds / 120)
    assert total.gain is not None and total.gain.value == pytest.approx(1 - reds / 120)
    assert total.gain.low > 0.7
    color = scores.cell("toys", "fresh", "color")
    assert color.blind is not None and color.blind.value == pytest.approx(reds / 40)
    assert total.swapped is not None and 0.1 < total.swapped.value < 0.5


def test_what_failed_is_missing_and_what_is_empty_or_refused_is_wrong() -> None:
    items = playground_items(toys(), "fresh", 2)
    predictions = evaluate(Keen(items), items)
    del predictions["sighted"][items[0].id], predictions["blind"][items[1].id]
    predictions["sighted"][items[2].id] = Output("  ")
    predictions["sighted"][items[3].id] = Output(items[3].answer, "refused")
    predictions["sighted"][items[4].id] = Output(items[4].answer, "length", log_probabilities=(-1.0, -3.0))
    results = judged(items, predictions)
    assert results[0].sighted == Reply(text=None, right=False, finish="failed", error="it was not asked")
    assert results[1].blind == results[0].sighted
    assert results[4].sighted.confidence == pytest.approx(math.exp(-2))
    scores = score(results)
    total = scores.cell("toys", "fresh")
    assert (total.items, total.failed, total.empty, total.refused, total.cut_off) == (6, 1, 1, 1, 1)
    assert total.accuracy.value == pytest.approx(3 / 5)
    assert (total.lowest, total.highest) == (3 / 6, 4 / 6)
    assert not scores.complete
    # Paired where both came back: items 2 to 5.
    blind = [bool(r.blind and r.blind.right) for r in results[2:]]
    assert total.gain is not None and total.gain.value == pytest.approx(2 / 4 - sum(blind) / 4)


def test_if_everything_failed_nothing_is_known() -> None:
    items = [*playground_items(toys(), "fresh", 2), *playground_items(toys(Riddles), "fresh", 2)]
    riddles = {item.id: Output(item.answer) for item in items if item.world == "riddles"}
    scores = score(judged(items, {"sighted": riddles}))
    total = scores.cell("toys", "fresh")
    assert (total.failed, total.accuracy.low, total.accuracy.high) == (6, 0.0, 1.0)
    assert math.isnan(total.accuracy.value) and total.blind is total.gain is None
    # A mean over the other worlds would be the mean of something else.
    assert math.isnan(scores.averages[0].accuracy.value)
    assert score(judged(items[6:], {"sighted": riddles})).complete


def test_conditions_that_do_not_apply_or_were_not_run_have_no_score() -> None:
    riddles = playground_items(toys(Riddles), "fresh", 3)
    total = score(judged(riddles, evaluate(Keen(riddles), riddles))).cell("riddles", "fresh")
    assert total.blind is total.swapped is total.gain is None
    items = playground_items(toys(), "fresh", 3)
    alone = judged(items, evaluate(Keen(items), items, conditions=["sighted"]), conditions=["sighted"])
    assert all(r.blind is None and r.swapped is None for r in alone)


def test_gain_is_taken_over_the_items_asked_both_ways() -> None:
    cell = score([result("a", True, False), result("b", False, False), result("c", True)]).cell("w", "fresh")
    assert cell.accuracy.value == pytest.approx(2 / 3)
    assert cell.gain is not None and cell.gain.value == 0.5


def test_the_gap_is_fresh_minus_compositional_per_world() -> None:
    results = [result(f"f{n}", n < 30, world="w") for n in range(40)]
    results += [result(f"c{n}", n < 10, world="w", split="compositional") for n in range(40)]
    results += [result("other", True, world="v")]
    (gap,) = score(results).gaps
    assert (gap.world, gap.fresh, gap.compositional, gap.gap.value) == ("w", 0.75, 0.25, 0.5)
    assert 0.2 < gap.gap.low < 0.4
    assert 0.6 < gap.gap.high < 0.8


def test_worlds_weigh_the_same_in_the_average() -> None:
    results = [result(f"a{n}", True, False, world="a") for n in range(90)]
    results += [result(f"b{n}", False, False, world="b") for n in range(10)]
    (average,) = score(results).averages
    assert (average.worlds, average.accuracy.value) == (2, 0.5)
    assert average.gain is not None and average.gain.value == 0.5
    assert average.swapped is None


def test_the_commonest_answer_is_taken_per_kind() -> None:
    answers = [("k", "yes"), ("k", "Yes."), ("k", "no"), ("l", "1"), ("l", "2")]
    results = [result(str(n), True, kind=kind, answer=answer) for n, (kind, answer) in enumerate(answers)]
    scores = score(results)
    assert scores.cell("w", "fresh", "k").majority == pytest.approx(2 / 3)
    assert scores.cell("w", "fresh").majority == pytest.approx(3 / 5)


def test_the_order_of_items_does_not_matter() -> None:
    results, _ = fake_results(6)
    shuffled = list(results.items)
    random.Random(1).shuffle(shuffled)
    assert score(shuffled) == score(results.items)


def test_kinds_sum_to_their_world() -> None:
    scores = fake_results(6)[0].scores
    for total in (cell for cell in scores.cells if cell.kind is None):
        kinds = [c for c in scores.cells if (c.world, c.split) == (total.world, total.split) and c.kind is not None]
        assert sum(c.items for c in kinds) == total.items
        right = [(c.items - c.failed) * c.accuracy.value for c in (total, *kinds)]
        assert sum(right[1:]) == pytest.approx(right[0])
    with pytest.raises(KeyError):
        scores.cell("nowhere", "fresh")


def test_two_items_of_one_id_are_refused() -> None:
    items = playground_items(toys(), "fresh", 1)
    with pytest.raises(BadInput, match="the id twice"):
        judged([*items, items[0]], {})


def test_who_leans_to_yes_is_found_out() -> None:
    results = [result(f"y{n}", True, answer="yes", text="yes") for n in range(20)]
    results += [result(f"n{n}", False, answer="No.", text="Yes, there is") for n in range(15)]
    results += [result(f"m{n}", False, answer="no", text="maybe") for n in range(5)]
    results += [result("other", True, answer="red", text="red"), result("there", True, world="v", answer="red", text="red")]
    (leaning,) = score(results).leanings
    assert (leaning.world, leaning.items) == ("w", 40)
    assert (leaning.yes, leaning.truly_yes, leaning.unparsed) == (35 / 40, 0.5, 5 / 40)
    assert (leaning.accuracy, leaning.recall, leaning.precision) == (0.5, 1.0, 20 / 35)


def test_confidence_is_held_against_the_outcome() -> None:
    sure = Reply(text="x", right=False, confidence=0.9)
    results = [result(f"{n}", True).model_copy(update={"sighted": sure.model_copy(update={"right": n < 6})}) for n in range(10)]
    silent = result("silent", True)
    (found,) = score([*results, silent]).confidence
    assert (found.split, found.items) == ("fresh", 10)
    assert found.ece == pytest.approx(0.3)
    assert [(b.items, b.accuracy) for b in found.bins] == [(10, 0.6)]
    assert score([silent]).confidence == ()
