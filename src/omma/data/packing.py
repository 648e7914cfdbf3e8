"""Packing: whole samples side by side in rows of bounded length, isolated by the attention description."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence


def pack(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Best-fit decreasing: rows of sample numbers whose lengths sum to at most ``capacity``.

    Deterministic. A sample longer than the capacity gets a row of its own, so nothing is cut or lost.
    """
    rows: list[list[int]] = []
    room: list[tuple[int, int]] = []  # (room left, row), ascending, so the tightest fit is found by bisection
    for i in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        place = bisect_left(room, (lengths[i], -1))
        if place < len(room):
            left, row = room.pop(place)
        else:
            left, row = max(capacity, lengths[i]), len(rows)
            rows.append([])
        rows[row].append(i)
        insort(room, (left - lengths[i], row))
    return rows
