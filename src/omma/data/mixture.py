"""Mixtures: several sources interleaved by weight, addressed by one running position.

Which sample stands at a position is a pure function of the mixture and the position. A run therefore resumes from a
single integer, and workers may prepare positions in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from omma.data.sample import Sample
from omma.data.sources import Source

BLOCK = 1024
"""Positions over which the weights hold exactly (to one part in BLOCK)."""


@dataclass(frozen=True)
class Ramp:
    """A weight that moves in a line from ``begin`` to ``end`` over so many positions, and stays there."""

    begin: float
    end: float
    positions: int

    def at(self, position: int) -> float:
        passed = min(1.0, position / self.positions)
        return self.begin + (self.end - self.begin) * passed


class Mixture:
    """Sources interleaved in proportion to their weights; finite ones are reshuffled and repeated every epoch.

    Args:
        sources: with their weights, in any unit. Weights that move do so from block to block.
        seed: decides the interleaving and every epoch's order.
        begin: what is added to the indices of generated sources.

    Raises:
        ValueError: without sources, with more than BLOCK, for a weight that is not positive in the end or negative at the
            beginning, where all are zero at the beginning, or for an empty source.
    """

    def __init__(self, sources: Sequence[tuple[Source, float | Ramp]], seed: int = 0, begin: int = 0) -> None:
        if not 0 < len(sources) <= BLOCK:
            raise ValueError(f"a mixture has 1 to {BLOCK} sources, not {len(sources)}")
        ramps = [weight if isinstance(weight, Ramp) else Ramp(weight, weight, 1) for _, weight in sources]
        weights = np.array([ramp.end for ramp in ramps], dtype=np.float64)
        if not (weights > 0).all():
            raise ValueError(f"mixture weights must be positive, these are {weights.tolist()}")
        begins = [ramp.begin for ramp in ramps]
        if min(begins) < 0 or not any(begins):
            raise ValueError(f"mixture weights begin at zero or above, and one above it, these at {begins}")
        for source, _ in sources:
            if source.length == 0:
                raise ValueError(f"source {source.config} is empty")
        self.sources = [source for source, _ in sources]
        self.counts = _apportion(weights, BLOCK)
        moving = [ramp.positions for ramp in ramps if ramp.begin != ramp.end]
        blocks = range(-(-max(moving, default=0) // BLOCK))
        # A block has the weights of its middle.
        early = [np.array([ramp.at(block * BLOCK + BLOCK // 2) for ramp in ramps]) for block in blocks]
        self._early = np.array([_apportion(each, BLOCK) for each in early], dtype=np.int64).reshape(-1, len(sources))
        # How many samples of each source stand before each of these blocks, and before the first one behind them.
        self._before = np.concatenate([np.zeros_like(self.counts[None]), self._early.cumsum(axis=0)])
        self.seed = seed
        self._begins = [begin if source.generated else 0 for source, _ in sources]
        self._slots = lru_cache(maxsize=4)(self._block)
        self._order = lru_cache(maxsize=2 * len(self.sources))(self._epoch_order)

    def locate(self, position: int) -> tuple[int, int, int]:
        """(source number, index within it, epoch of that source) at a position."""
        block, slot = divmod(position, BLOCK)
        source, rank = map(int, self._slots(block)[slot])
        moved = min(block, len(self._early))
        index = int(self._before[moved, source]) + (block - moved) * int(self.counts[source]) + rank
        length, begin = self.sources[source].length, self._begins[source]
        if length is None:
            return source, begin + index, 0
        epoch, place = divmod(index, length)
        return source, begin + int(self._order(source, epoch, length)[place]), epoch

    def sample(self, position: int) -> Sample:
        """The sample at a position. Raises BadInput if that record is at fault."""
        source, index, epoch = self.locate(position)
        return self.sources[source].sample(index, epoch=epoch)

    def epoch_length(self) -> int | None:
        """Positions after which every finite source has been seen at least once; None if all are endless."""
        needed = [
            self._blocks_of(number, source.length) * BLOCK if len(self.sources) > 1 else source.length
            for number, source in enumerate(self.sources)
            if source.length is not None
        ]
        return max(needed) if needed else None

    def _blocks_of(self, source: int, samples: int) -> int:
        """Blocks that hold so many samples of a source."""
        before = self._before[:, source]
        if samples <= before[-1]:
            return int(np.searchsorted(before, samples))
        return len(self._early) + -(-(samples - int(before[-1])) // int(self.counts[source]))

    def _block(self, block: int) -> np.ndarray:
        """[BLOCK, 2]: the source of each slot, and its rank among that source's slots in this block."""
        counts = self._early[block] if block < len(self._early) else self.counts
        sources = np.repeat(np.arange(len(counts)), counts)
        np.random.default_rng((self.seed, 1, block)).shuffle(sources)
        ranks = np.empty(BLOCK, dtype=np.int64)
        for source, count in enumerate(counts):
            ranks[sources == source] = np.arange(count)
        return np.stack([sources, ranks], axis=1)

    def _epoch_order(self, source: int, epoch: int, length: int) -> np.ndarray:
        return np.random.default_rng((self.seed, 2, source, epoch)).permutation(length)


def _apportion(weights: np.ndarray, total: int) -> np.ndarray:
    """Whole slots in proportion to weights (largest remainders), at least one each that has a weight."""
    shares = weights / weights.sum() * total
    counts = np.maximum(np.floor(shares).astype(np.int64), (weights > 0).astype(np.int64))
    missing = total - int(counts.sum())
    if missing > 0:
        counts[np.argsort(np.floor(shares) - shares, kind="stable")[:missing]] += 1
    for _ in range(-missing):
        counts[int(np.argmax(counts))] -= 1
    return counts
