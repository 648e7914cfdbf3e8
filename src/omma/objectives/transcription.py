"""Transcription: what stands in each patch, in the vocabulary of the language model that will read the features.

A captioner that grows up with an encoder learns to find its way through the features, and a language model that comes later
does not (docs/log.md). So every feature says by itself, through one linear map, which words its patch holds: a linear
projector can then turn the picture into the words on it, in their order, which any language model reads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase

from omma.data.sample import Box, Sample, beyond_print
from omma.model.composition import Composition, load_tokenizer
from omma.objectives.base import OBJECTIVES
from omma.objectives.by_place import ByPlace, ByPlaceTerm, Mark, Thing
from omma.parts.weights import locate


@dataclass
class TranscriptionTerm(ByPlaceTerm):
    tokenizer: PreTrainedTokenizerBase

    def printed(self, sample: Sample) -> list[Mark]:
        return [mark for word in sample.words for mark in self._tokens(word)]

    def things(self, sample: Sample) -> list[Thing]:
        return [
            ((box.left + box.right) / 2, (box.top + box.bottom) / 2, [token for _, _, token in self._tokens(box)])
            for box in beyond_print(sample.words, sample.boxes)
        ]

    def _tokens(self, box: Box) -> list[Mark]:
        """The tokens of a label with where they stand; spaces take no place, and are not told."""
        text = f" {box.label.lower()}"
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        places = np.array(box.places())
        return [
            (*places[max(start, 1) - 1 : end - 1].mean(0).tolist(), token)
            for token, (start, end) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
            if text[start:end].strip()
        ]


@OBJECTIVES.register("transcription")
class Transcription(ByPlace):
    class Config(ByPlace.Config):
        reader: str = "zoo:lm-small"
        """The language model whose vocabulary and embeddings are aimed at; it is only looked up."""
        names: int = Field(default=4, ge=0)
        """Tokens of what a patch shows and no print tells."""

    def __init__(self, config: Config, *, model: Composition) -> None:
        super().__init__(config, model=model)
        self.tokenizer = load_tokenizer(config.reader, where="objective.reader")
        reader = AutoModelForCausalLM.from_pretrained(
            locate(config.reader, where="objective.reader"), dtype=torch.float32
        )
        table = reader.get_input_embeddings().weight.detach()
        # Of length 1 on average, so that scores begin as large as those of any classifier.
        self.register_buffer("table", table / table.norm(dim=-1).mean(), persistent=False)
        self.maps = nn.ModuleList(nn.Linear(self.width, table.shape[1]) for _ in range(self.slots))
        self.nothing = nn.Parameter(torch.zeros(table.shape[1]))
        self.nothing_number = len(table)
        self.scale = nn.Parameter(torch.tensor(math.log(10.0)))

    @property
    def slots(self) -> int:
        return super().slots + self.config.names

    def term(self) -> TranscriptionTerm:
        assert self.model.resolution is not None
        config = self.config
        return TranscriptionTerm(
            self.model.resolution, self.grid, config.parts, config.names, self.nothing_number, self.tokenizer
        )

    def scores(self, slot: int, features_NC: Tensor) -> Tensor:
        classes = torch.cat([self.table, self.nothing[None].to(self.table)]).to(features_NC)
        return F.linear(self.maps[slot](features_NC) * self.scale.exp(), classes)
