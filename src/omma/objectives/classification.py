"""Classification: which words are said of a picture, with neither their order nor their places.

As encoders learn from labels: every word of the caption is a class that the picture has, and all of them share the probability
evenly ("Exploring the Limits of Weakly Supervised Pretraining", arXiv 1805.00932, section 2; SuperClass, arXiv 2411.03313, with
the tokens of captions for classes, as here). With a single word this is the cross-entropy of ImageNet.

The classifier belongs to the objective: only the encoder is kept. Pictures that come several to a text (panels) take no part.

Shapes: B samples, N of them with one picture, L labels of a sample at most, W tokens of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedTokenizerBase

from omma.data.sample import Sample
from omma.model.composition import Composition, load_tokenizer
from omma.objectives.base import OBJECTIVES, MicroBatch
from omma.objectives.one_encoder import one_encoder
from omma.objectives.picture_text import PictureTextObjective, caption_of, of_one_picture
from omma.parts.base import PartConfig

NONE = -1
"""Where a sample has fewer labels than others."""


@dataclass
class ClassificationTerm:
    tokenizer: PreTrainedTokenizerBase

    def tokens(self, sample: Sample) -> list[int]:
        # With a space in front, the first word is the token that it is anywhere else.
        return sorted(set(self.tokenizer.encode(f" {caption_of(sample)}", add_special_tokens=False)))

    def collate(self, tokens: list[list[int]]) -> dict[str, np.ndarray]:
        labels = np.full((len(tokens), max(map(len, tokens))), NONE, dtype=np.int64)
        for row, one in zip(labels, tokens, strict=True):
            row[: len(one)] = one
        return {"labels": labels}


@OBJECTIVES.register("classification")
class Classification(PictureTextObjective):
    class Config(PartConfig):
        tokenizer: str = "zoo:lm-small"
        """Whose tokens are the classes."""
        encoder: int | None = Field(default=None, ge=0)
        """Which of several encoders side by side learns, counted from 0; none for a model that has one."""
        micro_samples: int = Field(default=64, ge=1)

    def __init__(self, config: Config, *, model: Composition) -> None:
        model = one_encoder(model, config.encoder)
        super().__init__(config, model=model)
        assert model.encoder is not None
        self.tokenizer = load_tokenizer(config.tokenizer, where="objective.tokenizer")
        self.classifier = nn.Linear(model.encoder.width, len(self.tokenizer))

    def term(self) -> ClassificationTerm:
        return ClassificationTerm(self.tokenizer)

    def weight(self, own: MicroBatch, batch: MicroBatch) -> float:
        return float((batch["view_counts"] == 1).sum())

    def loss(self, hidden: tuple[Tensor, ...], view_counts: Tensor, own: Mapping[str, Any]) -> Tensor:
        assert self.model.encoder is not None
        features_NTC, single_B = of_one_picture(hidden[-1], view_counts)
        scores_NW = self.classifier(self.model.encoder.summary(features_NTC)).float()
        labels_NL = own["labels"][single_B]
        has_NL = labels_NL != NONE
        chances_NW = scores_NW.new_zeros(scores_NW.shape).scatter_add(
            1, labels_NL.clamp(min=0), has_NL / has_NL.sum(1, keepdim=True).clamp(min=1)
        )
        return F.cross_entropy(scores_NW, chances_NW, reduction="sum")
