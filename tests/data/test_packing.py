"""Packing: nothing lost, nothing cut, rows well filled."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from omma.data.packing import pack

lengths = st.lists(st.integers(1, 200), max_size=60)


@given(lengths, st.integers(1, 300))
def test_every_sample_once_and_within_the_capacity(lengths: list[int], capacity: int) -> None:
    rows = pack(lengths, capacity)
    assert sorted(i for row in rows for i in row) == list(range(len(lengths)))
    for row in rows:
        assert row
        assert sum(lengths[i] for i in row) <= capacity or len(row) == 1


@given(lengths, st.integers(200, 400))
def test_no_two_rows_fit_into_one(lengths: list[int], capacity: int) -> None:
    rows = pack(lengths, capacity)
    fills = sorted(sum(lengths[i] for i in row) for row in rows)
    if len(fills) > 1:
        assert fills[0] + fills[1] > capacity


@given(lengths, st.integers(1, 300))
def test_deterministic(lengths: list[int], capacity: int) -> None:
    assert pack(lengths, capacity) == pack(list(lengths), capacity)


def test_example() -> None:
    assert pack([5, 9, 1, 4, 12], 10) == [[4], [1, 2], [0, 3]]
