"""Contrastive: which text belongs to which picture, by pairwise sigmoids or a softmax.

(SigLIP, arXiv 2303.15343; CLIP, 2103.00020.)

The text tower, the attention pooling and the temperature belong to the objective: only the encoder is kept.
Pictures that come several to a text (panels) take no part; equal texts count as matching.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedTokenizerBase, SiglipTextConfig, SiglipTextModel, SiglipVisionConfig
from transformers.models.siglip.modeling_siglip import SiglipMultiheadAttentionPoolingHead

from omma.data.sample import Sample
from omma.model.composition import Composition, load_tokenizer
from omma.objectives.base import OBJECTIVES, MicroBatch
from omma.objectives.one_encoder import one_encoder
from omma.objectives.picture_text import PictureTextObjective, caption_of, heads_of, of_one_picture
from omma.parts.base import PartConfig


@dataclass
class ContrastiveTerm:
    tokenizer: PreTrainedTokenizerBase
    max_tokens: int

    def tokens(self, sample: Sample) -> list[int]:
        return self.tokenizer.encode(caption_of(sample), add_special_tokens=False)[: self.max_tokens]

    def collate(self, tokens: list[list[int]]) -> dict[str, np.ndarray]:
        # SigLIP pads every text to the full length and reads the last position.
        ids = np.full((len(tokens), self.max_tokens), self.tokenizer.pad_token_id, dtype=np.int64)
        for row, one in zip(ids, tokens, strict=True):
            row[: len(one)] = one
        return {"ids": ids}


@OBJECTIVES.register("contrastive")
class Contrastive(PictureTextObjective):
    class Config(PartConfig):
        loss: Literal["sigmoid", "softmax"] = "sigmoid"
        tokenizer: str = "zoo:lm-small"
        text_layers: int = Field(default=2, ge=1)
        max_tokens: int = Field(default=48, ge=4)
        encoder: int | None = Field(default=None, ge=0)
        """Which of several encoders side by side learns, counted from 0; none for a model that has one."""
        micro_samples: int = Field(default=64, ge=2)
        """Pictures that are compared with each other; a contrastive batch cannot be accumulated from smaller ones."""

    def __init__(self, config: Config, *, model: Composition) -> None:
        model = one_encoder(model, config.encoder)
        super().__init__(config, model=model)
        assert model.encoder is not None
        self.tokenizer = load_tokenizer(config.tokenizer, where="objective.tokenizer")
        width, heads = model.encoder.width, heads_of(model.encoder.width)
        self.text = SiglipTextModel(
            SiglipTextConfig(
                vocab_size=len(self.tokenizer),
                hidden_size=width,
                projection_size=width,
                intermediate_size=2 * width,
                num_hidden_layers=config.text_layers,
                num_attention_heads=heads,
                max_position_embeddings=config.max_tokens,
                pad_token_id=self.tokenizer.pad_token_id,
                bos_token_id=self.tokenizer.bos_token_id,
                eos_token_id=self.tokenizer.eos_token_id,
            )
        )
        self.pool = SiglipMultiheadAttentionPoolingHead(
            SiglipVisionConfig(hidden_size=width, intermediate_size=2 * width, num_attention_heads=heads)
        )
        for parameter in (self.pool.probe, self.pool.attention.in_proj_weight, self.pool.attention.out_proj.weight):
            nn.init.xavier_uniform_(parameter)
        # SigLIP section 3.2: temperature 10 and bias -10 at the start; CLIP: temperature 1/0.07.
        self.log_scale = nn.Parameter(torch.tensor(math.log(10 if config.loss == "sigmoid" else 1 / 0.07)))
        self.bias = nn.Parameter(torch.tensor(-10.0), requires_grad=config.loss == "sigmoid")

    def term(self) -> ContrastiveTerm:
        return ContrastiveTerm(self.tokenizer, self.config.max_tokens)

    def weight(self, own: MicroBatch, batch: MicroBatch) -> float:
        return float((batch["view_counts"] == 1).sum())

    def loss(self, hidden: tuple[Tensor, ...], view_counts: Tensor, own: Mapping[str, Any]) -> Tensor:
        features, single = of_one_picture(hidden[-1], view_counts)
        if not bool(single.any()):
            return features.sum() * 0.0
        pictures = F.normalize(self.pool(features).float(), dim=-1)
        ids = own["ids"][single]
        texts = F.normalize(self.text(input_ids=ids).pooler_output.float(), dim=-1)
        same = (ids[:, None] == ids[None, :]).all(-1)
        # CLIP section 2.5: logits are not scaled by more than 100, for stability; SigLIP has no such bound.
        scale = self.log_scale.float() if self.config.loss == "sigmoid" else self.log_scale.float().clamp(max=math.log(100))
        logits = pictures @ texts.T * scale.exp()
        if self.config.loss == "sigmoid":
            signs = same.to(logits.dtype) * 2 - 1
            return -F.logsigmoid(signs * (logits + self.bias.float())).sum()
        targets = same.to(logits.dtype) / same.sum(-1, keepdim=True)
        both = F.cross_entropy(logits, targets, reduction="sum") + F.cross_entropy(logits.T, targets, reduction="sum")
        return both / 2
