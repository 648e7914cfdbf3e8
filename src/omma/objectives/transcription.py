"""Transcription: what stands in each patch, in the vocabulary of the language model that will read the features.

A captioner that grows up with an encoder learns to find its way through the features, and a language model that comes later
does not (docs/log.md). So every feature says by itself, through one linear map, what its patch holds, as the code of a place
does (`place_code`): a linear projector can then turn the picture into what is on it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModelForCausalLM

from omma.model.composition import Composition, load_tokenizer
from omma.model.segments import IGNORE
from omma.objectives.base import OBJECTIVES
from omma.objectives.by_place import ByPlace, unit_table
from omma.parts.weights import locate


@OBJECTIVES.register("transcription")
class Transcription(ByPlace):
    class Config(ByPlace.Config):
        tap: int = -2
        """Which hidden state of the encoder is read."""
        reader: str = "zoo:lm-small"
        """The language model whose vocabulary and embeddings are aimed at; it is only looked up."""

    def __init__(self, config: Config, *, model: Composition) -> None:
        tokenizer = load_tokenizer(config.reader, where="objective.reader")
        directory = locate(config.reader, where="objective.reader")
        reader = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
        table, _, _ = unit_table(reader.get_input_embeddings().weight.detach())
        super().__init__(config, model=model, table_WH=table, tokenizer=tokenizer, tap=config.tap)
        self.map = nn.Linear(self.width, table.shape[1])
        # Of embeddings as long as 1, so that scores begin as large as those of any classifier.
        self.scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.threshold = nn.Parameter(torch.tensor(0.5))
        """How like a word a slot has to be to hold one."""

    def codes(self, hidden: tuple[Tensor, ...], known_V: Tensor) -> Tensor:
        return self.map(self.read(hidden)[known_V])

    def read(self, hidden: tuple[Tensor, ...]) -> Tensor:
        """[V, T, C]: the features that are asked, those of the tap; what stands before them (CLS) has no place.

        As a projector reads them: a norm in between would make codes that no linear map makes.
        """
        assert self.model.encoder is not None
        rows, columns = self.grid
        return hidden[:-1][self.config.tap][:, -rows * columns :] / getattr(self.model.encoder.config, "scale", 1.0)

    def compared(self, codes_VTH: Tensor, held_VTSD: Tensor, share_VTSD: Tensor) -> Tensor:
        """By the cross-entropy of every slot that is asked, too."""
        total = super().compared(codes_VTH, held_VTSD, share_VTSD)
        asked = held_VTSD[..., 0] != IGNORE
        for slot in range(self.slots):
            here = asked[..., slot]
            chances = self._chances(held_VTSD[..., slot, :][here], share_VTSD[..., slot, :][here])
            total = total + F.cross_entropy(self.scores(slot, codes_VTH[here]).float(), chances, reduction="sum")
        return total

    def scores(self, slot: int, codes_NH: Tensor) -> Tensor:
        """[N, W + 1], the last one for nothing."""
        likeness = self.code.likeness(slot, codes_NH, self.table)
        return torch.cat([likeness, self.threshold.to(likeness).expand(len(likeness), 1)], 1) * self.scale.exp()

    def _chances(self, held_ND: Tensor, share_ND: Tensor) -> Tensor:
        """[N, W + 1]: the shares as those of one, what is left is nothing's."""
        share = share_ND / share_ND.sum(-1, keepdim=True).clamp(min=1)
        chances = share.new_zeros(len(held_ND), self.nothing + 1).scatter_add(1, held_ND, share)
        chances[:, self.nothing] = 1 - share.sum(-1)
        return chances
