"""Reconstruction: an image tokenizer learns to paint what it has read (VQGAN, arXiv 2012.09841, section 3.1).

Pixels are to be near, features of another encoder are to be near, patches are to pass for real ones, and codes are to be used:
which of these, and how much, is what VQGAN, LlamaGen, VAR, MAGVIT-v2 and latent diffusion differ in. One optimizer moves both
sides of the adversarial game: what the tokenizer learns from, the discriminator does not learn from, and the other way round.

Shapes: N pictures, D numbers of a vector.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional as F

from omma.errors import BadInput
from omma.model.composition import Composition
from omma.objectives.base import OBJECTIVES, MicroBatch, Objective
from omma.objectives.crops import Scale
from omma.objectives.feature_distance import FeatureDistance
from omma.objectives.images_alone import OneViewCollator, painted_view
from omma.objectives.moving_average import MovingAverage
from omma.objectives.patch_discriminator import PatchDiscriminator, gradient_penalty, hinge
from omma.parts.base import PartConfig, part_field
from omma.parts.encoders.base import ENCODERS
from omma.parts.pixels import normalize
from omma.parts.tokenizers.base import Autoencoder

SCORE_DECAY = 0.99
"""Of the moving averages of scores that LeCam's term keeps the discriminator near."""
MOST_ADAPTIVE = 1e4
"""VQGAN's bound for the share that is found by gradients."""


@OBJECTIVES.register("reconstruction")
class Reconstruction(Objective):
    """Terms are means over pictures. ``entropy`` is that of lookup-free codes."""

    class Config(PartConfig):
        absolute: float = Field(default=1.0, ge=0)
        squared: float = Field(default=0.0, ge=0)
        """Shares of the mean absolute and squared difference of pixels in [-1, 1]."""
        perceptual: float = Field(default=0.0, ge=0)
        """Share of the distance in the features of the judge."""
        judge: part_field(ENCODERS) | None = None  # type: ignore[valid-type]
        """An encoder that stays as it is."""
        adversarial: float = Field(default=0.0, ge=0)
        """Share of the discriminator's doubt; without it there is no discriminator."""
        adaptive: bool = False
        """Whether that share is in proportion to the gradients of the pixels' and features' terms at the decoder's last layer."""
        adversarial_from: float = Field(default=0.5, ge=0, lt=1)
        """Share of the stage's steps that are over when the adversarial game begins."""
        channels: int = Field(default=64, ge=8, multiple_of=8)
        layers: int = Field(default=3, ge=1)
        """Of the discriminator."""
        gradient_penalty: float = Field(default=0.0, ge=0)
        """Share of R1, the discriminator's squared gradient at real pictures."""
        lecam: float = Field(default=0.0, ge=0)
        """Share of the term that keeps scores near their moving averages (LeCam: Tseng et al., arXiv 2104.03310)."""
        early_entropy: float = Field(default=1.0, ge=1)
        """How many times its share the entropy term has in the first step..."""
        early: float = Field(default=0.0, ge=0, le=1)
        """... and at which share of the stage's steps it has come down to it."""
        average: float = Field(default=0.0, ge=0, lt=1)
        """Decay of the moving average of the weights that is left in the end; none for 0."""
        crop: Scale | None = None
        """Share of the picture that a random crop shows; none for the view of the resolution strategy."""
        flip: float = Field(default=0.0, ge=0, le=1)
        """How likely a picture is mirrored, which is not for anything with text in it."""
        micro_samples: int = Field(default=32, ge=1)

        @model_validator(mode="after")
        def _something(self) -> Reconstruction.Config:
            if not self.absolute + self.squared + self.perceptual:
                raise ValueError("a share above 0 of absolute, squared or perceptual differences")
            return self

    def __init__(self, config: Config, *, model: Composition) -> None:
        super().__init__(config)
        self.resolution = resolution = painted_view(model, "which the objective reconstruction reads")
        # In a list, so that the model's parameters are not counted as the objective's own.
        self._model = [model]
        tokenizer = model.image_tokenizer
        if not isinstance(tokenizer, Autoencoder):
            raise BadInput(
                "model.image_tokenizer",
                expected="one that can paint what it has read, for the objective reconstruction",
                found="none" if tokenizer is None else tokenizer.config.type,
                remedy="choose quantized-autoencoder or kl-autoencoder",
            )
        size = resolution.plan(1, 1).views[0].size
        tokenizer.grid(size) if tokenizer.vocabulary == 0 else tokenizer.length(size)
        self.side = size[0]
        if (config.perceptual > 0) is not (config.judge is not None):
            raise BadInput(
                "recipe field objective.judge",
                expected="an encoder if and only if perceptual is above 0",
                found=f"perceptual {config.perceptual:g} and {'no judge' if config.judge is None else 'a judge'}",
                remedy="name both or neither",
            )
        self.judge = None if config.judge is None else FeatureDistance(config.judge.build(load_weights=True))
        if config.adversarial:
            self.discriminator = PatchDiscriminator(config.channels, config.layers)
            self.register_buffer("scores", torch.zeros(2))
            """Moving averages for real and painted pictures."""
        if config.average:
            self.averaged = MovingAverage(tokenizer)
        self._done = 0.0
        self._seen: list[tuple[Tensor, Tensor]] | None = None
        """While a step is under way: vectors and codes of each micro-batch."""
        self._scored: list[Tensor] = []
        """While a step is under way: mean scores of real and painted pictures, and their number, of each micro-batch."""

    def collator(self) -> OneViewCollator:
        config = self.config
        return OneViewCollator(
            config.micro_samples,
            resolution=self.resolution,
            normalizations=(self.tokenizer.normalization,),
            side=self.side,
            crop=config.crop,
            flip=config.flip,
        )

    @property
    def tokenizer(self) -> Autoencoder:
        tokenizer = self._model[0].image_tokenizer
        assert isinstance(tokenizer, Autoencoder)
        return tokenizer

    @property
    def plays(self) -> bool:
        """Whether the adversarial game has begun."""
        return bool(self.config.adversarial) and self._done >= self.config.adversarial_from

    def coefficients(self) -> dict[str, float]:
        config = self.config
        shares = {"absolute": config.absolute, "squared": config.squared, "perceptual": config.perceptual}
        # The bottleneck's are weighted by itself.
        shares |= dict.fromkeys(self.tokenizer.terms, 1.0)
        if "entropy" in shares and config.early:
            shares["entropy"] += (config.early_entropy - 1) * max(0.0, 1 - self._done / config.early)
        if self.plays:
            shares |= {"generator": config.adversarial, "discriminator": 1.0}
        return {term: share for term, share in shares.items() if share or term in self.tokenizer.terms}

    def weights(self, batch: MicroBatch) -> dict[str, float]:
        return dict.fromkeys(self.coefficients(), float(len(batch["views"])))

    def losses(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        config, tokenizer = self.config, self.tokenizer
        dtype = tokenizer.last_layer.dtype
        pixels = normalize(batch["views"], *tokenizer.normalization).to(dtype)
        encoded = tokenizer.encode(pixels)
        painted = tokenizer.decode(encoded.vectors)
        if self._seen is not None and encoded.codes is not None:
            self._seen.append((encoded.before.detach(), encoded.codes))
        apart = painted.float() - pixels.float()
        losses = {"absolute": apart.abs().flatten(1).mean(1).sum(), "squared": apart.square().flatten(1).mean(1).sum()}
        if self.judge is not None:
            losses["perceptual"] = self.judge(painted, pixels).sum()
        if self.plays:
            near = sum(getattr(config, term) * loss for term, loss in losses.items())
            losses["generator"] = self._doubt(painted, near)
            losses["discriminator"] = self._told_apart(pixels, painted.detach())
        return losses | {term: loss * len(pixels) for term, loss in encoded.losses.items()}

    def _doubt(self, painted: Tensor, near: Tensor) -> Tensor:
        """What makes painted pictures pass for real ones."""
        doubt = -self.discriminator.as_it_is(painted).float().flatten(1).mean(1).sum()
        if not self.config.adaptive:
            return doubt
        layer = self.tokenizer.last_layer
        (wanted,), (found,) = (torch.autograd.grad(loss, layer, retain_graph=True) for loss in (near, doubt))
        share = wanted.float().norm() / (found.float().norm() + 1e-4)
        return share.clamp(0, MOST_ADAPTIVE).detach() * doubt

    def _told_apart(self, pixels: Tensor, painted: Tensor) -> Tensor:
        config = self.config
        pixels = pixels.detach().requires_grad_(bool(config.gradient_penalty))
        real, fake = self.discriminator(pixels).float(), self.discriminator(painted).float()
        loss = hinge(real, fake).sum()
        if config.gradient_penalty:
            loss = loss + config.gradient_penalty * gradient_penalty(pixels, real).sum()
        if config.lecam:
            of_real, of_fake = self.scores
            kept = F.relu(real - of_fake).square() + F.relu(of_real - fake).square()
            loss = loss + config.lecam * kept.flatten(1).mean(1).sum()
        means = (real.detach().mean(), fake.detach().mean(), real.new_tensor(float(len(pixels))))
        self._scored.append(torch.stack(means))
        return loss

    @contextmanager
    def stepping(self, done: float) -> Iterator[None]:
        self._done = done
        seen = self._seen = []
        self._scored = []
        try:
            yield
        finally:
            self._seen = None
        if seen:
            self.tokenizer.follow(*(torch.cat(parts) for parts in zip(*seen, strict=True)))
        if self._scored:
            scored = torch.stack(self._scored)
            mean = (scored[:, :2] * scored[:, 2:]).sum(0) / scored[:, 2].sum()
            self.scores.lerp_(mean.to(self.scores), 1 - SCORE_DECAY)
        if self.config.average:
            self.averaged.follow(self.tokenizer, self.config.average)

    def finish(self) -> None:
        if self.config.average:
            self.averaged.hand_over(self.tokenizer)
