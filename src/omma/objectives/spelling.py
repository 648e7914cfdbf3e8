"""Spelling: which printed characters stand in each patch, asked of an early hidden state: what words are read from.

A patch that holds two letters tells them by itself, while the word that they belong to spans several. An encoder asked for
words alone recognises whole words and does not learn to spell (docs/log.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from omma.data.sample import Sample
from omma.model.composition import Composition
from omma.objectives.base import OBJECTIVES
from omma.objectives.by_place import ByPlace, ByPlaceTerm, Mark

CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,:;-+/$%&!?#'()="
"""Upper case counts as lower case; what is not among them is not asked."""


@dataclass
class SpellingTerm(ByPlaceTerm):
    def printed(self, sample: Sample) -> list[Mark]:
        return [
            (*place, CHARACTERS.index(character))
            for box in sample.words
            for character, place in zip(box.label.lower(), box.places(), strict=True)
            if character in CHARACTERS
        ]


@OBJECTIVES.register("spelling")
class Spelling(ByPlace):
    class Config(ByPlace.Config):
        pass

    nothing_number = len(CHARACTERS)

    def __init__(self, config: Config, *, model: Composition) -> None:
        super().__init__(config, model=model)
        self.norm = nn.LayerNorm(self.width)
        self.maps = nn.ModuleList(nn.Linear(self.width, len(CHARACTERS) + 1) for _ in range(self.slots))

    def term(self) -> SpellingTerm:
        assert self.model.resolution is not None
        return SpellingTerm(self.model.resolution, self.grid, self.config.parts, 0, self.nothing_number)

    def read(self, hidden: tuple[Tensor, ...]) -> Tensor:
        return self.norm(super().read(hidden))

    def scores(self, slot: int, told_NC: Tensor) -> Tensor:
        return self.maps[slot](told_NC)
