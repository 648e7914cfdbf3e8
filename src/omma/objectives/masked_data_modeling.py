"""Masked data modelling: pictures, texts and pairs of both are one kind of data, of which a part is to be guessed (BEiT-3,
arXiv 2208.10442, section 2.2).

Of a picture blocks of patches are masked, and the codes that an image tokenizer has for them are the answers; of a text
tokens are masked. Every token sees its whole document. One mean over all that was masked is the loss.

Shapes: B rows, L tokens, P pictures, T patches of each, H model width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from omma.data.sample import Sample
from omma.errors import BadInput
from omma.model.composition import Composition
from omma.model.segments import Rendered
from omma.objectives.base import OBJECTIVES, MicroBatch
from omma.objectives.block_mask import block_mask
from omma.objectives.language_modeling import Prepared
from omma.objectives.masked_modeling import MaskedModeling, MaskedModelingCollator, words_of
from omma.objectives.picture_text import refuse_other_views
from omma.parts.attention import AttentionPlan
from omma.parts.base import part_field
from omma.parts.encoders.patches import Patches
from omma.parts.pixels import normalize
from omma.parts.projectors.patch_embedding import PatchEmbedding
from omma.parts.resolution.base import Grid
from omma.parts.tokenizers.base import IMAGE_TOKENIZERS, ImageTokenizer


@dataclass(frozen=True)
class Hidden(Prepared):
    """One sample with masks: which patches of its pictures are hidden [pictures * T]."""

    patches: np.ndarray


@dataclass
class MaskedDataCollator(MaskedModelingCollator):
    kept: frozenset[int]
    """Ids that are never masked: special tokens, and what stands for pictures."""
    text: float
    paired_text: float
    image: float
    grid: Grid

    def masked(self, rendered: Rendered, chance: np.random.Generator) -> np.ndarray:
        ids = rendered.input_ids
        words = np.flatnonzero(~np.isin(ids, list(self.kept)))
        share = self.paired_text if rendered.image_spans else self.text
        masked = np.zeros(len(ids), dtype=bool)
        if len(words) and share:
            masked[chance.choice(words, size=max(1, round(share * len(words))), replace=False)] = True
        return masked

    def finished(self, sample: Sample, prepared: Prepared, chance: np.random.Generator) -> Hidden:
        patches = self.grid[0] * self.grid[1]
        masks = [block_mask(self.grid, round(self.image * patches), chance) for _ in prepared.pictures]
        if not masks:
            super().finished(sample, prepared, chance)
        return Hidden(prepared.rendered, prepared.pictures, np.concatenate(masks) if masks else np.zeros(0, dtype=bool))

    def assemble(self, rows: list[list[Any]], width: int) -> MicroBatch:
        return super().assemble(rows, width) | {
            "masked_patches": np.concatenate([one.patches for row in rows for one in row])
        }


@OBJECTIVES.register("masked-data-modeling")
class MaskedDataModeling(MaskedModeling):
    class Config(MaskedModeling.Config):
        visual_tokenizer: part_field(IMAGE_TOKENIZERS)  # type: ignore[valid-type]
        """Whose codes are guessed; it does not learn."""
        text: float = Field(default=0.15, ge=0, lt=1)
        """Share of the words that are masked in a text without a picture."""
        paired_text: float = Field(default=0.5, ge=0, lt=1)
        """Share of the words that are masked beside a picture."""
        image: float = Field(default=0.4, gt=0, lt=1)
        """Share of the patches that are masked, with words beside them or without."""

    def __init__(self, config: Config, *, model: Composition) -> None:
        super().__init__(config, model=model)
        assert model.resolution is not None and model.language_model is not None
        if not (isinstance(model.encoder, Patches) and isinstance(model.projector, PatchEmbedding)):
            raise BadInput(
                "model.projector",
                expected=f"patch-embedding over an encoder of type patches, for the objective {config.type}",
                found=f"{model.projector.config.type} over {model.encoder.config.type}",  # type: ignore[union-attr]
                remedy="use these: a mask in place of features that have seen each other hides nothing",
            )
        refuse_other_views(model.resolution, f"which the objective {config.type} hides a part of")
        size = model.resolution.plan(1, 1).views[0].size
        self.grid = model.encoder.grid(size)
        self.visual_tokenizer: ImageTokenizer = config.visual_tokenizer.build(load_weights=True)
        coded = self.visual_tokenizer.grid(size)
        if coded != self.grid:
            raise BadInput(
                "recipe field objective.visual_tokenizer",
                expected=f"one code for each of the {self.grid[0]} x {self.grid[1]} patches of the model",
                found=f"{coded[0]} x {coded[1]} codes",
                remedy="give both the same patches",
            )
        self.head = nn.Linear(model.language_model.config.hidden_size, self.visual_tokenizer.vocabulary)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def collator(self) -> MaskedDataCollator:
        config, tokenizer = self.config, self.model.tokenizer
        assert tokenizer is not None and self.model.vlm is not None
        kept = frozenset({*tokenizer.all_special_ids, self.model.vlm.config.image_token_id})
        return MaskedDataCollator(
            **self.collating(),
            kept=kept,
            text=config.text,
            paired_text=config.paired_text,
            image=config.image,
            grid=self.grid,
        )

    def coefficients(self) -> dict[str, float]:
        return {"words": 1.0, "patches": 1.0}

    def weights(self, batch: MicroBatch) -> dict[str, float]:
        """Both have all that was masked for a divisor, so their sum is one mean."""
        masked = words_of(batch) + float(batch["masked_patches"].sum())
        return {"words": masked, "patches": masked}

    def plan(self, document_BL: Tensor, is_image_BL: Tensor) -> AttentionPlan:
        return AttentionPlan.bidirectional(document_BL)

    def embed(self, batch: Mapping[str, Tensor]) -> Tensor:
        model = self.model
        assert model.vlm is not None and isinstance(model.projector, PatchEmbedding)
        if "picture_keys" not in batch:
            return model.vlm.embed(batch["input_ids"], None)
        patches = self.grid[0] * self.grid[1]
        features = model.features(batch).unflatten(0, (-1, patches))
        vectors = model.projector.embed(features, self.grid, batch["masked_patches"].view(-1, patches))
        return model.vlm.embed(batch["input_ids"], vectors.flatten(0, 1))

    def losses(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        hidden = self.hidden(batch)
        losses = {"words": self.word_losses(hidden, batch), "patches": hidden.new_zeros((), dtype=torch.float32)}
        masked = batch["masked_patches"]
        if len(masked):
            patches = self.grid[0] * self.grid[1]
            # Before the patches of a picture stands a vector that is none of them.
            seen = hidden[self.is_image(batch)].unflatten(0, (-1, 1 + patches))[:, 1:].flatten(0, 1)
            logits = self.head(seen[masked])
            losses["patches"] = F.cross_entropy(logits.float(), self.codes(batch["pixels"])[masked], reduction="sum")
        return losses

    def codes(self, pixels: Tensor) -> Tensor:
        """What the tokenizer has for the patches [P * T] of flat uint8 views."""
        assert self.model.resolution is not None
        width, height = self.model.resolution.plan(1, 1).views[0].size
        views = pixels.view(-1, height, width, 3)
        return self.visual_tokenizer.codes(
            normalize(views, *self.visual_tokenizer.normalization).to(self.head.weight.dtype)
        ).flatten()
