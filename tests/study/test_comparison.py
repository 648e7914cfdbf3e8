"""The statistics of a study: intervals over pictures and seeds, pairs, and their correction."""

from __future__ import annotations

import numpy as np
import pytest

from omma.errors import BadInput
from omma.evaluation import Phase
from omma.evaluation.judgement import Reply
from omma.study import Outcome, StudyRun, compare
from omma.study.figures import SeedsFigure
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


GROUPS = {"groups": {"toys": ["toys"], "pairs": ["pairs"]}, "ranked_by": "pairs"}


def by_world(rates: dict[str, dict[str, float]]):  # type: ignore[no-untyped-def]
    """Right at the rate of choice and world."""
    worlds = {world: at_rates({choice: rate[world] for choice, rate in rates.items()}) for world in ("toys", "pairs")}
    return lambda item, run: worlds[item.world](item, run)


def test_groups_have_means_of_their_own_and_one_of_them_ranks(outcomes) -> None:
    study = toy_study("before", "better", before="before", **GROUPS)
    found = outcomes(study, by_world({"before": {"toys": 0.8, "pairs": 0.4}, "better": {"toys": 0.5, "pairs": 0.7}}))
    comparison = compare(study, found)
    before, better = comparison.choices
    for choice in (before, better):
        for world in ("toys", "pairs"):
            cells = [cell.value for name, cell in choice.cells.items() if name.startswith(world)]
            assert choice.groups[world].value == pytest.approx(np.mean(cells))
        assert choice.accuracy == choice.groups["pairs"]
        assert np.mean(list(choice.by_seed.values())) == pytest.approx(choice.accuracy.value)
    assert before.changes == {}
    for world, sign in (("toys", -1), ("pairs", 1)):
        change = better.changes[world]
        assert change.value == pytest.approx(better.groups[world].value - before.groups[world].value)
        assert sign * change.low > 0 and sign * change.high > 0
    (pair,) = comparison.pairs
    assert pair.differs and pair.difference.value == pytest.approx(-better.changes["pairs"].value)
    other = compare(study.model_copy(update={"ranked_by": "toys"}), found).pairs[0]
    assert other.differs and other.difference.value == pytest.approx(-better.changes["toys"].value)


def test_without_groups_changes_are_those_of_the_whole(outcomes) -> None:
    study = toy_study("before", "same", before="before")
    found = outcomes(study, lambda item, run: item.kind == "count")
    before, same = compare(study, found).choices
    assert before.groups == same.groups == {} and before.changes == {}
    assert same.changes["all"].value == 0 and same.changes["all"].low < 0 < same.changes["all"].high


def test_a_group_of_a_world_that_nobody_is_asked_about(outcomes) -> None:
    study = toy_study("a", "b", groups={"some": ["toys", "trains"]}, ranked_by="some")
    with pytest.raises(BadInput, match=r"groups.some: expected worlds that are asked about \(pairs, toys\), found trains"):
        compare(study, outcomes(study, lambda item, run: True))


def test_a_group_of_some_kinds_of_questions(outcomes) -> None:
    """Of each world and split the mean over the questions of these kinds, however many there are of the others."""
    study = toy_study("counts", "does-not", groups={"counting": {"toys": ["count"]}, "all": ["toys", "pairs"]}, ranked_by="counting")
    comparison = compare(study, outcomes(study, lambda item, run: (item.kind == "count") == (run.choice == "counts")))
    counts, does_not = comparison.choices
    assert (counts.accuracy.value, does_not.accuracy.value) == (1.0, 0.0)
    assert counts.accuracy == counts.groups["counting"] and 0 < counts.groups["all"].value < 1
    assert counts.by_seed == {0: 1.0, 1: 1.0, 2: 1.0}
    (pair,) = comparison.pairs
    assert pair.differs and pair.difference.value == 1.0
    assert counts.accuracy.low < 1.0  # so few pictures, if all alike, still leave a doubt


@pytest.mark.parametrize("share", [0.02, 0.5])
def test_the_mean_of_some_kinds_is_that_of_their_questions(outcomes, results, share: float) -> None:
    study = toy_study("a", "b", groups={"some": {"toys": ["count", "color"], "pairs": ["count"]}}, ranked_by="some")
    found = outcomes(study, at_rates({"a": share, "b": share}))
    kinds = {"toys": ("count", "color"), "pairs": ("count",)}
    cells: dict[tuple[str, str], list[float]] = {}
    for run, outcome in found.items():
        for item in outcome.results.items:
            if run.choice == "a" and item.kind in kinds[item.world]:
                cells.setdefault((item.world, item.split), []).append(item.sighted.right)
    assert compare(study, found).choices[0].accuracy.value == pytest.approx(np.mean([np.mean(one) for one in cells.values()]))


def test_a_group_of_a_kind_that_nobody_is_asked(outcomes) -> None:
    study = toy_study("a", "b", groups={"some": {"toys": ["count", "weigh"]}}, ranked_by="some")
    with pytest.raises(BadInput, match=r"groups.some: expected kinds that are asked about toys \(.*count.*\), found weigh"):
        compare(study, outcomes(study, lambda item, run: True))


def test_texts_are_not_counted_as_pictures(outcomes, results) -> None:
    study = toy_study("a", "b", seeds=1)
    found = outcomes(study, lambda item, run: True)

    def told(outcome: Outcome) -> Outcome:
        items = [item.model_copy(update={"pictures": 0 if item.world == "toys" else 1}) for item in outcome.results.items]
        return Outcome(outcome.results.model_copy(update={"items": tuple(items)}), 64.0)

    comparison = compare(study, {run: told(outcome) for run, outcome in found.items()})
    clusters = {world: len({i.cluster for i in results.items if i.world == world}) for world in ("toys", "pairs")}
    assert (comparison.pictures, comparison.texts) == (clusters["pairs"], clusters["toys"])


def test_steps_and_seconds_of_stages_are_told(outcomes) -> None:
    study = toy_study("a", "b", seeds=2)
    found = outcomes(study, lambda item, run: True)

    def trained(run: StudyRun, outcome: Outcome) -> Outcome:
        phases = (Phase(name="align", seconds=10.0 + run.seed), Phase(name="evaluation", seconds=99.0))
        timing = outcome.results.timing.model_copy(update={"phases": phases})
        return Outcome(outcome.results.model_copy(update={"timing": timing}), 64.0, {"align": 5 if run.choice == "a" else 7})

    a, b = compare(study, {run: trained(run, outcome) for run, outcome in found.items()}).choices
    assert {name: (cost.steps, cost.seconds) for name, cost in a.stages.items()} == {"align": (5, 10.5)}
    assert b.stages["align"].steps == 7 and a.training_seconds == 10.5


def test_a_peer_is_asked_once_and_has_no_seeds(outcomes, results) -> None:
    study = toy_study("a", "b", peers={"reader": {"model": "tesseract:eng"}}, reference="a")
    found = outcomes(study, at_rates({"a": 0.6, "b": 0.6}))
    perfect = [item.model_copy(update={"sighted": Reply(text=item.answer, right=True)}) for item in results.items]
    comparison = compare(study, found, {"reader": results.model_copy(update={"items": tuple(perfect)})})
    *_, peer = comparison.choices
    assert (peer.name, peer.accuracy.value, peer.by_seed, peer.tokens, peer.parameters) == ("reader", 1.0, {}, None, {})
    assert [(pair.first, pair.second) for pair in comparison.pairs] == [("b", "a"), ("reader", "a")]
    assert not comparison.pairs[0].differs and comparison.pairs[1].differs
    without = compare(toy_study("a", "b", reference="a"), found)
    assert without.choices == comparison.choices[:2]
    with pytest.raises(BadInput, match="study toy, reader: expected the same questions to every model"):
        compare(study, found, {"reader": results.model_copy(update={"items": results.items[1:]})})


def test_the_figure_of_a_benchmark_is_one_of_all_seeds_and_has_their_luck_in_its_interval(outcomes, results) -> None:
    def lines(edits: list[int], *, seed: int) -> Outcome:
        """Sixty lines of ten characters on twenty scans, each with so many edits on average."""
        chance = np.random.default_rng(seed)
        items = []
        for number in range(60):
            counts = {"edits": float(chance.poisson(edits[seed])), "length": 10.0}
            of_a_line = {
                "id": f"printed-lines/val/{number}", "world": "printed-lines", "split": "val", "kind": "line",
                "cluster": f"printed-lines/{number % 20}", "benchmark": "printed-lines", "blind": None, "swapped": None,
                "sighted": Reply(text="x", right=False, credit=0.5, counts=counts),
            }  # fmt: skip
            items.append(results.items[0].model_copy(update=of_a_line))
        return Outcome(results.model_copy(update={"items": tuple(items)}), 64.0)

    def figure(edits: list[int]) -> SeedsFigure:
        study = toy_study("a", "b", seeds=3)
        found = {run: lines(edits, seed=run.seed) for run in study.runs()}
        (only,) = compare(study, found).choices[0].figures.values()
        everything = [item.sighted for run in study.runs() if run.choice == "a" for item in found[run].results.items]
        expected = sum(r.counts["edits"] for r in everything) / sum(r.counts["length"] for r in everything)
        assert only.value.value == pytest.approx(expected)
        return only

    alike, unlike = figure([3, 3, 3]), figure([1, 3, 5])
    assert alike.unit == "share" and alike.value.low < alike.value.value < alike.value.high
    assert unlike.value.high - unlike.value.low > 2 * (alike.value.high - alike.value.low)
