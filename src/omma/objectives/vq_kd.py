"""VQ-KD: an image tokenizer learns codes from which the features of another encoder can be told (BEiT v2, arXiv 2208.06366,
section 2.2).

The tokenizer and a light decoder belong to the objective. The next stage's objective takes the tokenizer over if it names
the same one.

Shapes: N pictures, T patches, C channels of the teacher, D numbers of a code, W width of the decoder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from omma.errors import BadInput
from omma.model.composition import Composition
from omma.model.product_attention import attending_fastest
from omma.objectives.base import OBJECTIVES, MicroBatch, Objective
from omma.objectives.crops import Scale
from omma.objectives.images_alone import OneViewCollator
from omma.objectives.picture_text import refuse_other_views
from omma.objectives.pixel_decoder import NORM_EPSILON, Block
from omma.parts.base import PartConfig, part_field
from omma.parts.encoders.base import ENCODERS, Encoder
from omma.parts.pixels import normalize
from omma.parts.tokenizers.base import IMAGE_TOKENIZERS
from omma.parts.tokenizers.vq_kd import VqKd


class FeatureDecoder(nn.Module):
    """Features [N, T, d_out] from codes [N, T, D]: transformer blocks over them and learned positions."""

    def __init__(self, d_in: int, d_out: int, places: int, *, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.embed = nn.Linear(d_in, width)
        self.positions = nn.Embedding(places, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width, eps=NORM_EPSILON)
        self.predict = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, d_out))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        nn.init.trunc_normal_(self.positions.weight, std=0.02)

    def forward(self, codes_NTD: Tensor) -> Tensor:
        hidden = self.embed(codes_NTD) + self.positions.weight
        for block in self.blocks:
            hidden = block(hidden)
        return self.predict(self.norm(hidden))


@OBJECTIVES.register("vq-kd")
class VqKdObjective(Objective):
    """One minus the cosine between the decoder's and the teacher's features, and the commitment of vectors to their codes."""

    class Config(PartConfig):
        visual_tokenizer: part_field(IMAGE_TOKENIZERS)  # type: ignore[valid-type]
        """What is taught, of type ``vq-kd``."""
        teacher: part_field(ENCODERS)  # type: ignore[valid-type]
        """Whose features are guessed: one for each patch of the tokenizer."""
        layers: int = Field(default=3, ge=1)
        width: int = Field(default=768, ge=1)
        heads: int = Field(default=12, ge=1)
        """Of the decoder."""
        commitment: float = Field(default=1.0, ge=0)
        """Share of the mean squared difference between vectors and their codes."""
        crop: Scale | None = (0.2, 1.0)
        """Share of the picture that a random crop shows; none for the view of the resolution strategy."""
        flip: float = Field(default=0.5, ge=0, le=1)
        """How likely a picture is mirrored, which is not for anything with text in it."""
        micro_samples: int = Field(default=64, ge=1)

        @model_validator(mode="after")
        def _divides(self) -> VqKdObjective.Config:
            if self.width % self.heads:
                raise ValueError(f"a width of the decoder that its {self.heads} heads divide")
            return self

    def __init__(self, config: Config, *, model: Composition) -> None:
        super().__init__(config)
        if model.resolution is None:
            raise BadInput("model.resolution", expected="a strategy for pictures", found="none", remedy="add pad-square")
        refuse_other_views(model.resolution, "which the objective vq-kd reads")
        self._model = [model]
        self.visual_tokenizer = config.visual_tokenizer.build(load_weights=True)
        if not isinstance(self.visual_tokenizer, VqKd):
            raise BadInput(
                "recipe field objective.visual_tokenizer",
                expected="one of type vq-kd, which this objective teaches",
                found=config.visual_tokenizer.type,
                remedy="choose it",
            )
        # In a list: it does not learn, and is not kept.
        self._teacher: list[Encoder] = [config.teacher.build(load_weights=True).eval().requires_grad_(False)]
        size = model.resolution.plan(1, 1).views[0].size
        grid, told = self.visual_tokenizer.grid(size), self.teacher.grid(size)
        if grid != told:
            raise BadInput(
                "recipe field objective.teacher",
                expected=f"an encoder with the tokenizer's {grid[0]} x {grid[1]} features for {size[0]} x {size[1]} pixels",
                found=f"{told[0]} x {told[1]}",
                remedy="give both the same patches, and no CLS feature",
            )
        self.side = size[0]
        self.decoder = FeatureDecoder(
            self.visual_tokenizer.config.width,
            self.teacher.width,
            grid[0] * grid[1],
            width=config.width,
            layers=config.layers,
            heads=config.heads,
        )
        self._seen: list[tuple[Tensor, Tensor]] | None = None
        """While a step is under way: vectors and numbers of codes of each micro-batch."""

    @property
    def model(self) -> Composition:
        return self._model[0]

    @property
    def teacher(self) -> Encoder:
        return self._teacher[0]

    def running(self) -> AbstractContextManager[None]:
        towers: list[Any] = [self.teacher, self.visual_tokenizer.encoder]
        return attending_fastest(*(tower.model for tower in towers if hasattr(tower, "model")))

    def collator(self) -> OneViewCollator:
        config, resolution = self.config, self.model.resolution
        assert resolution is not None
        return OneViewCollator(
            config.micro_samples,
            resolution=resolution,
            normalizations=(self.visual_tokenizer.normalization,),
            side=self.side,
            crop=config.crop,
            flip=config.flip,
        )

    def coefficients(self) -> dict[str, float]:
        return {"features": 1.0, "commitment": self.config.commitment}

    def weights(self, batch: MicroBatch) -> dict[str, float]:
        patches = float(len(batch["views"]) * self.decoder.positions.num_embeddings)
        return {"features": patches, "commitment": patches}

    def losses(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        tokenizer, dtype = self.visual_tokenizer, self.decoder.embed.weight.dtype
        vectors = tokenizer.vectors(normalize(batch["views"], *tokenizer.normalization).to(dtype))
        flat = vectors.detach().flatten(0, 1)
        numbers = tokenizer.codebook.nearest(flat)
        codes = tokenizer.codebook(numbers).view_as(vectors)
        if self._seen is not None:
            self._seen.append((flat, numbers))
        # Straight through: codes are what is read, vectors what is corrected.
        told = self.decoder((vectors + (codes - vectors).detach()).to(dtype))
        similar = F.cosine_similarity(told.float(), self.told(batch["views"]), dim=2)
        return {"features": (1 - similar).sum(), "commitment": (vectors - codes).square().mean(2).sum()}

    @torch.no_grad()
    def told(self, views_NHW3: Tensor) -> Tensor:
        """The teacher's features [N, T, C], in the precision that everything here is computed in."""
        dtype = self.decoder.embed.weight.dtype
        self._teacher[0] = self.teacher.to(views_NHW3.device, dtype)
        return self.teacher(normalize(views_NHW3, *self.teacher.normalizations[0]).to(dtype)).float()

    @contextmanager
    def stepping(self, done: float) -> Iterator[None]:
        seen = self._seen = []
        try:
            yield
        finally:
            self._seen = None
        if seen:
            self.visual_tokenizer.codebook.follow(*(torch.cat(parts) for parts in zip(*seen, strict=True)))
