"""What objectives share that put masks in place of tokens and predict what stood there (BEiT-3, arXiv 2208.10442).

They train a language model that knows which tokens are pictures, such as `omma.parts.backbones.beit3`: attention is not
causal, and the hidden state of a masked token, not of the one before it, is compared with the token.

Shapes: B rows, L tokens, H model width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydantic import Field
from torch import Tensor

from omma.data.sample import Sample
from omma.errors import BadInput
from omma.model.composition import Composition
from omma.model.modeling import decoder_hidden, target_losses
from omma.model.product_attention import attending_fastest
from omma.model.segments import IGNORE, Rendered
from omma.objectives.base import MicroBatch, Objective
from omma.objectives.crops import chance_of
from omma.objectives.language_modeling import LanguageModelingCollator, Prepared
from omma.parts.attention import PADDING, AttentionPlan, word_positions
from omma.parts.base import PartConfig


@dataclass
class MaskedModelingCollator(LanguageModelingCollator):
    """Tokens with masks in the place of some, and those as labels."""

    mask_id: int

    def prepare(self, sample: Sample, position: int = 0) -> Prepared:
        rendered = self.renderer.render(sample)
        chance = chance_of(f"{sample.id}/{position}")
        masked = self.masked(rendered, chance)
        # The first token of a document has nobody before it to be learned from: packing leaves its label out.
        masked[0] = False
        hidden = replace(
            rendered,
            input_ids=np.where(masked, self.mask_id, rendered.input_ids),
            labels=np.where(masked, rendered.input_ids, IGNORE),
        )
        pictures = tuple(self._picture(image) for image in sample.images[: len(rendered.image_spans)])
        return self.finished(sample, Prepared(hidden, pictures), chance)

    def masked(self, rendered: Rendered, chance: np.random.Generator) -> np.ndarray:
        """Which tokens [L] a mask is put in place of."""
        raise NotImplementedError

    def finished(self, sample: Sample, prepared: Prepared, chance: np.random.Generator) -> Prepared:
        """What else is hidden of a sample.

        Raises:
            BadInput: if nothing is.
        """
        if (prepared.rendered.labels == IGNORE).all():
            raise BadInput(
                f"sample {sample.id}",
                expected=f"words that can be masked within {self.renderer.max_length} tokens",
                found="none",
                remedy="leave it out, or raise max_length",
            )
        return prepared


class MaskedModeling(Objective):
    """Predicts masked tokens.

    Raises:
        BadInput: if the language model writes from left to right.
    """

    class Config(PartConfig):
        row_tokens: int = Field(default=2048, ge=16)
        """Length of packed rows; a longer sample gets a row of its own."""
        micro_tokens: int = Field(default=4096, ge=16)
        """Tokens per micro-batch, padding included: what bounds memory."""
        max_length: int = Field(default=1024, ge=16)
        """Longer samples are cut here, after pictures are spliced in."""

    def __init__(self, config: Any, *, model: Composition) -> None:
        super().__init__(config)
        # In a list, so that the model's parameters are not counted as the objective's own.
        self._model = [model]
        if model.vlm is None or not model.vlm.language_model_knows_pictures:
            found = "none" if model.language_model is None else type(model.language_model).__name__
            raise BadInput(
                "model.backbone",
                expected=f"a language model that looks both ways, beside an encoder, for the objective {config.type}",
                found=found,
                remedy="use an architecture with model_type omma_beit3, or the objective language-modeling",
            )

    @property
    def model(self) -> Composition:
        return self._model[0]

    @contextmanager
    def running(self) -> Iterator[None]:
        assert self.model.language_model is not None
        with attending_fastest(self.model.language_model):
            yield

    def collating(self) -> dict[str, Any]:
        """The arguments of a `MaskedModelingCollator`."""
        model, config = self.model, self.config
        assert model.encoder is not None and model.language_model is not None
        return {
            "renderer": model.renderer(max_length=config.max_length),
            "arranger": model.arranger,
            "normalizations": model.encoder.normalizations,
            "features": model.feature_reader(),
            "row_tokens": config.row_tokens,
            "micro_tokens": config.micro_tokens,
            "mask_id": model.language_model.config.mask_token_id,
        }

    def plan(self, document_BL: Tensor, is_image_BL: Tensor) -> AttentionPlan:
        """Who looks at whom."""
        raise NotImplementedError

    def is_image(self, batch: Mapping[str, Any]) -> Any:
        """Image tokens [B, L]."""
        assert self.model.vlm is not None
        return batch["input_ids"] == self.model.vlm.config.image_token_id

    def embed(self, batch: Mapping[str, Tensor]) -> Tensor:
        """What the language model reads, [B, L, H]."""
        return self.model.embed(batch)

    def hidden(self, batch: Mapping[str, Tensor]) -> Tensor:
        """The last hidden states [B, L, H] of a micro-batch."""
        model, document = self.model, batch["document"]
        assert model.language_model is not None
        is_image = self.is_image(batch)
        with model.routing(batch["input_ids"], document):
            return decoder_hidden(
                model.language_model,
                inputs_embeds=self.embed(batch),
                attention_mask=self.plan(document, is_image).dense(),
                position_ids=word_positions(~is_image & (document != PADDING), document),
            )

    def word_losses(self, hidden_BLH: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Summed cross-entropy of the masked words."""
        learned = batch["labels"] != IGNORE
        assert self.model.language_model is not None
        return target_losses(self.model.language_model, hidden_BLH[learned], batch["labels"][learned])


def words_of(batch: MicroBatch) -> float:
    """Masked words of a micro-batch."""
    return float((batch["labels"] != IGNORE).sum())
