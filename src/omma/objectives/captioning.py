"""Captioning: a small decoder writes the description from the encoder's features by cross-attention.

It keeps in the features where things are and how many, which matching alone throws away (CapPa, arXiv 2306.07915; beside
the sigmoid loss in SigLIP 2, 2502.14786, section 2.2). As in LocCa (2403.19596), whose decoder SigLIP 2 takes, a share of
the samples is read out by place instead (grounded captioning): boxes are given one after another, and what each holds is
to be said. LocCa writes boxes as tokens; ours are waves added to the tokens that speak of them, which then see only the
features inside: a short training has no time to learn numbers, and where to look, before it learns what is there. The
decoder belongs to the objective and is not kept. It reads the layer that the
vision-language model will tap.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import GPT2Config, GPT2Model, PreTrainedTokenizerBase

from omma.data.sample import Box, Sample
from omma.model.composition import Composition, load_tokenizer
from omma.model.segments import IGNORE
from omma.objectives.base import OBJECTIVES, MicroBatch
from omma.objectives.picture_text import (
    MOST_PICTURES,
    PictureTextObjective,
    heads_of,
    per_sample,
    refuse_other_views,
    text_of,
)
from omma.parts.base import PartConfig
from omma.parts.resolution.base import Resolution

WAVES = 6
"""Octaves in which a place is told, from the whole picture to a thirty-second of it."""

Place = tuple[float, float, float, float]
"""Centre and size (x, y, width, height) of a box, as shares of the view."""


@dataclass
class Written:
    """What the decoder writes for one sample: its tokens, and the place that each of them speaks of."""

    ids: list[int]
    places: list[Place | None]

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, ids: list[int], place: Place | None = None) -> None:
        self.ids += ids
        self.places += [place] * len(ids)


@dataclass
class CaptioningTerm:
    tokenizer: PreTrainedTokenizerBase
    resolution: Resolution
    max_tokens: int
    grounded: float

    def tokens(self, sample: Sample) -> Written:
        written = Written([self.tokenizer.bos_token_id], [None])
        rng = random.Random(sample.id)
        boxes = [box for box in (*sample.boxes, *sample.words) if box.label]
        if boxes and rng.random() < self.grounded:
            self._by_place(written, sample, boxes, rng)
        else:
            written.add(self._encoded(text_of(sample))[: self.max_tokens - 2])
        written.add([self.tokenizer.eos_token_id])
        return written

    def _by_place(self, written: Written, sample: Sample, boxes: list[Box], rng: random.Random) -> None:
        """What is in as many boxes as fit, in random order."""
        left, top, right, bottom = self.resolution.plan(*sample.images[0].size).region_of(0)
        width, height = right - left, bottom - top
        rng.shuffle(boxes)
        for box in boxes:
            label = self._encoded(f" {box.label.lower()};")
            if len(written) + len(label) >= self.max_tokens:
                return
            center = (box.left + box.right) / 2 - left, (box.top + box.bottom) / 2 - top
            extent = (box.right - box.left) / width, (box.bottom - box.top) / height
            written.add(label, (center[0] / width, center[1] / height, *extent))

    def _encoded(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False)

    def collate(self, tokens: list[Written]) -> dict[str, np.ndarray]:
        """``ids`` and ``labels`` [B, L]; ``places`` [B, L, 4] of the token that is to be written next, NaN for none."""
        longest = _padded(max(map(len, tokens)))
        ids = np.full((len(tokens), longest), self.tokenizer.pad_token_id, dtype=np.int64)
        labels = np.full((len(tokens), longest), IGNORE, dtype=np.int64)
        places = np.full((len(tokens), longest, 4), np.nan, dtype=np.float32)
        for row, one in enumerate(tokens):
            ids[row, : len(one)] = one.ids
            labels[row, : len(one) - 1] = one.ids[1:]
            for position, place in enumerate(one.places[1:]):
                if place is not None:
                    places[row, position] = place
        return {"ids": ids, "labels": labels, "places": places}


def _padded(length: int) -> int:
    """Rows are as long as the next multiple of eight: fewer shapes, faster products."""
    return -(-length // 8) * 8


class PlaceEmbedding(nn.Module):
    """Places [..., 4] as vectors [..., width]; zero where there is none (NaN)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(4 * 2 * WAVES, width)

    def forward(self, places: Tensor) -> Tensor:
        there = ~places.isnan().any(-1, keepdim=True)
        angles = places.nan_to_num()[..., None] * (math.pi * 2.0 ** torch.arange(WAVES, device=places.device))
        waves = torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(-2)
        return self.linear(waves.to(self.linear.weight.dtype)) * there


def inside(places_BL4: Tensor, features: int) -> Tensor:
    """Which features of a square grid a token may see [B, L, features]: those that its place touches, all if it has none."""
    side = math.isqrt(features)
    edges = torch.arange(side + 1, device=places_BL4.device) / side
    # A box without extent, or outside the view, would touch nothing.
    center, half = places_BL4[..., :2], (places_BL4[..., 2:] / 2).clamp(min=0.25 / side)
    low = (center - half).clamp(0, 1 - 0.5 / side)[..., None]
    high = (center + half).clamp(0.5 / side, 1)[..., None]
    touched = (edges[:-1] < high) & (edges[1:] > low)
    columns, rows = touched[..., 0, :], touched[..., 1, :]
    cells = (rows[..., :, None] & columns[..., None, :]).flatten(-2)
    return cells | places_BL4.isnan().any(-1, keepdim=True)


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
        assert model.encoder is not None and model.resolution is not None
        if config.grounded:
            refuse_other_views(
                model.resolution,
                "whose features a place can be found in",
                where="recipe field objective.grounded",
                otherwise=", or leave grounded at 0",
            )
        self.tokenizer = load_tokenizer(config.tokenizer, where="objective.tokenizer")
        width = model.encoder.width
        self.norm = nn.LayerNorm(width)
        self.picture_number = nn.Embedding(MOST_PICTURES, width)
        nn.init.normal_(self.picture_number.weight, std=0.02)
        self.place = PlaceEmbedding(width)
        self.decoder = GPT2Model(
            GPT2Config(
                vocab_size=len(self.tokenizer),
                n_positions=_padded(config.max_tokens),
                n_embd=width,
                n_layer=config.layers,
                n_head=heads_of(width),
                bos_token_id=self.tokenizer.bos_token_id,
                eos_token_id=self.tokenizer.eos_token_id,
                # The same function as GPT-2's own, in one kernel instead of eight.
                activation_function="gelu_pytorch_tanh",
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
        tapped = hidden[:-1][self.config.tap]
        features, mask, number = per_sample(tapped, view_counts)
        features = self.norm(features) + self.picture_number(number)
        first = inside(own["places"], tapped.shape[1])
        anywhere = own["places"].isnan().any(-1, keepdim=True)
        rest = anywhere.expand(-1, -1, mask.shape[1] - first.shape[2])
        visible = mask[:, None] & torch.cat([first, rest], dim=2)
        states = self.decoder(
            inputs_embeds=self.decoder.wte(own["ids"]) + self.place(own["places"]),
            encoder_hidden_states=features,
            encoder_attention_mask=visible[:, None],
            use_cache=False,
        ).last_hidden_state
        learned = own["labels"] != IGNORE
        logits = F.linear(states[learned], self.decoder.wte.weight)
        return F.cross_entropy(logits.float(), own["labels"][learned], reduction="sum")
