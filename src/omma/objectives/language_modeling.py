"""Language modelling: next-token cross-entropy on the learned tokens of conversations, with or without pictures.

Samples are rendered by the same renderer as in chat and evaluation, packed into rows, and isolated from each other by
the attention description. A frozen encoder's features come from the cache where it has them.
(LLaVA, arXiv 2304.08485, section 4.2: the auto-regressive objective over answer tokens.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from pydantic import Field
from torch import Tensor, nn

from omma.data.feature_cache import FeatureReader
from omma.data.packing import pack
from omma.data.sample import ImageSource, Sample
from omma.errors import BadInput
from omma.model.composition import Composition
from omma.model.document_attention import Documents, attending_documents, attends_documents
from omma.model.last_layer import LastLayer
from omma.model.modeling import decoder_hidden, target_losses
from omma.model.pixels import views_uint8
from omma.model.rms_norm import fewer_passes
from omma.model.segments import IGNORE, Rendered, Renderer
from omma.model.views import Arranger, joined_index, shapes_of
from omma.objectives.base import OBJECTIVES, MicroBatch, Objective, Step
from omma.parts.attention import PADDING, AttentionPlan
from omma.parts.backbones.sides import SLOT
from omma.parts.base import PartConfig
from omma.parts.encoders.base import Normalization
from omma.parts.resolution.layout import Arrangement

ROUND_TO = 16
"""Rows are padded to a multiple of this, which matrix kernels like."""


@dataclass(frozen=True)
class Picture:
    """One picture, ready for a micro-batch.

    Attributes:
        key: of the feature cache; empty if the features are from there already.
        data: features [sum of T, C] from the cache, or else the pixels of all views, uint8 and flat.
        shapes: of the views, int64 [V, 5] (`omma.model.views.Shape`).
        arrangement: the sequence that it becomes.
    """

    key: str
    data: np.ndarray
    shapes: np.ndarray
    arrangement: Arrangement


@dataclass(frozen=True)
class Prepared:
    """One sample, ready to be packed: its tokens and its pictures."""

    rendered: Rendered
    pictures: tuple[Picture, ...]


@dataclass
class LanguageModelingCollator:
    """The half of the objective that runs in workers."""

    renderer: Renderer
    arranger: Arranger | None
    normalizations: Sequence[Normalization]
    features: FeatureReader | None
    row_tokens: int
    micro_tokens: int

    def prepare(self, sample: Sample, position: int = 0) -> Prepared:
        rendered = self.rendered(sample)
        return Prepared(rendered, tuple(self._picture(image) for image in sample.images[: len(rendered.image_spans)]))

    def rendered(self, sample: Sample) -> Rendered:
        """A sample's tokens. Raises BadInput if there is nothing to learn in them."""
        rendered = self.renderer.render(sample)
        if (rendered.labels[1:] == IGNORE).all():
            raise BadInput(
                f"sample {sample.id}",
                expected=f"something to learn within {self.renderer.max_length} tokens",
                found="none",
                remedy="give it an answer, or raise max_length",
            )
        return rendered

    def _picture(self, image: ImageSource) -> Picture:
        assert self.arranger is not None
        plan, arrangement = self.arranger.of(image.size)
        shapes = shapes_of(plan)
        if self.features is not None:
            found = self.features.get(image.key, plan)
            if found is not None:
                return Picture("", found[0], shapes, arrangement)
        key = self.features.key(image.key, plan) if self.features is not None else "uncached"
        pixels = np.concatenate([view.reshape(-1) for view in views_uint8(image, plan, self.normalizations)])
        return Picture(key, pixels, shapes, arrangement)

    def collate(self, prepared: Sequence[Prepared]) -> Step:
        lengths = [len(p.rendered.input_ids) for p in prepared]
        rows = pack(lengths, self.row_tokens)
        # Rows of like length share a micro-batch, so that little of it is padding.
        rows.sort(key=lambda row: -sum(lengths[i] for i in row))
        batches: list[MicroBatch] = []
        start = 0
        while start < len(rows):
            width = -(-sum(lengths[i] for i in rows[start]) // ROUND_TO) * ROUND_TO
            stop = start + max(1, self.micro_tokens // width)
            batches.append(self.assemble([[prepared[i] for i in row] for row in rows[start:stop]], width))
            start = stop
        return Step(
            batches,
            samples=len(prepared),
            tokens=sum(lengths),
            images=sum(len(p.pictures) for p in prepared),
        )

    def assemble(self, rows: list[list[Any]], width: int) -> MicroBatch:
        """The micro-batch of rows of prepared samples."""
        batch = _packed(rows, width)
        if pictures := [picture for row in rows for one in row for picture in one.pictures]:
            batch |= _seen(pictures)
        return batch


def _packed(rows: list[list[Prepared]], width: int) -> MicroBatch:
    shape = (len(rows), width)
    batch: MicroBatch = {
        "input_ids": np.zeros(shape, dtype=np.int64),
        "labels": np.full(shape, IGNORE, dtype=np.int64),
        "document": np.full(shape, PADDING, dtype=np.int64),
    }
    for r, row in enumerate(rows):
        start = 0
        for d, one in enumerate(row):
            stop = start + len(one.rendered.input_ids)
            batch["input_ids"][r, start:stop] = one.rendered.input_ids
            batch["labels"][r, start + 1 : stop] = one.rendered.labels[1:]
            batch["document"][r, start:stop] = d
            start = stop
    return batch


def _seen(pictures: Sequence[Picture]) -> MicroBatch:
    """What a micro-batch holds of its pictures, for `Composition.image_vectors`."""
    batch: MicroBatch = {
        "picture_keys": np.array([picture.key for picture in pictures]),
        "view_counts": np.array([len(picture.shapes) for picture in pictures]),
        "view_shapes": np.concatenate([picture.shapes for picture in pictures]),
    }
    # The tokens of whole views stand in their order already: gathering them would cost time for nothing.
    if any(picture.arrangement.reorders for picture in pictures):
        batch["image_index"] = joined_index([picture.arrangement for picture in pictures])
    if new := [picture.data for picture in pictures if picture.key]:
        batch["pixels"] = np.concatenate(new)
    if cached := [picture.data for picture in pictures if not picture.key]:
        batch["features"] = np.concatenate(cached)
    return batch


@OBJECTIVES.register("language-modeling")
class LanguageModeling(Objective):
    any_resolution = True

    class Config(PartConfig):
        row_tokens: int = Field(default=2048, ge=16)
        """Length of packed rows; a longer sample gets a row of its own."""
        micro_tokens: int = Field(default=4096, ge=16)
        """Tokens per micro-batch, padding included: what bounds memory."""
        max_length: int = Field(default=2048, ge=16)
        """Longer samples are cut here, after pictures are spliced in."""
        prompt_share: float = Field(default=0.0, ge=0)
        """Coefficient of the mean loss on everything that is not learned as an answer (system and user words), beside 1
        for answers: what a language model that starts from nothing learns language from (arXiv 2405.14394)."""
        z_loss: float = Field(default=0.0, ge=0)
        """Coefficient of the squared logarithm of the softmax's sum over words, beside 1 for their cross-entropy (PaLM, arXiv
        2204.02311, section 5)."""

    def __init__(self, config: Config, *, model: Composition) -> None:
        super().__init__(config)
        # In a list, so that the model's parameters are not counted as the objective's own.
        self._model = [model]
        if model.vlm is not None and model.vlm.language_model_knows_pictures:
            raise BadInput(
                "model.backbone",
                expected=f"a language model that writes from left to right, for the objective {config.type}",
                found=type(model.language_model).__name__,
                remedy="use the objective masked-language-modeling",
            )
        if model.vlm is not None and model.vlm.language_model_encodes and config.prompt_share:
            raise BadInput(
                f"objective {config.type}, prompt_share",
                expected="0, for a language model that encodes what is said to it and predicts none of it",
                found=f"{config.prompt_share:g}",
                remedy="leave it out",
            )

    @property
    def model(self) -> Composition:
        return self._model[0]

    @cached_property
    def last_layer(self) -> LastLayer:
        return LastLayer(self.model.language_model)

    @contextmanager
    def running(self) -> Iterator[None]:
        language_model = self.model.language_model
        sparing = self.last_layer.sparing() if self._spares else nullcontext()
        with attending_documents(language_model), fewer_passes(language_model), sparing:
            yield

    @property
    def _spares(self) -> bool:
        """An expert looks for its tokens in whole rows."""
        return self.model.vlm is None or self.model.vlm.expert is None

    def collator(self) -> LanguageModelingCollator:
        model, config = self.model, self.config
        return LanguageModelingCollator(
            renderer=model.renderer(max_length=config.max_length),
            arranger=model.arranger,
            normalizations=model.encoder.normalizations if model.encoder is not None else (),
            features=model.feature_reader(),
            row_tokens=config.row_tokens,
            micro_tokens=config.micro_tokens,
        )

    def coefficients(self) -> dict[str, float]:
        share = self.config.prompt_share
        return {"loss": 1.0, "prompt": share} if share else {"loss": 1.0}

    def weights(self, batch: MicroBatch) -> dict[str, float]:
        weights = {"loss": float((batch["labels"] != IGNORE).sum())}
        if self.config.prompt_share:
            weights["prompt"] = float(self._prompt(batch).sum())
        return weights

    def _prompt(self, batch: Mapping[str, Any]) -> Any:
        """Where a word of the prompt is to be predicted: real, not learned, of no picture, not first of its sample."""
        document = batch["document"]
        inside = (document[:, 1:] == document[:, :-1]) & (document[:, 1:] != PADDING)
        ids = batch["input_ids"][:, 1:]
        return inside & (batch["labels"][:, 1:] == IGNORE) & (ids != self.image_token_id) & (ids != SLOT)

    @property
    def image_token_id(self) -> int:
        """What stands for pictures; -1 if there are none."""
        return self.model.vlm.config.image_token_id if self.model.vlm is not None else -1

    def embed(self, batch: Mapping[str, Tensor]) -> Tensor:
        """What the language model reads, [B, L, H]."""
        return self.model.embed(batch)

    def losses(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        plan = AttentionPlan.causal(batch["document"])
        return self.word_losses(batch, self.hidden(batch, plan, self.embed(batch), self.read(batch)))

    def read(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Whether the next word is learned from a token, [B, L]."""
        learned = batch["labels"][:, 1:] != IGNORE
        return nn.functional.pad(learned | self._prompt(batch) if self.config.prompt_share else learned, (0, 1))

    def word_losses(self, batch: Mapping[str, Tensor], hidden_BLH: Tensor) -> dict[str, Tensor]:
        """By term, of last hidden states."""
        language_model, told = self.model.language_model, hidden_BLH[:, :-1]
        learned = batch["labels"][:, 1:] != IGNORE
        targets, z_loss = batch["labels"][:, 1:][learned], self.config.z_loss
        losses = {"loss": target_losses(language_model, told[learned], targets, z_loss)}
        if self.config.prompt_share:
            prompt = self._prompt(batch)
            losses["prompt"] = target_losses(language_model, told[prompt], batch["input_ids"][:, 1:][prompt], z_loss)
        return losses

    def hidden(self, batch: Mapping[str, Tensor], plan: AttentionPlan, embedded_BLH: Tensor, read_BL: Tensor) -> Tensor:
        """Last hidden states [B, L, H] of a micro-batch; those that are not ``read`` mean nothing."""
        model = self.model
        if attends_documents(model.language_model):
            attention: dict[str, Any] = {"documents": Documents.of(plan)}
        else:
            attention = {"attention_mask": plan.dense()}
        attention |= {"inputs_embeds": embedded_BLH, "position_ids": plan.positions()}
        self.last_layer.read(read_BL)
        with model.routing(batch["input_ids"], batch["document"]):
            return decoder_hidden(model.language_model, **attention)
