"""Masked language modelling of answers: words in them are masked and predicted, from the picture and from what stands before
(BEiT-3, arXiv 2208.10442, section 3.1, captioning; s2s-ft, 2110.13640).

A picture sees itself in both directions, words see what stands before them. What ends an answer is always masked, so that the
model learns to stop. It is also what a model trained by masked data modelling needs to write: `omma.parts.backbones.beit3`
puts a mask behind what it has written and asks what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pydantic import Field
from torch import Tensor

from omma.model.segments import IGNORE, Rendered
from omma.objectives.base import OBJECTIVES, MicroBatch
from omma.objectives.masked_modeling import MaskedModeling, MaskedModelingCollator, words_of
from omma.parts.attention import AttentionPlan


@dataclass
class MaskedAnswersCollator(MaskedModelingCollator):
    mask: float

    def masked(self, rendered: Rendered, chance: np.random.Generator) -> np.ndarray:
        learned = rendered.labels != IGNORE
        masked = learned & (chance.random(len(learned)) < self.mask)
        ends = np.flatnonzero(learned & ~np.append(learned[1:], False))
        masked[ends] = True
        return masked


@OBJECTIVES.register("masked-language-modeling")
class MaskedLanguageModeling(MaskedModeling):
    class Config(MaskedModeling.Config):
        mask: float = Field(default=0.6, gt=0, le=1)
        """Share of the words of answers that are masked, beside what ends them."""

    def collator(self) -> MaskedAnswersCollator:
        return MaskedAnswersCollator(**self.collating(), mask=self.config.mask)

    def coefficients(self) -> dict[str, float]:
        return {"loss": 1.0}

    def weights(self, batch: MicroBatch) -> dict[str, float]:
        return {"loss": words_of(batch)}

    def plan(self, document_BL: Tensor, is_image_BL: Tensor) -> AttentionPlan:
        return AttentionPlan.with_pictures(document_BL, is_image_BL)

    def losses(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"loss": self.word_losses(self.hidden(batch), batch)}
