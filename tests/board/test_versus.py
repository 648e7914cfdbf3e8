"""Models against each other: differences that were put in, what is left out, what is refused."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from board.runs import at_rate, entry, results_of, toys
from omma.board.versus import FEWEST, versus
from omma.errors import BadInput
from omma.evaluation import Reply


def test_a_difference_that_was_put_in_is_found_and_luck_is_not() -> None:
    items = toys(60)
    good, bad, other = (entry(name, at_rate(rate, seed), items) for name, rate, seed in (("good", 0.8, 1), ("bad", 0.4, 2), ("too", 0.8, 3)))
    found = versus([good, bad, other])
    by_pair = {(duel.first, duel.second): duel for duel in found.duels}
    duel = by_pair["good", "bad"]
    assert duel.differs
    assert duel.difference.value == pytest.approx(duel.first_accuracy - duel.second_accuracy)
    assert duel.difference.low > 0.2
    assert duel.only_first > duel.only_second
    assert duel.pictures_needed is not None and FEWEST <= duel.pictures_needed < duel.pictures
    even = by_pair["good", "too"]
    assert not even.differs
    assert even.difference.low < 0 < even.difference.high
    assert abs(even.difference.value) < even.detectable
    assert even.pictures_needed is None or even.pictures_needed > even.pictures
    assert [one.name for one in found.standings][-1] == "bad"
    assert found.standings[-1].best_rank == found.standings[-1].worst_rank == 3
    assert found.standings[0].best_rank == 1 and found.standings[0].worst_rank == 2
    assert found.standings[0].points and found.standings[-1].points
    assert found.standings[0].points.low > found.standings[-1].points.high


def test_twins_are_not_told_apart_by_any_number_of_pictures() -> None:
    items = toys(10)
    found = versus([entry("a", at_rate(0.5, 1), items), entry("b", at_rate(0.5, 1), items)])
    (duel,) = found.duels
    assert (duel.p, duel.difference.value, duel.pictures_needed, duel.detectable) == (1.0, 0.0, None, 0.0)
    assert [(one.best_rank, one.worst_rank, one.mean_rank) for one in found.standings] == [(1, 2, 1.5)] * 2


def test_who_is_always_right_against_who_never_is_has_a_rank_but_no_strength() -> None:
    items = toys(10)
    found = versus([entry("never", lambda item: False, items), entry("always", lambda item: True, items)])
    assert [one.name for one in found.standings] == ["always", "never"]
    assert found.standings[0].points is None
    assert "apart from the rest" in found.no_points
    assert found.duels[0].difference.value == -1
    assert found.duels[0].p == pytest.approx(1 / 10_001)


@given(st.randoms(use_true_random=False))
@settings(max_examples=8, deadline=None)
def test_the_order_of_items_and_of_models_does_not_matter(chance: random.Random) -> None:
    items = list(toys(6))
    first, second = entry("a", at_rate(0.7, 1), items), entry("b", at_rate(0.4, 2), items)
    shuffled = list(first.results.items)
    chance.shuffle(shuffled)
    again = replace(first, results=results_of(shuffled, "a"))
    assert versus([again, second]) == versus([first, second])
    (one,), (other,) = versus([first, second]).duels, versus([second, first]).duels
    assert other.difference.value == pytest.approx(-one.difference.value)
    assert (other.difference.low, other.difference.high) == pytest.approx((-one.difference.high, -one.difference.low), abs=0.02)
    assert (other.p, other.mcnemar, other.pictures_needed) == (one.p, one.mcnemar, one.pictures_needed)


def test_only_what_both_answered_counts_for_a_pair() -> None:
    items = toys(12)
    first = entry("a", lambda item: True, items)
    lost = Reply(text=None, right=False, finish="failed", error="it stalled")
    said = [item.model_copy(update={"sighted": lost}) if n < 9 else item for n, item in enumerate(first.results.items[:-6])]
    second = replace(first, name="b", slug="b", results=results_of(said, "b"))
    found = versus([first, second])
    (duel,) = found.duels
    assert (duel.left_out, duel.questions, found.shared) == (15, len(items) - 15, len(items) - 15)
    assert duel.difference.value == 0, "what failed is not wrong"


def test_groups_count_the_same_however_many_questions_they_have() -> None:
    items = [item for item in toys(8) if item.split == "fresh"]
    few = [item for item in items if item.world == "toys"][:3]
    items = few + [item for item in items if item.world == "pairs"]
    found = versus([entry("a", lambda item: item.world == "toys", items), entry("b", lambda item: False, items)])
    assert found.duels[0].first_accuracy == 0.5
    assert found.duels[0].groups["toys, fresh"].value == 1


def test_strangers_are_named_and_all_strangers_refused() -> None:
    items = toys(6)
    halves = [i for i in items if i.world == "toys"], [i for i in items if i.world == "pairs"]
    first, second = entry("a", at_rate(0.5, 1), halves[0]), entry("b", at_rate(0.5, 2), halves[1])
    with pytest.raises(BadInput, match="items that both models answered, found none"):
        versus([first, second])
    found = versus([first, second, entry("c", at_rate(0.6, 3), items)])
    assert found.apart == (("a", "b"),)
    assert (found.standings, found.shared) == ((), 0)
    assert len(found.duels) == 2
    with pytest.raises(BadInput, match="two or more, found 1"):
        versus([first])
