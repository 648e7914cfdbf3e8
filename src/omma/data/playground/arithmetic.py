"""Arithmetic in words: small numbers, lists, prices and codes. See `Arithmetic`."""

from __future__ import annotations

from omma.data.playground.arithmetic_passages import prices, row, story, tally, word_list, worked
from omma.data.playground.arithmetic_questions import standalone
from omma.data.playground.base import WORLDS, Scene, Split, World
from omma.data.playground.passages import Family, words_scene


@WORLDS.register("arithmetic")
class Arithmetic(World):
    """Numbers from 0 to 99, prices below 10, short lists and codes, in words only (`Scene.images` is empty).

    ``Scene.description`` is empty where every question stands alone. The held-out combinations are pairs of operands
    {a, b} of sums, differences and comparisons of two numbers, the larger of them at least 10: single-digit pairs are
    in every split, because there are too few of them to learn addition from a part.

    Question kinds: add, subtract, difference, compare, greater, count, succession, order, sequence, half, double,
    digit_sum, parity, digits, copy, number_word, price, price_compare, price_total, most, ranking, story, lookup,
    position.
    """

    name = "arithmetic"

    FAMILIES = {
        "standalone": Family(standalone, 10, cased=False),
        "worked": Family(worked, 2, cased=False),
        "word list": Family(word_list, 3, combines=False),
        "row": Family(row, 3, combines=False),
        "tally": Family(tally, 3),
        "prices": Family(prices, 4, combines=False),
        "story": Family(story, 4),
    }

    def scene(self, split: Split, index: int) -> Scene:
        return words_scene(self.name, split, index, self.FAMILIES)
