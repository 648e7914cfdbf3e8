"""Drawing classes: pictures whose class is known, for a Transformer that is told nothing else (VAR, LlamaGen, MaskGIT).

At times it is told none in particular, which guidance compares with later.

Shapes: N pictures, T codes, S slots.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from omma.data.sample import Sample
from omma.errors import BadInput
from omma.model.composition import Composition
from omma.objectives.base import OBJECTIVES, MicroBatch, Objective
from omma.objectives.crops import Scale, chance_of
from omma.objectives.images_alone import Example, OneViewCollator
from omma.parts.attention import AttentionPlan
from omma.parts.base import PartConfig
from omma.parts.painters.base import Dice


@dataclass
class ClassDrawingCollator(OneViewCollator):
    """The half of the objective that runs in workers."""

    classes: int
    unasked: float

    def prepare(self, sample: Sample, position: int = 0) -> list[Example]:
        number = sample.meta.get("class")
        if not isinstance(number, int) or not 0 <= number < self.classes:
            raise BadInput(
                f"sample {sample.id}",
                expected=f"a class from 0 to {self.classes - 1}",
                found=repr(number),
                remedy="use a source whose pictures have classes, or a backbone for as many",
            )
        chance = chance_of(f"{sample.id}/{position}/class")
        told = self.classes if chance.random() < self.unasked else number
        seed = np.array(chance.integers(2**62))
        return [{**example, "class": np.array(told), "seed": seed} for example in super().prepare(sample, position)]


@OBJECTIVES.register("class-drawing")
class ClassDrawing(Objective):
    class Config(PartConfig):
        unasked: float = Field(default=0.1, ge=0, lt=1)
        """How often no class in particular is told, for guidance to compare with."""
        crop: Scale | None = None
        """Share of the picture that a random crop shows; none for the painter's canvas."""
        flip: float = Field(default=0.0, ge=0, le=1)
        """How likely a picture is mirrored."""
        micro_samples: int = Field(default=32, ge=1)

    def __init__(self, config: Config, *, model: Composition) -> None:
        super().__init__(config)
        if model.vlm is not None or model.painter is None:
            raise BadInput(
                "model",
                expected="a backbone of type classes, an image tokenizer and a painter, for the objective class-drawing",
                found="a model that reads words",
                remedy="use the objective drawing",
            )
        # In a list, so that the model's parameters are not counted as the objective's own.
        self._model = [model]

    def collator(self) -> ClassDrawingCollator:
        config, model = self.config, self._model[0]
        assert model.painter is not None and model.image_tokenizer is not None and model.language_model is not None
        return ClassDrawingCollator(
            config.micro_samples,
            resolution=model.painter.canvas,
            normalizations=(model.image_tokenizer.normalization,),
            side=model.painter.size[0],
            crop=config.crop,
            flip=config.flip,
            classes=model.language_model.config.vocab_size - 1,
            unasked=config.unasked,
        )

    def coefficients(self) -> dict[str, float]:
        return {"drawing": 1.0}

    def weights(self, batch: MicroBatch) -> dict[str, float]:
        return {"drawing": float(len(batch["views"]))}

    def losses(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        model = self._model[0]
        trunk: Any = model.language_model
        painter, tokenizer = model.painter, model.image_tokenizer
        assert painter is not None and tokenizer is not None
        codes = painter.target(tokenizer, batch["views"])
        start = trunk.embed_tokens(batch["class"])
        lesson = painter.lesson(codes, start, Dice(batch["seed"].tolist()))
        blocks = painter.blocks().to(codes.device).expand(len(codes), -1)
        allowed = AttentionPlan(torch.zeros_like(blocks), blocks).dense()
        hidden = trunk(lesson.slots.to(trunk.dtype), start, allowed)
        return {"drawing": painter.losses(hidden, codes, lesson).sum()}
