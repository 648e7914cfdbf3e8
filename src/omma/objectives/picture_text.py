"""What objectives on pictures with a text beside them share: collation, and one pass of the encoder for all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from omma.data.sample import Role, Sample
from omma.errors import BadInput
from omma.model.composition import Composition
from omma.model.pixels import views_uint8
from omma.model.product_attention import attending_fastest
from omma.objectives.base import MicroBatch, Objective, Step
from omma.objectives.one_encoder import not_one_encoder
from omma.parts.encoders.base import Encoder, Normalization
from omma.parts.pixels import normalize
from omma.parts.resolution.base import Resolution

MOST_PICTURES = 8
"""Pictures of one sample that these objectives can tell apart."""


def heads_of(width: int) -> int:
    """Attention heads of a text model beside an encoder of that width: of 64 channels, as everywhere in the field."""
    return max(1, width // 64)


def refuse_other_views(resolution: Resolution, why: str, *, where: str = "model.resolution", otherwise: str = "") -> None:
    """See that a strategy shows every picture as one view of the whole. Raises BadInput, with the reason, if not."""
    if not resolution.is_plain:
        raise BadInput(
            where,
            expected=f"a resolution strategy with one view of the whole picture, {why}",
            found=resolution.config.type,
            remedy=f"use pad-square, crop-square or stretch-square{otherwise}",
        )


def text_of(sample: Sample) -> str:
    """What is said of the pictures: the last thing the assistant says."""
    return next(turn.text for turn in reversed(sample.turns) if turn.role is Role.ASSISTANT)


def caption_of(sample: Sample) -> str:
    """A short text for matching: the sample's own caption if it has one beside its description."""
    return str(sample.meta.get("caption") or text_of(sample))


def key_of(branch: int) -> str:
    """Under which name a micro-batch holds the views [V, height, width, 3] that one of several encoders reads."""
    return f"views {branch}" if branch else "views"


@dataclass
class PictureTextCollator:
    """Pictures once for every encoder (`key_of`), and each term's token ids under ``<term>.<name>``."""

    resolution: Resolution
    normalizations: Sequence[Normalization]
    terms: dict[str, Any]
    micro_samples: int

    def prepare(self, sample: Sample, position: int = 0) -> tuple[list[np.ndarray], dict[str, Any]]:
        """Views by encoder, and tokens by term."""
        if not 0 < len(sample.images) <= MOST_PICTURES:
            raise BadInput(
                f"sample {sample.id}",
                expected=f"1 to {MOST_PICTURES} pictures",
                found=f"{len(sample.images)}",
                remedy="leave it out",
            )
        views: list[list[np.ndarray]] = [[] for _ in self.normalizations]
        for image in sample.images:
            plan = self.resolution.plan(*image.size)
            for view, pixels in zip(plan.views, views_uint8(image, plan, self.normalizations), strict=True):
                views[view.branch].append(pixels)
        return [np.stack(of_one) for of_one in views], {name: term.tokens(sample) for name, term in self.terms.items()}

    def collate(self, prepared: Sequence[tuple[list[np.ndarray], dict[str, Any]]]) -> Step:
        batches: list[MicroBatch] = []
        # Those with as many views together, or a few samples of three pictures make everybody's features thrice as long.
        by_views: dict[int, list[tuple[list[np.ndarray], dict[str, Any]]]] = defaultdict(list)
        for one in prepared:
            by_views[len(one[0][0])].append(one)
        for part in (
            alike[start : start + self.micro_samples]
            for _, alike in sorted(by_views.items())
            for start in range(0, len(alike), self.micro_samples)
        ):
            batch: MicroBatch = {
                key_of(branch): np.concatenate([views[branch] for views, _ in part])
                for branch in range(len(self.normalizations))
            }
            batch["view_counts"] = np.array([len(views[0]) for views, _ in part])
            for name, term in self.terms.items():
                arrays = term.collate([tokens[name] for _, tokens in part])
                batch |= {f"{name}.{key}": array for key, array in arrays.items()}
            batches.append(batch)
        return Step(
            batches,
            samples=len(prepared),
            tokens=sum(len(t) for _, tokens in prepared for t in tokens.values()),
            images=sum(len(views[0]) for views, _ in prepared),
        )


def _towers(module: nn.Module) -> list[PreTrainedModel]:
    """The outermost models of `transformers` in a module."""
    if isinstance(module, PreTrainedModel):
        return [module]
    return [tower for child in module.children() for tower in _towers(child)]


class PictureTextObjective(Objective):
    """An objective that reads the encoder once for whole micro-batches: its hidden states, unless a subclass says otherwise."""

    def __init__(self, config: Any, *, model: Composition) -> None:
        super().__init__(config)
        # In a list, so that the model's parameters are not counted as the objective's own.
        self._model = [model]
        self.check_encoder()

    @property
    def model(self) -> Composition:
        return self._model[0]

    def check_encoder(self) -> None:
        """See that the model has an encoder that can be read as this objective does. Raises BadInput if not."""
        encoder = self.model.encoder
        if encoder is None or type(encoder).hidden_states is Encoder.hidden_states:
            raise not_one_encoder(self.model, f"an encoder by itself, which the objective {self.config.type} trains")

    def term(self) -> Any:
        """The worker's half of this term: ``tokens(sample)`` and ``collate(list of tokens)``."""
        raise NotImplementedError

    def terms(self) -> dict[str, PictureTextObjective]:
        """This objective's terms by name: itself, unless it is a combination."""
        return {self.config.type: self}

    def running(self) -> AbstractContextManager[None]:
        """Inside, encoder and text models attend in the way that is fastest on this machine."""
        assert self.model.encoder is not None
        towers = [*_towers(self.model.encoder), *_towers(self)]
        return attending_fastest(*towers) if towers else nullcontext()

    def coefficients(self) -> dict[str, float]:
        return {self.config.type: 1.0}

    def collator(self) -> PictureTextCollator:
        model = self.model
        assert model.resolution is not None and model.encoder is not None
        terms = {name: term.term() for name, term in self.terms().items()}
        return PictureTextCollator(model.resolution, model.encoder.normalizations, terms, self.config.micro_samples)

    def weights(self, batch: MicroBatch) -> dict[str, float]:
        return {name: term.weight(_own(batch, name), batch) for name, term in self.terms().items()}

    def weight(self, own: MicroBatch, batch: MicroBatch) -> float:
        """What a micro-batch contributes to the divisor of this term."""
        raise NotImplementedError

    def losses(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        hidden = self.seen(batch)
        counts = batch["view_counts"]
        return {name: term.loss(hidden, counts, _own(batch, name)) for name, term in self.terms().items()}

    def seen(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """What `loss` gets of the encoder."""
        return self.hidden_states(batch["views"])

    def hidden_states(self, views_VHW3: Tensor) -> tuple[Tensor, ...]:
        """Hidden states of the encoder, embeddings first, and last its final output after the norm."""
        encoder = self.model.encoder
        assert encoder is not None
        pixels = normalize(views_VHW3, *encoder.normalizations[0]).to(self.model.dtype)
        return encoder.hidden_states(pixels)

    def loss(self, hidden: tuple[Tensor, ...], view_counts: Tensor, own: Mapping[str, Tensor]) -> Tensor:
        """The sum of this term's losses."""
        raise NotImplementedError


def _own(batch: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key.removeprefix(f"{name}."): value for key, value in batch.items() if key.startswith(f"{name}.")}


def of_one_picture(features_VTC: Tensor, view_counts_B: Tensor) -> tuple[Tensor, Tensor]:
    """Features [N, T, C] of the samples that have a single view, and which those are, as a boolean mask [B]."""
    single_B = view_counts_B == 1
    starts_B = view_counts_B.cumsum(0) - view_counts_B
    return features_VTC[starts_B[single_B]], single_B


def per_sample(features_VTC: Tensor, view_counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Features of all views of a sample side by side.

    Returns:
        features [B, views * T, C] padded with zeros, a boolean mask [B, views * T], and the view number [B, views * T].
    """
    counts = view_counts.tolist()
    tokens = features_VTC.shape[1]
    most = max(counts)
    if most == 1:
        mask = torch.ones(features_VTC.shape[:2], dtype=torch.bool, device=features_VTC.device)
        return features_VTC, mask, torch.zeros_like(mask, dtype=torch.long)
    padded = features_VTC.new_zeros(len(counts), most, tokens, features_VTC.shape[2])
    mask = torch.zeros(len(counts), most, tokens, dtype=torch.bool, device=features_VTC.device)
    for row, views in enumerate(features_VTC.split(counts)):
        padded[row, : len(views)] = views
        mask[row, : len(views)] = True
    number = torch.arange(most, device=mask.device)[None, :, None].expand_as(mask)
    return padded.flatten(1, 2), mask.flatten(1), number.flatten(1)
