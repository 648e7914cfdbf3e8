"""Dynamic tokens: an image tokenizer learns which features of a picture to keep, and codes that tell all of them again (LaVIT,
arXiv 2309.04669, section 3.1).

Each feature is kept as often as is likely. What codes cannot tell again makes the selector keep what matters; a term of its own
makes it drop the rest. Terms are means over pictures; `kept` is not learned from, it says how many codes a picture has.

Shapes: N pictures, T features, C channels, D numbers of a code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from omma.data.sample import ImageSource
from omma.errors import BadInput
from omma.model.composition import Composition
from omma.objectives.base import OBJECTIVES, MicroBatch, Objective
from omma.objectives.crops import Scale
from omma.objectives.images_alone import Example, OneViewCollator, painted_view
from omma.parts.base import PartConfig
from omma.parts.painters.base import Dice
from omma.parts.pixels import normalize
from omma.parts.tokenizers.dynamic import Dynamic
from omma.parts.tokenizers.merging import kept


@dataclass
class DynamicTokensCollator(OneViewCollator):
    """The half of the objective that runs in workers."""

    def example(self, image: ImageSource, chance: np.random.Generator) -> Example:
        return {**super().example(image, chance), "seed": np.array(chance.integers(2**62))}


@OBJECTIVES.register("dynamic-tokens")
class DynamicTokens(Objective):
    """One minus the cosine between features and what codes tell of them, the squared distance of the share that is kept from what
    it should be, and the quantizer's terms."""

    class Config(PartConfig):
        keep: float = Field(default=1 / 3, gt=0, le=1)
        """Share of a picture's features that should be kept."""
        keeping: float = Field(default=2.0, ge=0)
        """Coefficient of the squared distance from it."""
        crop: Scale | None = None
        """Share of the picture that a random crop shows; none for the view of the resolution strategy or the painter's canvas."""
        flip: float = Field(default=0.0, ge=0, le=1)
        """How likely a picture is mirrored."""
        micro_samples: int = Field(default=32, ge=1)

    def __init__(self, config: Config, *, model: Composition) -> None:
        super().__init__(config)
        tokenizer = model.image_tokenizer
        if not isinstance(tokenizer, Dynamic):
            raise BadInput(
                "model.image_tokenizer",
                expected="one of type dynamic, for the objective dynamic-tokens",
                found="none" if tokenizer is None else tokenizer.config.type,
                remedy="choose it, or another objective",
            )
        resolution = painted_view(model, "which the objective dynamic-tokens reads")
        size = resolution.plan(1, 1).views[0].size
        tokenizer.length(size)
        self.resolution, self.side = resolution, size[0]
        # In a list, so that the model's parameters are not counted as the objective's own.
        self._tokenizer = [tokenizer]
        self._seen: list[tuple[Tensor, Tensor]] | None = None
        """While a step is under way: vectors and codes of each micro-batch."""

    @property
    def tokenizer(self) -> Dynamic:
        return self._tokenizer[0]

    def collator(self) -> DynamicTokensCollator:
        config = self.config
        return DynamicTokensCollator(
            config.micro_samples,
            resolution=self.resolution,
            normalizations=(self.tokenizer.normalization,),
            side=self.side,
            crop=config.crop,
            flip=config.flip,
        )

    def coefficients(self) -> dict[str, float]:
        # The quantizer's are weighted by itself.
        quantizer = dict.fromkeys(self.tokenizer.quantizer.terms, 1.0)
        return {"features": 1.0, "keeping": self.config.keeping, **quantizer, "kept": 0.0}

    def weights(self, batch: MicroBatch) -> dict[str, float]:
        return dict.fromkeys(self.coefficients(), float(len(batch["views"])))

    def losses(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        tokenizer = self.tokenizer
        dtype = tokenizer.tell.weight.dtype
        features = tokenizer.features(normalize(batch["views"], *tokenizer.normalization).to(dtype))
        noise = Dice(batch["seed"].tolist()).gumbel(features.shape[1], 2).to(features.device)
        keep_NT = kept(tokenizer.selector(features), noise)
        chosen_NT = keep_NT > 0.5
        vectors = tokenizer.narrow(tokenizer.merger(features, keep_NT)).float()
        # Picture by picture: a picture counts once, however many codes it has.
        found = [tokenizer.quantizer(one[which].T[None]) for one, which in zip(vectors, chosen_NT, strict=True)]
        if self._seen is not None:
            self._seen.append((vectors[chosen_NT].detach(), torch.cat([one.codes[0] for one in found])))
        codes = torch.cat([one.vectors[0].T for one in found])
        told = torch.zeros_like(vectors).index_put(chosen_NT.nonzero(as_tuple=True), codes)
        numbers = (chosen_NT.cumsum(1) - 1).clamp(min=0)
        rebuilt = tokenizer.rebuilder(told, numbers, keep_NT)
        apart = 1 - F.cosine_similarity(rebuilt.float(), features.float(), dim=2)
        losses = {term: torch.stack([one.losses[term] for one in found]).sum() for term in tokenizer.quantizer.terms}
        return {
            "features": apart.mean(1).sum(),
            "keeping": (self.config.keep - keep_NT.mean(1)).square().sum(),
            **losses,
            "kept": keep_NT.detach().sum(),
        }

    @contextmanager
    def stepping(self, done: float) -> Iterator[None]:
        seen = self._seen = []
        try:
            yield
        finally:
            self._seen = None
        if seen:
            vectors, codes = (torch.cat(parts) for parts in zip(*seen, strict=True))
            self.tokenizer.quantizer.follow(vectors.T[None], codes[None])
