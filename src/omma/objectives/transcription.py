"""Transcription: what stands in each patch, in the vocabulary of the language model that will read the features.

A captioner that grows up with an encoder learns to find its way through the features, and a language model that comes later
does not (docs/log.md). So every feature says by itself, through one linear map, what its patch holds, as the code of a place
does (`place_code`): a linear projector can then turn the picture into what is on it. Characters are told where they are printed,
all of them: whether a word is one that the vocabulary has, its letters do not know. A word that it has is told once more as a
whole, around its middle, like the names of things; what print is for (the shop, the total) is left to its reader.

What is said is compared with the code of the patch, and, taken apart again, with all of the vocabulary, slot by slot. The
comparison with the vocabulary alone, through a map for each slot, left features from which no linear map makes the code
(docs/log.md).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase

from omma.data.sample import Box, Sample, beyond_print
from omma.model.composition import Composition, load_tokenizer
from omma.model.segments import IGNORE
from omma.objectives.base import OBJECTIVES
from omma.objectives.by_place import ByPlace, ByPlaceTerm, Mark, Thing
from omma.objectives.place_code import PlaceCode
from omma.parts.weights import locate

WRITTEN = 0.4
"""Share of a box that its printed words fill if there is nothing else in it."""


@dataclass
class TranscriptionTerm(ByPlaceTerm):
    """The workers' half.

    Attributes:
        unread: share of the printed words that are not told as a whole, though the vocabulary has them.
    """

    tokenizer: PreTrainedTokenizerBase
    unread: float = 0.0

    @cached_property
    def vocabulary(self) -> dict[str, int]:
        return self.tokenizer.get_vocab()

    def printed(self, sample: Sample) -> list[Mark]:
        return [
            (*place, self.vocabulary[character])
            for word in sample.words
            for character, place in zip(word.label.lower(), word.places(), strict=True)
            # In byte-level vocabularies other characters stand for bytes.
            if character.isascii() and character in self.vocabulary
        ]

    def things(self, sample: Sample) -> list[Thing]:
        rng = np.random.default_rng(zlib.crc32(sample.id.encode()))
        words = [word for word in sample.words if self._whole(word) and rng.random() >= self.unread]
        named = [*words, *(box for box in beyond_print(sample.words, sample.boxes) if not _is_written(box, sample.words))]
        return [(box, self._tokens(box)) for box in named if box.label]

    def _whole(self, word: Box) -> bool:
        """Whether a word of several characters is a single token."""
        return len(word.label) > 1 and len(self._tokens(word)) == 1

    def _tokens(self, box: Box) -> list[int]:
        """Without spaces, which are what is between the others."""
        text = f" {box.label.lower()}"
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        pairs = zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
        return [token for token, (start, end) in pairs if text[start:end].strip()]


def _is_written(box: Box, words: Sequence[Box]) -> bool:
    """Whether nothing is in a box but what is printed in it: its label then says what that is for, which no patch shows."""
    inside = [word for word in words if box.left <= (word.left + word.right) / 2 <= box.right]
    inside = [word for word in inside if box.top <= (word.top + word.bottom) / 2 <= box.bottom]
    return sum(map(_area, inside)) > WRITTEN * _area(box)


def _area(box: Box) -> float:
    return (box.right - box.left) * (box.bottom - box.top)


@OBJECTIVES.register("transcription")
class Transcription(ByPlace):
    class Config(ByPlace.Config):
        reader: str = "zoo:lm-small"
        """The language model whose vocabulary and embeddings are aimed at; it is only looked up."""
        names: int = Field(default=2, ge=0)
        """Tokens of whole words and of names of things, in a patch."""

    def __init__(self, config: Config, *, model: Composition) -> None:
        super().__init__(config, model=model)
        self.tokenizer = load_tokenizer(config.reader, where="objective.reader")
        reader = AutoModelForCausalLM.from_pretrained(
            locate(config.reader, where="objective.reader"), dtype=torch.float32
        )
        table = reader.get_input_embeddings().weight.detach()
        table = table - table.mean(0)
        # Of length 1 on average, so that scores begin as large as those of any classifier.
        self.register_buffer("table", table / table.norm(dim=-1).mean(), persistent=False)
        self.code = PlaceCode(self.slots, table.shape[1])
        self.map = nn.Linear(self.width, table.shape[1])
        self.nothing_number = len(table)
        self.scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.threshold = nn.Parameter(torch.tensor(0.5))
        """How like a word a slot has to be to hold one."""

    @property
    def slots(self) -> int:
        return super().slots + self.config.names

    def term(self) -> TranscriptionTerm:
        assert self.model.resolution is not None
        config = self.config
        return TranscriptionTerm(
            self.model.resolution, self.grid, config.parts, config.names, self.nothing_number, self.tokenizer
        )

    def read(self, hidden: tuple[Tensor, ...]) -> Tensor:
        """As a projector reads them: a norm in between would make codes that no linear map makes."""
        assert self.model.encoder is not None
        return super().read(hidden) / getattr(self.model.encoder.config, "scale", 1.0)

    def compared(self, told_VTC: Tensor, held_VTS: Tensor) -> Tensor:
        """By distance from the codes, too."""
        codes = self.map(told_VTC)
        asked = (held_VTS != IGNORE).any(-1)
        distance = (codes[asked].float() - self.code(held_VTS[asked], self.table)).pow(2).sum()
        return super().compared(codes, held_VTS) + distance

    def scores(self, slot: int, told_NC: Tensor) -> Tensor:
        likeness = self.code.likeness(slot, told_NC, self.table)
        return torch.cat([likeness, self.threshold.to(likeness).expand(len(likeness), 1)], 1) * self.scale.exp()
