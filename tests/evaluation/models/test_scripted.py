"""Scripted models: every trust figure lands where theory puts it."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from evaluation.fakes import Riddles, toys
from omma.data.playground import WORLDS
from omma.data.sample import Sample
from omma.errors import BadInput
from omma.evaluation import Item, evaluate, judged, playground_items, score
from omma.evaluation.models.scripted import SCRIPTED, BlindPrior, Oracle, ScriptedModel, YesSayer, scripted
from omma.evaluation.scores import Cell
from omma.evaluation.trust.figures import Steadiness
from omma.evaluation.variants import VARIANTS


@pytest.fixture(scope="module")
def items() -> list[Item]:
    worlds = [WORLDS.get(name, where="world").Config().build() for name in ("shapes", "documents")]
    return [item for world in worlds for split in ("fresh", "compositional") for item in playground_items(world, split, 30)]


def totals(name: str, items: list[Item]) -> list[Cell]:
    return [cell for cell in score(judged(items, evaluate(scripted(name, items), items))).cells if cell.kind is None]


def test_the_oracle_is_always_right_and_knows_nothing_blind(items: list[Item]) -> None:
    for cell in totals("oracle", items):
        assert cell.accuracy.value == 1.0 and cell.blind is not None and cell.blind.value == 0.0
        assert cell.gain is not None and cell.gain.value == 1.0
        # Somebody else's picture: right only where the same is asked, and true, of that one.
        assert cell.swapped is not None and cell.swapped.value < 0.3
    assert all(gap.gap.value == 0 for gap in score(judged(items, evaluate(scripted("oracle", items), items))).gaps)


def test_the_blind_prior_is_the_majority_and_gains_nothing_by_looking(items: list[Item]) -> None:
    for cell in totals("blind-prior", items):
        assert cell.blind is not None and cell.swapped is not None and cell.gain is not None
        assert cell.accuracy.value == cell.blind.value == cell.swapped.value
        assert (cell.gain.value, cell.gain.low < 0 < cell.gain.high) == (0.0, True)
    (cell,) = totals("blind-prior", [item for item in items if item.world == "shapes" and item.split == "fresh"])
    assert cell.accuracy.value == pytest.approx(cell.majority)


def test_the_memorizer_shows_no_gain_though_it_is_always_right(items: list[Item]) -> None:
    for cell in totals("memorizer", items):
        assert cell.accuracy.value == 1.0
        assert cell.gain is not None and cell.gain.value == 0.0
        assert cell.swapped is not None and cell.swapped.value == 1.0


def test_the_yes_sayer_is_right_where_the_answer_is_yes(items: list[Item]) -> None:
    for cell in totals("yes-sayer", items):
        truths = [item.answer for item in items if (item.world, item.split) == (cell.world, cell.split)]
        assert cell.accuracy.value == pytest.approx(truths.count("yes") / len(truths))


def test_the_guesser_is_right_by_chance(items: list[Item]) -> None:
    cells = {(cell.world, cell.split): cell for cell in totals("guesser", items)}
    kinds: Counter[tuple[str, str]] = Counter()
    options: dict[tuple[str, str], set[str]] = {}
    for item in items:
        options.setdefault((item.world, item.kind), set()).add(item.answer.lower())
    for (world, split), cell in cells.items():
        asked = [item for item in items if (item.world, item.split) == (world, split)]
        chance = sum(1 / len(options[item.world, item.kind]) for item in asked) / len(asked)
        assert cell.accuracy.low - 0.02 <= chance <= cell.accuracy.high + 0.02
        kinds[world, split] += len(asked)
    assert min(kinds.values()) > 100


def test_only_who_guesses_anew_each_time_is_unsteady(items: list[Item]) -> None:
    class Moody(ScriptedModel):
        """Another guess for every way to ask."""

        def says(self, prompt: Sample, item: Item) -> str:
            options = sorted(self.answers[item.world, item.kind])
            return random.Random(repr((prompt.turns[-1].text, [image.key for image in prompt.images]))).choice(options)

    def steadiness(model: ScriptedModel) -> list[Steadiness]:
        return list(score(judged(items, evaluate(model, items, variants=25))).steadiness)

    for found in steadiness(Oracle(items)):
        assert (found.items, found.worst, found.flips, found.kappa) == (25, 1.0, 0.0, 1.0)
        assert set(found.variants) == {"as it is", *VARIANTS}
    for found in steadiness(BlindPrior(items)):
        assert (found.flips, found.kappa) == (0.0, 1.0)
        assert found.worst == found.mean == found.variants["as it is"]
    for found in steadiness(Moody(items)):
        assert found.flips > 0.2 and found.kappa < 0.4
        assert found.worst < found.mean


def test_the_yes_sayer_leans(items: list[Item]) -> None:
    for leaning in score(judged(items, evaluate(YesSayer(items), items))).leanings:
        assert (leaning.yes, leaning.recall, leaning.unparsed) == (1.0, 1.0, 0.0)
        assert leaning.precision == leaning.truly_yes == leaning.accuracy
        assert 0.3 < leaning.truly_yes < 0.7
    for leaning in score(judged(items, evaluate(Oracle(items), items))).leanings:
        assert (leaning.f1, leaning.yes) == (1.0, leaning.truly_yes)


@pytest.mark.parametrize("name", SCRIPTED)
def test_twice_the_same_in_any_order(name: str, items: list[Item]) -> None:
    first = evaluate(scripted(name, items), items, batch_size=7)
    assert evaluate(scripted(name, items[::-1]), items[::-1], batch_size=64) == first


def test_words_can_be_seen_without_pictures() -> None:
    riddles = playground_items(toys(Riddles), "fresh", 3)
    (cell,) = totals("oracle", riddles)
    assert cell.accuracy.value == 1.0


def test_an_unknown_script() -> None:
    with pytest.raises(BadInput, match=r"model scripted:orakel: expected one of oracle, .* did you mean oracle"):
        scripted("orakel", [])
