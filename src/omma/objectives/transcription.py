"""Transcription: what stands in each patch, in the vocabulary of the language model that will read the features.

A captioner that grows up with an encoder learns to find its way through the features, and a language model that comes later
does not (docs/log.md). So every feature says by itself, through one linear map, which words its patch holds: a linear
projector can then turn the picture into the words on it, in their order, which any language model reads. What stands where is
known of generated pages, as it is to LocCa (arXiv 2403.19596) and to the layout models (LayoutLM, 1912.13318).

Shapes: V views, T features of a view, C channels, S tokens that a patch holds at most, W tokens of the vocabulary.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase

from omma.data.sample import Box, Sample, told_by_place
from omma.model.composition import Composition, load_tokenizer
from omma.model.segments import IGNORE
from omma.objectives.base import OBJECTIVES, MicroBatch
from omma.objectives.picture_text import PictureTextObjective, refuse_other_views
from omma.parts.base import PartConfig
from omma.parts.resolution.base import Resolution
from omma.parts.weights import locate

BLANK = 0.1
"""Weight of a place that holds nothing, beside 1 of a token: most of a picture holds nothing."""
ASKED = 0.25
"""Share of the places holding nothing that are asked at all, with the weight of all of them: they take most of the time."""
LINES = 3
"""Heights that are told apart within a patch."""
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,:;-+/$%&!?#'()="
NO_LETTER = len(LETTERS)


@dataclass
class TranscriptionTerm:
    tokenizer: PreTrainedTokenizerBase
    resolution: Resolution
    grid: tuple[int, int]
    slots: int
    nothing: int

    def tokens(self, sample: Sample) -> dict[str, np.ndarray]:
        """What is asked of each patch, [views, T, S] each: every token (``held``) and every printed character (``letters``), a
        share of the places that hold nothing, IGNORE elsewhere."""
        rng = np.random.default_rng(zlib.crc32(sample.id.encode()))
        whole = {"held": (self.held(sample), self.nothing), "letters": (self.letters(sample), NO_LETTER)}
        return {
            name: np.where((found != nothing) | (rng.random(found.shape) < ASKED), found, IGNORE)
            for name, (found, nothing) in whole.items()
        }

    def held(self, sample: Sample) -> np.ndarray:
        """[views, T, S], each patch's tokens from left to right; of the first picture, whose places are known."""
        boxes = told_by_place(sample.words, sample.boxes)
        return self._placed(sample, [(box, *one) for box in boxes for one in self._tokens(box)], self.nothing)

    def letters(self, sample: Sample) -> np.ndarray:
        """[views, T, S], the printed characters of each patch in the same way, as places in `LETTERS`."""
        found = []
        for box in sample.words:
            width = (box.right - box.left) / max(1, len(box.label))
            for place, character in enumerate(box.label.lower()):
                if character in LETTERS:
                    found.append((box, box.left + (place + 0.5) * width, LETTERS.index(character)))
        return self._placed(sample, found, NO_LETTER)

    def _placed(self, sample: Sample, marks: list[tuple[Box, float, int]], nothing: int) -> np.ndarray:
        """Marks (the box that each is in, where it stands from left to right, what it is) by patch."""
        rows, columns = self.grid
        found: dict[tuple[int, int], list[tuple[int, float, int]]] = {}
        left, top, right, bottom = self.resolution.plan(*sample.images[0].size).region_of(0)
        for box, x, mark in marks:
            y = ((box.top + box.bottom) / 2 - top) / (bottom - top) * rows
            row, column = math.floor(y), math.floor((x - left) / (right - left) * columns)
            if 0 <= row < rows and 0 <= column < columns:
                # Line by line, where a patch holds parts of two.
                found.setdefault((row, column), []).append((round(LINES * y), x, mark))
        held = np.full((len(sample.images), rows * columns, self.slots), nothing, dtype=np.int64)
        for (row, column), inside in found.items():
            for slot, (*_, mark) in enumerate(sorted(inside)[: self.slots]):
                held[0, row * columns + column, slot] = mark
        return held

    def _tokens(self, box: Box) -> list[tuple[float, int]]:
        """The tokens of a label with where they stand, if all characters are equally wide."""
        if not box.label:
            return []
        encoded = self.tokenizer(f" {box.label.lower()}", add_special_tokens=False, return_offsets_mapping=True)
        width = (box.right - box.left) / len(box.label)
        # The space before the word takes no place, and what is a space alone is not told.
        return [
            (box.left + ((max(start, 1) + end) / 2 - 1) * width, token)
            for token, (start, end) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
            if end > 1
        ]

    def collate(self, tokens: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        known = [np.arange(len(one["held"])) == 0 for one in tokens]
        return {name: np.concatenate([one[name] for one in tokens]) for name in ("held", "letters")} | {
            "known": np.concatenate(known)
        }


@OBJECTIVES.register("transcription")
class Transcription(PictureTextObjective):
    class Config(PartConfig):
        reader: str = "zoo:lm-small"
        """The language model whose vocabulary and embeddings are aimed at; it is only looked up."""
        slots: int = Field(default=4, ge=1)
        """Tokens, and characters, that a patch can hold."""
        letters: float = Field(default=0.0, ge=0)
        """Coefficient of the printed characters, each patch's own, beside 1 of the tokens: what a word is read from."""
        tap: int = -2
        """Which hidden state of the encoder is read."""
        micro_samples: int = Field(default=64, ge=1)

    def __init__(self, config: Config, *, model: Composition) -> None:
        super().__init__(config, model=model)
        assert model.encoder is not None and model.resolution is not None
        refuse_other_views(model.resolution, "whose features a place can be found in")
        self.tokenizer = load_tokenizer(config.reader, where="objective.reader")
        reader = AutoModelForCausalLM.from_pretrained(locate(config.reader, where="objective.reader"), dtype=torch.float32)
        table = reader.get_input_embeddings().weight.detach()
        # Of length 1 on average, so that scores begin as large as those of any classifier.
        self.register_buffer("table", table / table.norm(dim=-1).mean(), persistent=False)
        width = model.encoder.width
        self.maps = nn.ModuleList(nn.Linear(width, table.shape[1]) for _ in range(config.slots))
        self.spellers = nn.ModuleList(nn.Linear(width, NO_LETTER + 1) for _ in range(config.slots if config.letters else 0))
        self.nothing = nn.Parameter(torch.zeros(table.shape[1]))
        self.norm = nn.LayerNorm(width)
        self.scale = nn.Parameter(torch.tensor(math.log(10.0)))

    def term(self) -> TranscriptionTerm:
        encoder, resolution = self.model.encoder, self.model.resolution
        assert encoder is not None and resolution is not None
        (view,) = resolution.plan(64, 64).views
        grid = encoder.grid((view.box[2] - view.box[0], view.box[3] - view.box[1]))
        return TranscriptionTerm(self.tokenizer, resolution, grid, self.config.slots, len(self.table))

    def weight(self, own: MicroBatch, batch: MicroBatch) -> float:
        held = own["held"][own["known"]]
        nothing = held == len(self.table)
        return float(((held != IGNORE) & ~nothing).sum() + BLANK / ASKED * nothing.sum())

    def loss(self, hidden: tuple[Tensor, ...], view_counts: Tensor, own: Mapping[str, Any]) -> Tensor:
        features = self.norm(hidden[:-1][self.config.tap][own["known"]])
        classes = torch.cat([self.table, self.nothing[None].to(self.table)]).to(features)

        def told(held: Tensor, nothing: int, logits_of: Callable[[int, Tensor], Tensor]) -> Tensor:
            total = features.new_zeros((), dtype=torch.float32)
            for slot in range(self.config.slots):
                asked = held[..., slot] != IGNORE
                marks = held[..., slot][asked]
                losses = F.cross_entropy(logits_of(slot, features[asked]).float(), marks, reduction="none")
                total = total + (losses * torch.where(marks == nothing, BLANK / ASKED, 1.0)).sum()
            return total

        total = told(
            own["held"][own["known"]],
            len(self.table),
            lambda slot, inside: F.linear(self.maps[slot](inside) * self.scale.exp(), classes),
        )
        if self.config.letters:
            spelled = told(own["letters"][own["known"]], NO_LETTER, lambda slot, inside: self.spellers[slot](inside))
            total = total + self.config.letters * spelled
        return total
