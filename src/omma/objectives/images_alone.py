"""What objectives from images alone share: every picture of a sample is an example, and texts are not read."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field

from omma.data.sample import ImageSource, Sample
from omma.errors import BadInput
from omma.model.composition import Composition
from omma.model.pixels import views_uint8
from omma.model.product_attention import attending_fastest
from omma.objectives.base import Objective, Step
from omma.objectives.crops import Scale, chance_of, plan_of_crops, random_region
from omma.objectives.one_encoder import not_one_encoder, one_encoder
from omma.objectives.picture_text import refuse_other_views
from omma.parts.base import PartConfig
from omma.parts.encoders.base import Normalization
from omma.parts.encoders.transformers_vision import TransformersEncoder
from omma.parts.resolution.base import Resolution

Example = dict[str, np.ndarray]
"""Arrays of one picture by name; a micro-batch stacks them."""


@dataclass
class ImagesAloneCollator:
    micro_samples: int

    def prepare(self, sample: Sample, position: int = 0) -> list[Example]:
        if not sample.images:
            raise BadInput(f"sample {sample.id}", expected="a picture", found="none", remedy="leave it out")
        return [
            self.example(image, chance_of(f"{sample.id}/{position}/{number}"))
            for number, image in enumerate(sample.images)
        ]

    def example(self, image: ImageSource, chance: np.random.Generator) -> Example:
        """What is made of one picture; the same whenever the generator is."""
        raise NotImplementedError

    def collate(self, prepared: Sequence[list[Example]]) -> Step:
        examples = [example for one in prepared for example in one]
        parts = [examples[start : start + self.micro_samples] for start in range(0, len(examples), self.micro_samples)]
        batches = [{name: np.stack([example[name] for example in part]) for name in part[0]} for part in parts]
        return Step(batches, samples=len(prepared), images=len(examples))


@dataclass
class OneViewCollator(ImagesAloneCollator):
    """One view of every picture: a random crop or that of the resolution strategy, at times mirrored."""

    resolution: Resolution
    normalizations: Sequence[Normalization]
    side: int
    crop: Scale | None
    flip: float

    def example(self, image: ImageSource, chance: np.random.Generator) -> Example:
        plan = self.resolution.plan(*image.size)
        if self.crop is not None:
            plan = plan_of_crops(image.size, [random_region(image.size, self.crop, chance)], [self.side])
        (view,) = views_uint8(image, plan, self.normalizations)
        return {"views": view[:, ::-1] if chance.random() < self.flip else view}


def painted_view(model: Composition, why: str) -> Resolution:
    """How the pictures are cut that a model's image tokenizer reads and paints: the painter's canvas, in a model that draws.

    Args:
        why: what the view is for, as `refuse_other_views` takes it.

    Raises:
        BadInput: if there is none, or not one view of the whole.
    """
    resolution = model.resolution if model.painter is None else model.painter.canvas
    if resolution is None:
        raise BadInput("model.resolution", expected="a strategy for pictures", found="none", remedy="add stretch-square")
    refuse_other_views(resolution, why)
    return resolution


class ImagesAloneObjective(Objective):
    """An objective for an encoder by itself, or for one of several side by side.

    Attributes:
        model: that encoder and its view, whatever stands around them.
        side: of the square pictures that the resolution strategy gives the encoder.

    Raises:
        BadInput: if it is no encoder of `transformers`, or does not see whole pictures as squares.
    """

    class Config(PartConfig):
        encoder: int | None = Field(default=None, ge=0)
        """Which of several encoders side by side learns, counted from 0; none for a model that has one."""

    def __init__(self, config: Any, *, model: Composition) -> None:
        super().__init__(config)
        model = one_encoder(model, config.encoder)
        # In a list, so that the model's parameters are not counted as the objective's own.
        self._model = [model]
        if not isinstance(model.encoder, TransformersEncoder):
            raise not_one_encoder(model, f"an encoder of type transformers, which the objective {config.type} trains")
        assert model.resolution is not None
        if not model.resolution.is_plain:
            raise BadInput(
                "model.resolution",
                expected=f"a strategy that shows the whole picture in one square view, for the objective {config.type}",
                found=model.resolution.config.type,
                remedy="use pad-square, crop-square or stretch-square",
            )
        self.side: int = model.resolution.plan(1, 1).views[0].size[0]

    @property
    def model(self) -> Composition:
        return self._model[0]

    @property
    def encoder(self) -> TransformersEncoder:
        encoder = self.model.encoder
        assert isinstance(encoder, TransformersEncoder)
        return encoder

    def encoders(self) -> list[TransformersEncoder]:
        """All that run."""
        return [self.encoder]

    def running(self) -> AbstractContextManager[None]:
        """Inside, encoders attend in the way that is fastest on this machine."""
        return attending_fastest(*(encoder.model for encoder in self.encoders()))

    def coefficients(self) -> dict[str, float]:
        return {self.config.type: 1.0}
