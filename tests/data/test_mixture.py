"""Mixtures: exact proportions, every sample once per epoch, and nothing but the position decides."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omma.data.mixture import BLOCK, Mixture, Ramp
from omma.data.sample import Sample, assistant
from omma.data.sources import Source
from omma.parts.base import PartConfig


class Counting(Source):
    """Samples that say where they are from."""

    class Config(PartConfig):
        name: str
        count: int | None

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.length = config.count

    def sample(self, index: int, *, epoch: int = 0) -> Sample:
        return Sample(f"{self.config.name}/{index}/{epoch}", (assistant("."),))


def mixture(*sources: tuple[int | None, float | Ramp], seed: int = 0) -> Mixture:
    return Mixture(
        [(Counting(Counting.Config(name=str(i), count=count)), weight) for i, (count, weight) in enumerate(sources)], seed
    )


weights = st.lists(st.floats(0.01, 100), min_size=1, max_size=8)


@given(weights, st.integers(0, 2**40), st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_proportions_hold_in_every_block(shares: list[float], seed: int, block: int) -> None:
    mixed = mixture(*((None, share) for share in shares), seed=seed)
    counts = Counter(mixed.locate(position)[0] for position in range(block * BLOCK, (block + 1) * BLOCK))
    for source, share in enumerate(shares):
        exact = share / sum(shares) * BLOCK
        # One position at least for everybody, which the largest sources give up.
        assert counts[source] >= 1 and abs(counts[source] - exact) <= len(shares)


@given(weights, st.integers(0, 2**40))
@settings(max_examples=20, deadline=None)
def test_an_endless_source_is_read_in_order_without_gaps(shares: list[float], seed: int) -> None:
    mixed = mixture(*((None, share) for share in shares), seed=seed)
    seen: dict[int, list[int]] = {}
    for position in range(2 * BLOCK):
        source, index, epoch = mixed.locate(position)
        assert epoch == 0
        seen.setdefault(source, []).append(index)
    for indices in seen.values():
        assert sorted(indices) == list(range(len(indices)))


@given(st.integers(1, 700), st.floats(0.05, 20), st.integers(0, 2**40))
@settings(max_examples=40, deadline=None)
def test_every_sample_once_per_epoch(count: int, weight: float, seed: int) -> None:
    mixed = mixture((count, weight), (None, 1.0), seed=seed)
    length = mixed.epoch_length()
    assert length is not None
    epochs: dict[int, list[int]] = {}
    for position in range(length + BLOCK):
        source, index, epoch = mixed.locate(position)
        if source == 0:
            epochs.setdefault(epoch, []).append(index)
    assert set(epochs[0]) == set(range(count)), "epoch_length reaches every sample"
    for epoch, indices in epochs.items():
        assert len(indices) == len(set(indices)) <= count
        assert len(indices) == count or epoch == max(epochs)
    if count > 20 and len(epochs) > 2:
        assert epochs[0] != epochs[1], "reshuffled"


FALLING = ((None, Ramp(10, 7, 8 * BLOCK)), (None, Ramp(0, 3, 8 * BLOCK)))


def test_weights_move_in_a_line_and_stay() -> None:
    mixed = mixture(*FALLING)
    shares = []
    for block in range(12):
        counts = Counter(mixed.locate(position)[0] for position in range(block * BLOCK, (block + 1) * BLOCK))
        shares.append(counts[1] / BLOCK)
    expected = [0.3 * min(1.0, (block + 0.5) / 8) for block in range(12)]
    assert shares == pytest.approx(expected, abs=1 / BLOCK)


def test_nothing_is_read_of_a_source_before_it_has_a_weight() -> None:
    mixed = mixture((None, 1.0), (None, Ramp(0, 0.001, 200 * BLOCK)))
    assert {mixed.locate(position)[0] for position in range(3)} == {0}
    late = mixture((None, Ramp(0, 1, 2 * BLOCK)), (None, Ramp(1, 1e-9, 2 * BLOCK)))
    counts = Counter(late.locate(position)[0] for position in range(3 * BLOCK))
    assert counts[0] > counts[1] > 0


@pytest.mark.parametrize("sources", [FALLING, ((None, Ramp(0, 5, 3000)), (None, 1.0), (None, Ramp(4, 0.5, 700)))])
def test_sources_whose_weights_move_are_read_without_gaps(sources: tuple[tuple[None, float | Ramp], ...]) -> None:
    mixed = mixture(*sources, seed=3)
    seen: dict[int, list[int]] = {}
    for position in range(10 * BLOCK):
        source, index, _ = mixed.locate(position)
        seen.setdefault(source, []).append(index)
    for indices in seen.values():
        assert sorted(indices) == list(range(len(indices)))
    assert mixture(*sources, seed=3).locate(9 * BLOCK + 17) == mixed.locate(9 * BLOCK + 17), "whatever was asked before"


@pytest.mark.parametrize("count", [1, 900, 4000, 9000])
def test_an_epoch_reaches_every_sample_while_weights_move(count: int) -> None:
    mixed = mixture((count, Ramp(1, 3, 5 * BLOCK)), (None, Ramp(3, 1, 5 * BLOCK)))
    length = mixed.epoch_length()
    assert length is not None and length % BLOCK == 0
    found = [mixed.locate(position)[1:] for position in range(length) if mixed.locate(position)[0] == 0]
    assert {index for index, epoch in found if epoch == 0} == set(range(count))
    shorter = [mixed.locate(position)[1:] for position in range(length - BLOCK) if mixed.locate(position)[0] == 0]
    assert {index for index, epoch in shorter if epoch == 0} != set(range(count)), "and no block too many"


def test_a_source_alone() -> None:
    mixed = mixture((5, 3.0))
    assert mixed.epoch_length() == 5
    assert sorted(mixed.sample(p).id for p in range(5)) == [f"0/{i}/0" for i in range(5)]
    assert sorted(mixed.sample(p).id for p in range(5, 10)) == [f"0/{i}/1" for i in range(5)]


@given(st.integers(0, 2**33), st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_only_the_position_decides(position: int, seed: int) -> None:
    sources = ((7, 1.0), (None, 2.5), (1000, 0.3))
    used = mixture(*sources, seed=seed)
    for other in (position + 1, 0, position // 2, position * 3):
        used.locate(other)
    assert used.locate(position) == mixture(*sources, seed=seed).locate(position)


def test_seeds_differ() -> None:
    one, other = (
        [mixture((None, 1.0), (None, 1.0), seed=seed).locate(p)[0] for p in range(100)] for seed in (0, 1)
    )
    assert one != other


@pytest.mark.parametrize(
    ("sources", "complaint"),
    [
        (((None, Ramp(-1, 1, 5)), (None, 1.0)), "begin at zero or above"),
        (((None, Ramp(0, 1, 5)),), "and one above it"),
        ((), "1 to 1024 sources"), (((3, 0.0),), "must be positive"), (((0, 1.0),), "is empty"), (((1, 1.0),) * 1025, "not 1025"),
    ],
)
def test_impossible_mixtures(sources: tuple[tuple[int | None, float | Ramp], ...], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        mixture(*sources)


def test_generated_data_begin_elsewhere_and_others_do_not() -> None:
    class Generated(Counting):
        generated = True

        class Config(Counting.Config):
            pass

    sources = [(Generated(Counting.Config(name=str(count), count=count)), 1.0) for count in (None, 7)]
    sources.append((Counting(Counting.Config(name="given", count=7)), 1.0))
    plain, moved = Mixture(sources, 3), Mixture(sources, 3, begin=1000)
    for position in range(300):
        source, index, epoch = plain.locate(position)
        assert moved.locate(position) == (source, index + (1000 if source < 2 else 0), epoch)
