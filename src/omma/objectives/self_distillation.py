"""Self-distillation without labels: a student learns to say of a part of a picture what its own moving average, the teacher,
says of (nearly) the whole (DINO, arXiv 2104.14294).

Both have a head of prototypes, which belongs to the objective. The teacher sees the large crops only; its answers are
centred, so that no prototype answers to everything, and sharpened, so that not all answer alike.

Shapes: N pictures, V views of each (large ones first), G of them large, K prototypes, C channels of a feature.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from omma.data.sample import ImageSource
from omma.errors import BadInput
from omma.model.composition import Composition
from omma.model.pixels import fill_color
from omma.objectives.base import OBJECTIVES, MicroBatch
from omma.objectives.crops import Scale, distorted, plan_of_crops, random_region
from omma.objectives.images_alone import Example, ImagesAloneCollator, ImagesAloneObjective
from omma.objectives.moving_average import MovingAverage
from omma.parts.encoders.base import Normalization
from omma.parts.encoders.transformers_vision import TransformersEncoder
from omma.parts.pixels import normalize
from omma.parts.resolution.base import cut

LARGE = 2
"""Large crops of each picture."""

SMALL_SIDE = 96 / 224
"""Side of a small crop as a share of a large one's (DINO's code)."""

CHANGES = ({"blur": 1.0, "solarize": 0.0}, {"blur": 0.1, "solarize": 0.2})
"""How likely the first and the second large crop are blurred and solarised (BYOL, arXiv 2006.07733, table 6)."""
SMALL_CHANGES = {"blur": 0.5, "solarize": 0.0}


@dataclass
class SelfDistillationCollator(ImagesAloneCollator):
    """Crops: ``large`` uint8 [G, side, side, 3] and, if there are any, ``small`` [V - G, small side, small side, 3]."""

    normalization: Normalization
    side: int
    small_side: int
    small_crops: int
    large_scale: Scale
    small_scale: Scale
    colors: bool
    flip: float

    def example(self, image: ImageSource, chance: np.random.Generator) -> Example:
        scales = [self.large_scale] * LARGE + [self.small_scale] * self.small_crops
        sides = [self.side] * LARGE + [self.small_side] * self.small_crops
        changes = [*CHANGES, *[SMALL_CHANGES] * self.small_crops]
        plan = plan_of_crops(image.size, [random_region(image.size, scale, chance) for scale in scales], sides)
        views = []
        for view, likely in zip(cut(image.load(), plan, fill=fill_color(self.normalization[0])), changes, strict=True):
            pixels = np.array(distorted(view, chance, **likely) if self.colors else view)
            views.append(pixels[:, ::-1] if chance.random() < self.flip else pixels)
        example = {"large": np.stack(views[:LARGE])}
        return example | {"small": np.stack(views[LARGE:])} if self.small_crops else example


class PrototypeHead(nn.Module):
    """Scores [..., K] of features [..., C]: an MLP to a unit vector, and its products with K learned unit vectors
    (DINO, appendix C)."""

    def __init__(self, d_in: int, *, hidden: int, bottleneck: int, prototypes: int) -> None:
        super().__init__()
        layers = [
            nn.Linear(d_in, hidden),
            nn.GELU(),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Linear(hidden, bottleneck),
        ]
        self.mlp = nn.Sequential(*layers)
        for module in self.mlp:
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        self.prototypes = nn.Linear(bottleneck, prototypes, bias=False)

    def forward(self, features: Tensor, *, frozen: bool = False) -> Tensor:
        """``frozen``: whether the prototypes learn nothing by it."""
        directions = self.prototypes.weight.detach() if frozen else self.prototypes.weight
        # Weight normalisation with lengths of one.
        return F.linear(F.normalize(self.mlp(features), dim=-1), F.normalize(directions, dim=-1))


@OBJECTIVES.register("self-distillation")
class SelfDistillation(ImagesAloneObjective):
    class Config(ImagesAloneObjective.Config):
        prototypes: int = Field(default=65_536, ge=2)
        hidden: int = Field(default=2048, ge=1)
        bottleneck: int = Field(default=256, ge=1)
        """Widths of the head."""
        small_crops: int = Field(default=8, ge=0)
        """Of each picture, beside two large ones."""
        small_side: int | None = Field(default=None, ge=1)
        """In pixels; about 96 / 224 of the large crops' side, a multiple of the patch, if absent."""
        large_scale: Scale = (0.4, 1.0)
        small_scale: Scale = (0.05, 0.4)
        """Shares of the picture that crops show."""
        colors: bool = True
        """Whether crops get other colours, blur and solarisation at random."""
        flip: float = Field(default=0.5, ge=0, le=1)
        """How likely a crop is mirrored."""
        student_temperature: float = Field(default=0.1, gt=0)
        teacher_temperatures: tuple[float, float] = (0.04, 0.07)
        """At the start, and after the warm-up."""
        warmup: float = Field(default=0.3, ge=0, le=1)
        """Share of the stage over which the teacher's temperature rises (30 of 100 epochs)."""
        frozen: float = Field(default=0.01, ge=0, le=1)
        """Share of the stage in which the prototypes do not learn yet (the first of 100 epochs)."""
        momentum: float = Field(default=0.996, ge=0, le=1)
        """Of the teacher at the start; it rises to 1 along a cosine."""
        center_momentum: float = Field(default=0.9, ge=0, le=1)
        keep: Literal["teacher", "student"] = "teacher"
        """Whose encoder remains in the end."""
        micro_samples: int = Field(default=64, ge=1)

    def __init__(self, config: Config, *, model: Composition) -> None:
        super().__init__(config, model=model)
        self.small_side = config.small_side or self._usual_small_side()
        self._check_crops()
        self.head = PrototypeHead(
            self.encoder.width, hidden=config.hidden, bottleneck=config.bottleneck, prototypes=config.prototypes
        )
        self.teacher = MovingAverage(self._student())
        self.register_buffer("center", torch.zeros(config.prototypes))
        self.done = 0.0
        """Share of the stage that lies behind."""
        self._scores: list[tuple[Tensor, int]] | None = None
        """While a step is under way: the teacher's scores of each micro-batch, summed up [K], and of how many views."""

    def _student(self) -> nn.ModuleDict:
        return nn.ModuleDict({"encoder": self.encoder, "head": self.head})

    def _usual_small_side(self) -> int:
        rows = self.encoder.patches((self.side, self.side))[0]
        return max(1, round(rows * SMALL_SIDE)) * (self.side // rows)

    def _check_crops(self) -> None:
        if not self.config.small_crops:
            return
        try:
            self.encoder.shapes_of((self.small_side, self.small_side))
        except Exception as error:  # models complain of sizes in their own ways
            raise BadInput(
                "model.encoder",
                expected=f"an encoder that reads small crops, {self.small_side} x {self.small_side} pixels, too",
                found=f"{self.encoder.model.config.model_type}, which does not ({str(error).rstrip('.')})",
                remedy="use one that interpolates its positions (ViT, CLIP, SigLIP, DINOv2), or set objective.small_crops=0",
            ) from None

    def encoders(self) -> list[TransformersEncoder]:
        return [self.encoder, self.teacher.module["encoder"]]

    def collator(self) -> SelfDistillationCollator:
        config = self.config
        return SelfDistillationCollator(
            config.micro_samples,
            normalization=self.encoder.normalizations[0],
            side=self.side,
            small_side=self.small_side,
            small_crops=config.small_crops,
            large_scale=config.large_scale,
            small_scale=config.small_scale,
            colors=config.colors,
            flip=config.flip,
        )

    def weights(self, batch: MicroBatch) -> dict[str, float]:
        """Pairs of a large view and another view of the same picture."""
        return {self.config.type: float(len(batch["large"]) * LARGE * (LARGE + self.config.small_crops - 1))}

    def losses(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        targets_NGK = self._answers(batch["large"])
        crops = [batch[name] for name in ("large", "small") if name in batch]
        features_NVC = torch.cat([self._features(self.encoder, views, self.model.dtype) for views in crops], dim=1)
        scores_NVK = self.head(features_NVC, frozen=self.done < self.config.frozen)
        logs_NVK = F.log_softmax(scores_NVK.float() / self.config.student_temperature, dim=-1)
        # Every view but the one that the teacher sees: all of them, less that one.
        others_NGK = logs_NVK.sum(1, keepdim=True) - logs_NVK[:, :LARGE]
        return {self.config.type: -(targets_NGK * others_NGK).sum()}

    @torch.no_grad()
    def _answers(self, large_NGHW3: Tensor) -> Tensor:
        """The teacher's probabilities [N, G, K]."""
        dtype = self.model.dtype
        with torch.autocast(large_NGHW3.device.type, dtype, enabled=dtype != torch.float32):
            features = self._features(self.teacher.module["encoder"], large_NGHW3, torch.float32)
            scores = self.teacher.module["head"](features).float()
        if self._scores is not None:
            self._scores.append((scores.sum((0, 1)), scores.shape[0] * LARGE))
        return ((scores - self.center) / self.teacher_temperature).softmax(-1)

    def _features(self, encoder: TransformersEncoder, views_NVHW3: Tensor, dtype: torch.dtype) -> Tensor:
        """What is said of every view [N, V, C]."""
        pixels = normalize(views_NVHW3.flatten(0, 1), *encoder.normalizations[0]).to(dtype)
        found = encoder.summary(encoder.hidden_states(pixels)[-1])
        return found.unflatten(0, views_NVHW3.shape[:2])

    @property
    def teacher_temperature(self) -> float:
        """It rises in a line over the warm-up."""
        start, end = self.config.teacher_temperatures
        return end if self.done >= self.config.warmup else start + (end - start) * self.done / self.config.warmup

    @property
    def teacher_momentum(self) -> float:
        """It rises to 1 along a cosine."""
        return 1 - (1 - self.config.momentum) * (1 + math.cos(math.pi * self.done)) / 2

    @contextmanager
    def stepping(self, done: float) -> Iterator[None]:
        scores = self._scores = []
        self.done = done
        try:
            yield
        finally:
            self._scores = None
        if scores:
            mean = sum(total for total, _ in scores) / sum(views for _, views in scores)
            self.center.lerp_(mean, 1 - self.config.center_momentum)
        self.teacher.follow(self._student(), self.teacher_momentum)

    def finish(self) -> None:
        if self.config.keep == "teacher":
            self.teacher.hand_over(self._student())
