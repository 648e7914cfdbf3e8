"""The statistics of a study: intervals over pictures and seeds, pairs, and their correction."""

from __future__ import annotations

import numpy as np
import pytest

from omma.errors import BadInput
from omma.study import compare
from study.conftest import at_rates, toy_study


def test_a_clear_difference_is_found_and_none_is_made_up(outcomes) -> None:
    study = toy_study("good", "same", "bad")
    comparison = compare(study, outcomes(study, at_rates({"good": 0.8, "same": 0.8, "bad": 0.5})))
    by_name = {choice.name: choice for choice in comparison.choices}
    assert by_name["good"].accuracy.low < 0.8 < by_name["good"].accuracy.high
    pairs = {(pair.first, pair.second): pair for pair in comparison.pairs}
    assert list(pairs) == [("good", "same"), ("good", "bad"), ("same", "bad")]
    assert not pairs["good", "same"].differs
    assert pairs["good", "bad"].differs and pairs["good", "bad"].difference.low > 0
    assert pairs["good", "bad"].difference.value == pytest.approx(
        by_name["good"].accuracy.value - by_name["bad"].accuracy.value
    )


def test_values_are_plain_means(outcomes, results) -> None:
    study = toy_study("a", "b", seeds=2)
    right = at_rates({"a": 0.7, "b": 0.4})
    comparison = compare(study, outcomes(study, right))
    first, run = comparison.choices[0], study.runs()[0]
    groups = sorted({(item.world, item.split) for item in results.items})

    def mean(chosen, seeds=study.seeds) -> float:
        return float(
            np.mean([right(item, type(run)("a", seed)) for seed in seeds for item in results.items if chosen(item)])
        )

    for world, split in groups:
        assert first.cells[f"{world}, {split}"].value == pytest.approx(
            mean(lambda item, w=world, s=split: (item.world, item.split) == (w, s))
        )
    assert first.accuracy.value == pytest.approx(np.mean([cell.value for cell in first.cells.values()]))
    assert first.kinds["toys, count"].value == pytest.approx(
        mean(lambda item: (item.world, item.kind) == ("toys", "count"))
    )
    assert np.mean(list(first.by_seed.values())) == pytest.approx(first.accuracy.value)
    assert comparison.questions == len(results.items)
    assert comparison.pictures == len({item.cluster for item in results.items})


def test_seeds_that_differ_widen_the_interval(outcomes) -> None:
    study = toy_study("a", "b", seeds=4)
    rates = {"a": 0.6, "b": 0.6}
    calm = compare(study, outcomes(study, at_rates(rates))).choices[0].accuracy
    restless = compare(study, outcomes(study, at_rates(rates, by_seed=0.2))).choices[0].accuracy
    assert restless.high - restless.low > 2 * (calm.high - calm.low)


def test_luck_of_the_seed_is_not_taken_for_a_difference(outcomes) -> None:
    """Choices that are equal but for their seeds: about one study in twenty may find a difference."""
    study = toy_study("a", "b", seeds=3)
    found = [
        compare(study, outcomes(study, at_rates({"a": 0.6, "b": 0.6}, by_seed=0.1, draw=draw))).pairs[0].differs
        for draw in range(20)
    ]
    assert sum(found) <= 5


def test_p_values_are_corrected_for_the_number_of_pairs(outcomes) -> None:
    alone = toy_study("a", "b")
    many = toy_study("a", "b", "c", "d", "e")
    rates = dict.fromkeys("abcde", 0.6) | {"b": 0.66}
    single = compare(alone, outcomes(alone, at_rates(rates))).pairs[0]
    among = compare(many, outcomes(many, at_rates(rates))).pairs
    assert len(among) == 10
    assert {(pair.first, pair.second): pair.p for pair in among}["a", "b"] >= single.p
    assert max(pair.p for pair in among) <= 1.0


def test_with_a_reference_the_others_are_tested_against_it() -> None:
    assert toy_study("a", "b", "c", reference="b").pairs() == [("a", "b"), ("c", "b")]


def test_equal_replies_are_no_difference_and_keep_an_interval(outcomes) -> None:
    study = toy_study("a", "b", seeds=1)
    pair = compare(study, outcomes(study, lambda item, run: True)).pairs[0]
    assert (pair.difference.value, pair.p) == (0.0, 1.0)
    assert pair.difference.low < 0 < pair.difference.high


def test_other_questions_are_refused(outcomes) -> None:
    study = toy_study("a", "b", seeds=1)
    found = dict(outcomes(study, lambda item, run: True))
    last = study.runs()[-1]
    shorter = found[last].results.model_copy(update={"items": found[last].results.items[1:]})
    found[last] = type(found[last])(shorter, 64.0)
    with pytest.raises(BadInput, match="study toy, b: expected the same questions to every model, found others"):
        compare(study, found)
