"""Captioning: a small decoder writes the description from the encoder's features by cross-attention.

It keeps in the features where things are and how many, which matching alone throws away (CapPa, arXiv 2306.07915; beside
the sigmoid loss in SigLIP 2, 2502.14786, section 2.2). As in LocCa (2403.19596), whose decoder SigLIP 2 takes, a share of
the samples is read out by place instead of as a caption: a box is given and what it holds is to be said (grounded
captioning), or the other way round (referring). The decoder belongs to the objective and is not kept. It reads the layer
that the vision-language model will tap.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import GPT2Config, GPT2Model, PreTrainedTokenizerBase

from omma.data.sample import Box, Sample
from omma.model.composition import Composition, load_tokenizer
from omma.model.segments import IGNORE
from omma.objectives.base import OBJECTIVES, MicroBatch
from omma.objectives.picture_text import MOST_PICTURES, PictureTextObjective, per_sample, text_of
from omma.parts.base import PartConfig
from omma.parts.resolution.base import Resolution


@dataclass
class Written:
    """What the decoder writes for one sample: its tokens, and which of them are learned."""

    ids: list[int]
    learned: list[bool]

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, ids: list[int], *, learned: bool) -> None:
        self.ids += ids
        self.learned += [learned] * len(ids)


@dataclass
class CaptioningTerm:
    tokenizer: PreTrainedTokenizerBase
    resolution: Resolution
    max_tokens: int
    grounded: float

    def tokens(self, sample: Sample) -> Written:
        written = Written([self.tokenizer.bos_token_id], [False])
        rng = random.Random(sample.id)
        boxes = [box for box in (*sample.boxes, *sample.words) if box.label]
        if boxes and rng.random() < self.grounded:
            self._by_place(written, sample, boxes, rng)
        else:
            written.add(self._encoded(text_of(sample))[: self.max_tokens - 2], learned=True)
        written.add([self.tokenizer.eos_token_id], learned=True)
        return written

    def _by_place(self, written: Written, sample: Sample, boxes: list[Box], rng: random.Random) -> None:
        """As many boxes as fit, in random order, each with its place given or asked for."""
        left, top, right, bottom = self.resolution.plan(*sample.images[0].size).region_of(0)
        rng.shuffle(boxes)
        for box in boxes:
            horizontal = [(x - left) / (right - left) for x in (box.left, box.right)]
            vertical = [(y - top) / (bottom - top) for y in (box.top, box.bottom)]
            corners = (horizontal[0], vertical[0], horizontal[1], vertical[1])
            # Hundredths of the view: its patches are coarser.
            place = self._encoded("".join(f"{min(99, max(0, int(100 * c))):02d}" for c in corners))
            label = self._encoded(f" {box.label.lower()}")
            between, end = self._encoded(":"), self._encoded(";")
            if len(written) + len(place + between + label + end) >= self.max_tokens:
                return
            given = rng.random() < 0.5
            first, second = (place, label) if given else (label, place)
            written.add(first + between, learned=False)
            written.add(second + end, learned=True)

    def _encoded(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False)

    def collate(self, tokens: list[Written]) -> dict[str, np.ndarray]:
        longest = -(-max(map(len, tokens)) // 8) * 8
        ids = np.full((len(tokens), longest), self.tokenizer.pad_token_id, dtype=np.int64)
        labels = np.full((len(tokens), longest), IGNORE, dtype=np.int64)
        for row, label, one in zip(ids, labels, tokens, strict=True):
            row[: len(one)] = one.ids
            label[: len(one) - 1] = np.where(one.learned[1:], one.ids[1:], IGNORE)
        return {"ids": ids, "labels": labels}


@OBJECTIVES.register("captioning")
class Captioning(PictureTextObjective):
    class Config(PartConfig):
        tokenizer: str = "zoo:lm-small"
        layers: int = Field(default=2, ge=1)
        max_tokens: int = Field(default=128, ge=8)
        micro_samples: int = Field(default=64, ge=1)
        tap: int = -2
        """Which hidden state of the encoder is read."""
        grounded: float = Field(default=0.0, ge=0, le=1)
        """Share of the samples with boxes or words that are read out by place instead of as a caption."""

    def __init__(self, config: Config, *, model: Composition) -> None:
        super().__init__(config, model=model)
        assert model.encoder is not None
        self.tokenizer = load_tokenizer(config.tokenizer, where="objective.tokenizer")
        vision = model.encoder.model.config
        self.norm = nn.LayerNorm(vision.hidden_size)
        self.picture_number = nn.Embedding(MOST_PICTURES, vision.hidden_size)
        nn.init.normal_(self.picture_number.weight, std=0.02)
        self.decoder = GPT2Model(
            GPT2Config(
                vocab_size=len(self.tokenizer),
                n_positions=config.max_tokens,
                n_embd=vision.hidden_size,
                n_layer=config.layers,
                n_head=vision.num_attention_heads,
                bos_token_id=self.tokenizer.bos_token_id,
                eos_token_id=self.tokenizer.eos_token_id,
                add_cross_attention=True,
                resid_pdrop=0.0,
                embd_pdrop=0.0,
                attn_pdrop=0.0,
            )
        )

    def term(self) -> CaptioningTerm:
        assert self.model.resolution is not None
        return CaptioningTerm(self.tokenizer, self.model.resolution, self.config.max_tokens, self.config.grounded)

    def weight(self, own: MicroBatch, batch: MicroBatch) -> float:
        return float((own["labels"] != IGNORE).sum())

    def loss(self, hidden: tuple[Tensor, ...], view_counts: Tensor, own: Mapping[str, Any]) -> Tensor:
        # The last entry is the final output after the norm; taps count the hidden states before it.
        features, mask, number = per_sample(hidden[:-1][self.config.tap], view_counts)
        features = self.norm(features) + self.picture_number(number)
        states = self.decoder(
            input_ids=own["ids"],
            encoder_hidden_states=features,
            encoder_attention_mask=None if bool(mask.all()) else mask.to(features.dtype),
            use_cache=False,
        ).last_hidden_state
        learned = own["labels"] != IGNORE
        logits = F.linear(states[learned], self.decoder.wte.weight)
        return F.cross_entropy(logits.float(), own["labels"][learned], reduction="sum")
