"""Masked image: most patches of a picture are left out, and their pixels are to be guessed from the rest (MAE,
arXiv 2111.06377).

The encoder reads visible patches only, which makes it learn from four times as many pictures in the same time. The decoder
belongs to the objective and is not kept.

Shapes: N pictures, T patches, K of them visible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pydantic import Field, model_validator
from torch import Tensor

from omma.data.sample import ImageSource
from omma.errors import BadInput
from omma.model.composition import Composition
from omma.objectives.base import OBJECTIVES, MicroBatch
from omma.objectives.crops import Scale
from omma.objectives.images_alone import Example, ImagesAloneObjective, OneViewCollator
from omma.objectives.pixel_decoder import PixelDecoder
from omma.parts.encoders.patches import patches_of
from omma.parts.encoders.visible_patches import check_visible_patches, read_visible
from omma.parts.pixels import normalize

EPSILON = 1e-6
"""Added to the variance of a patch's pixels."""


@dataclass
class MaskedImageCollator(OneViewCollator):
    """Views, and for each of them the noise [T] that decides which patches are left out: the smallest stay."""

    patches: int

    def example(self, image: ImageSource, chance: np.random.Generator) -> Example:
        return super().example(image, chance) | {"noise": chance.random(self.patches, dtype=np.float32)}


@OBJECTIVES.register("masked-image")
class MaskedImage(ImagesAloneObjective):
    class Config(ImagesAloneObjective.Config):
        mask: float = Field(default=0.75, gt=0, lt=1)
        """Share of the patches that are left out."""
        normalize_patches: bool = True
        """Whether a patch's pixels are guessed relative to their own mean and deviation."""
        layers: int = Field(default=8, ge=1)
        width: int = Field(default=512, ge=4)
        heads: int = Field(default=16, ge=1)
        """Of the decoder."""
        crop: Scale | None = (0.2, 1.0)
        """Share of the picture that a random crop shows; none for the view of the resolution strategy."""
        flip: float = Field(default=0.5, ge=0, le=1)
        """How likely a picture is mirrored, which is not for anything with text in it."""
        micro_samples: int = Field(default=64, ge=1)

        @model_validator(mode="after")
        def _divides(self) -> MaskedImage.Config:
            if self.width % self.heads or self.width % 4:
                raise ValueError(f"a width of the decoder that its {self.heads} heads and 4 divide")
            return self

    def __init__(self, config: Config, *, model: Composition) -> None:
        super().__init__(config, model=model)
        check_visible_patches(self.encoder, (self.side, self.side))
        grid = self.encoder.patches((self.side, self.side))
        self.patch: int = self.encoder.model.config.patch_size
        self.total = grid[0] * grid[1]
        self.visible = int(self.total * (1 - config.mask))
        if not self.visible:
            raise BadInput(
                "recipe field objective.mask",
                expected=f"a share that leaves at least one of {self.total} patches",
                found=str(config.mask),
                remedy="lower it, or show larger pictures",
            )
        self.decoder = PixelDecoder(
            self.encoder.width, 3 * self.patch**2, grid, width=config.width, layers=config.layers, heads=config.heads
        )

    def collator(self) -> MaskedImageCollator:
        config, resolution = self.config, self.model.resolution
        assert resolution is not None
        return MaskedImageCollator(
            config.micro_samples,
            resolution=resolution,
            normalizations=self.encoder.normalizations,
            patches=self.total,
            side=self.side,
            crop=config.crop,
            flip=config.flip,
        )

    def weights(self, batch: MicroBatch) -> dict[str, float]:
        return {self.config.type: float(len(batch["views"]) * (self.total - self.visible))}

    def losses(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        pixels = normalize(batch["views"], *self.encoder.normalizations[0])
        order = batch["noise"].argsort(dim=1)
        guessed = self.reconstruct(pixels, order[:, : self.visible])
        errors = (guessed.float() - self.targets(pixels)).square().mean(2)
        return {self.config.type: errors.gather(1, order[:, self.visible :]).sum()}

    def reconstruct(self, pixels_NCHW: Tensor, visible_NK: Tensor) -> Tensor:
        """What it takes all patches [N, T, numbers of a patch] to be, after it has seen some of them."""
        return self.decoder(read_visible(self.encoder, pixels_NCHW.to(self.model.dtype), visible_NK), visible_NK)

    def targets(self, pixels_NCHW: Tensor) -> Tensor:
        """What is to be guessed of every patch [N, T, numbers of a patch], as (row, column, colour)."""
        patches = patches_of(pixels_NCHW, self.patch)
        if not self.config.normalize_patches:
            return patches
        variance, mean = patches.var(2, keepdim=True), patches.mean(2, keepdim=True)
        return (patches - mean) / (variance + EPSILON).sqrt()
