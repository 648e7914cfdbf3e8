"""Diffusion: a network learns to take noise off pictures, told by few features of each (Emu2, SEED-X's de-tokenizer), or by what
a text model has of a text about it (Stable Diffusion).

At times it is told nothing, which guidance compares with later.

Shapes: N pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from omma.data.sample import ImageSource, Sample
from omma.errors import BadInput
from omma.model.composition import Composition
from omma.objectives.base import OBJECTIVES, MicroBatch, Objective
from omma.objectives.crops import Scale
from omma.objectives.images_alone import Example, OneViewCollator, painted_view
from omma.objectives.picture_text import caption_of
from omma.parts.base import PartConfig
from omma.parts.tokenizers.diffuser import Diffuser
from omma.parts.tokenizers.text_diffusion import TextDiffusion, Words, told_texts


@dataclass
class DiffusionCollator(OneViewCollator):
    """The half of the objective that runs in workers."""

    untold: float
    words: Words | None

    def prepare(self, sample: Sample, position: int = 0) -> list[Example]:
        examples = super().prepare(sample, position)
        if self.words is None:
            return examples
        if len(examples) != 1:
            raise BadInput(
                f"sample {sample.id}",
                expected="one picture, which its text tells",
                found=f"{len(examples)} pictures",
                remedy="leave it out",
            )
        # Of a picture that is to be drawn what asks for it; of others what is said of them.
        text = sample.asked if any(True for _ in sample.drawn()) else caption_of(sample)
        return [{**examples[0], "words": self.words(text)}]

    def example(self, image: ImageSource, chance: np.random.Generator) -> Example:
        example = super().example(image, chance)
        return {**example, "told": np.array(chance.random() >= self.untold), "seed": np.array(chance.integers(2**62))}


@OBJECTIVES.register("diffusion")
class Diffusion(Objective):
    class Config(PartConfig):
        untold: float = Field(default=0.1, ge=0, lt=1)
        """How often nothing is told of the picture, for guidance to compare with."""
        min_snr: float | None = Field(default=None, gt=0)
        """Bound of the signal-to-noise ratios that steps count in proportion to; all alike if absent."""
        crop: Scale | None = None
        """Share of the picture that a random crop shows; none for the view of the resolution strategy or the painter's canvas."""
        flip: float = Field(default=0.0, ge=0, le=1)
        """How likely a picture is mirrored."""
        micro_samples: int = Field(default=32, ge=1)

    def __init__(self, config: Config, *, model: Composition) -> None:
        super().__init__(config)
        tokenizer = model.image_tokenizer
        if not isinstance(tokenizer, Diffuser):
            raise BadInput(
                "model.image_tokenizer",
                expected="one of type diffusion, text-diffusion or dynamic, for the objective diffusion",
                found="none" if tokenizer is None else tokenizer.config.type,
                remedy="choose it, or the objective reconstruction",
            )
        resolution = painted_view(model, "which the objective diffusion reads")
        size = resolution.plan(1, 1).views[0].size
        tokenizer.grid(size)
        self.resolution, self.side = resolution, size[0]
        # In a list, so that the model's parameters are not counted as the objective's own.
        self._tokenizer = [tokenizer]

    @property
    def tokenizer(self) -> Diffuser:
        return self._tokenizer[0]

    def collator(self) -> DiffusionCollator:
        config = self.config
        return DiffusionCollator(
            config.micro_samples,
            resolution=self.resolution,
            normalizations=(self.tokenizer.normalization,),
            side=self.side,
            crop=config.crop,
            flip=config.flip,
            untold=config.untold,
            words=told_texts(self.tokenizer),
        )

    def coefficients(self) -> dict[str, float]:
        return {"diffusion": 1.0}

    def weights(self, batch: MicroBatch) -> dict[str, float]:
        return {"diffusion": float(len(batch["views"]))}

    def losses(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        tokenizer = self.tokenizer
        whole = tokenizer.whole(batch["views"])
        texts = isinstance(tokenizer, TextDiffusion)
        vectors = tokenizer.vectors(batch["words"]) if texts else tokenizer.told(tokenizer.read(batch["views"]))
        vectors = torch.where(batch["told"][:, None, None], vectors, tokenizer.nothing_told(vectors))
        seeds = batch["seed"].tolist()
        return {"diffusion": tokenizer.denoising_losses(whole, vectors, seeds, min_snr=self.config.min_snr).sum()}
