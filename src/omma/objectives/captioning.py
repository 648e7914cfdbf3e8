"""Captioning: a small decoder writes the description from the encoder's features by cross-attention.

It keeps in the features where things are and how many, which matching alone throws away (CapPa, arXiv 2306.07915;
LocCa, 2403.19596; beside the sigmoid loss in SigLIP 2, 2502.14786, section 2.2). The decoder belongs to the objective and
is not kept. It reads the layer that the vision-language model will tap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import GPT2Config, GPT2Model, PreTrainedTokenizerBase

from omma.data.sample import Sample
from omma.model.composition import Composition, load_tokenizer
from omma.model.segments import IGNORE
from omma.objectives.base import OBJECTIVES, MicroBatch
from omma.objectives.picture_text import MOST_PICTURES, PictureTextObjective, per_sample, text_of
from omma.parts.base import PartConfig


@dataclass
class CaptioningTerm:
    tokenizer: PreTrainedTokenizerBase
    max_tokens: int

    def tokens(self, sample: Sample) -> list[int]:
        ids = self.tokenizer.encode(text_of(sample), add_special_tokens=False)[: self.max_tokens - 2]
        return [self.tokenizer.bos_token_id, *ids, self.tokenizer.eos_token_id]

    def collate(self, tokens: list[list[int]]) -> dict[str, np.ndarray]:
        longest = -(-max(map(len, tokens)) // 8) * 8
        ids = np.full((len(tokens), longest), self.tokenizer.pad_token_id, dtype=np.int64)
        labels = np.full((len(tokens), longest), IGNORE, dtype=np.int64)
        for row, label, one in zip(ids, labels, tokens, strict=True):
            row[: len(one)] = one
            label[: len(one) - 1] = one[1:]
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

    def __init__(self, config: Config, *, model: Composition) -> None:
        super().__init__(config, model=model)
        assert model.encoder is not None
        self.tokenizer = load_tokenizer(config.tokenizer, where="objective.tokenizer")
        vision = model.encoder.model.config
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
        return CaptioningTerm(self.tokenizer, self.config.max_tokens)

    def weight(self, own: MicroBatch, batch: MicroBatch) -> float:
        return float((own["labels"] != IGNORE).sum())

    def loss(self, hidden: tuple[Tensor, ...], view_counts: Tensor, own: Mapping[str, Any]) -> Tensor:
        # The last entry is the final output after the norm; taps count the hidden states before it.
        features, mask, number = per_sample(hidden[:-1][self.config.tap], view_counts)
        features = features + self.picture_number(number)
        states = self.decoder(
            input_ids=own["ids"],
            encoder_hidden_states=features,
            encoder_attention_mask=None if bool(mask.all()) else mask.to(features.dtype),
            use_cache=False,
        ).last_hidden_state
        learned = own["labels"] != IGNORE
        logits = F.linear(states[learned], self.decoder.wte.weight)
        return F.cross_entropy(logits.float(), own["labels"][learned], reduction="sum")
