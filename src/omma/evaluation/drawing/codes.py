"""How a vocabulary of codes is used."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EVEN = 0.8
"""Entropy, in bits, from which a bit is in balanced use: 0 or 1 in at least a quarter of all places."""


@dataclass(frozen=True, slots=True)
class CodeUse:
    """How the codes of many pictures are spread.

    Attributes:
        used: share of the vocabulary that occurs.
        perplexity: e to the entropy: as many codes, used alike, would be as hard to guess.
        bits_in_balance: share of the bits of a code whose entropy is at least `EVEN`: for codes that are made of bits.
    """

    used: float
    perplexity: float
    bits_in_balance: float


def code_use(codes: np.ndarray, vocabulary: int) -> CodeUse:
    """Of codes of any shape, of that many.

    Raises:
        ValueError: for no codes at all, or a code beyond the vocabulary.
    """
    flat = np.asarray(codes, dtype=np.int64).ravel()
    if not flat.size or flat.min() < 0 or flat.max() >= vocabulary:
        found = f"{flat.min()} to {flat.max()}" if flat.size else "none"
        raise ValueError(f"expected codes from 0 to {vocabulary - 1}, found {found}")
    _, counts = np.unique(flat, return_counts=True)
    shares = counts / flat.size
    bits = max(1, int(vocabulary - 1).bit_length())
    ones = np.array([np.mean(flat >> bit & 1) for bit in range(bits)])
    entropies = -sum(np.where(p > 0, p * np.log2(np.where(p > 0, p, 1)), 0) for p in (ones, 1 - ones))
    return CodeUse(
        used=len(counts) / vocabulary,
        perplexity=float(np.exp(-(shares * np.log(shares)).sum())),
        bits_in_balance=float(np.mean(entropies >= EVEN)),
    )
