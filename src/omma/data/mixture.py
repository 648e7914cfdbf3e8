"""Mixtures: several sources interleaved by weight, addressed by one running position.

Which sample stands at a position is a pure function of the mixture and the position. A run therefore resumes from a
single integer, and workers may prepare positions in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from omma.data.sample import Sample
from omma.data.sources import Source

BLOCK = 1024
"""Positions over which the weights hold exactly (to one part in BLOCK)."""


class Mixture:
    """Sources interleaved in proportion to their weights; finite ones are reshuffled and repeated every epoch.

    Args:
        sources: with their weights, in any unit.
        seed: decides the interleaving and every epoch's order.

    Raises:
        ValueError: without sources, with more than BLOCK, for a weight that is not positive, or for an empty source.
    """

    def __init__(self, sources: Sequence[tuple[Source, float]], seed: int = 0) -> None:
        if not 0 < len(sources) <= BLOCK:
            raise ValueError(f"a mixture has 1 to {BLOCK} sources, not {len(sources)}")
        weights = np.array([weight for _, weight in sources], dtype=np.float64)
        if not (weights > 0).all():
            raise ValueError(f"mixture weights must be positive, these are {weights.tolist()}")
        for source, _ in sources:
            if source.length == 0:
                raise ValueError(f"source {source.config} is empty")
        self.sources = [source for source, _ in sources]
        self.counts = _apportion(weights, BLOCK)
        self.seed = seed
        self._slots = lru_cache(maxsize=4)(self._block)
        self._order = lru_cache(maxsize=2 * len(self.sources))(self._epoch_order)

    def locate(self, position: int) -> tuple[int, int, int]:
        """(source number, index within it, epoch of that source) at a position."""
        block, slot = divmod(position, BLOCK)
        source, rank = map(int, self._slots(block)[slot])
        index = block * int(self.counts[source]) + rank
        length = self.sources[source].length
        if length is None:
            return source, index, 0
        epoch, place = divmod(index, length)
        return source, int(self._order(source, epoch, length)[place]), epoch

    def sample(self, position: int) -> Sample:
        """The sample at a position. Raises BadInput if that record is at fault."""
        source, index, epoch = self.locate(position)
        return self.sources[source].sample(index, epoch=epoch)

    def epoch_length(self) -> int | None:
        """Positions after which every finite source has been seen at least once; None if all are endless."""
        needed = [
            -(-source.length // int(count)) * BLOCK if len(self.sources) > 1 else source.length
            for source, count in zip(self.sources, self.counts, strict=True)
            if source.length is not None
        ]
        return max(needed) if needed else None

    def _block(self, block: int) -> np.ndarray:
        """[BLOCK, 2]: the source of each slot, and its rank among that source's slots in this block."""
        sources = np.repeat(np.arange(len(self.counts)), self.counts)
        np.random.default_rng((self.seed, 1, block)).shuffle(sources)
        ranks = np.empty(BLOCK, dtype=np.int64)
        for source, count in enumerate(self.counts):
            ranks[sources == source] = np.arange(count)
        return np.stack([sources, ranks], axis=1)

    def _epoch_order(self, source: int, epoch: int, length: int) -> np.ndarray:
        return np.random.default_rng((self.seed, 2, source, epoch)).permutation(length)


def _apportion(weights: np.ndarray, total: int) -> np.ndarray:
    """Whole slots in proportion to weights (largest remainders), at least one each."""
    shares = weights / weights.sum() * total
    counts = np.maximum(np.floor(shares).astype(np.int64), 1)
    missing = total - int(counts.sum())
    if missing > 0:
        counts[np.argsort(np.floor(shares) - shares, kind="stable")[:missing]] += 1
    for _ in range(-missing):
        counts[int(np.argmax(counts))] -= 1
    return counts
