"""Diffusers: image tokenizers whose pictures a network paints that takes noise off them, told by vectors.

What the vectors are is a diffuser's own: features of pictures (`omma.parts.tokenizers.diffusion`), or of texts
(`omma.parts.tokenizers.text_diffusion`). What diffuses are pixels, or an autoencoder's vectors of them. Networks and schedules
are `diffusers`'.

Shapes: N pictures, T vectors of D numbers each; what diffuses is [N, C, height, width].
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from omma.errors import BadInput
from omma.parts.base import PartConfig, part_field
from omma.parts.encoders.base import NORMALIZATIONS
from omma.parts.pixels import denormalize, normalize
from omma.parts.resolution.base import Size
from omma.parts.tokenizers.base import IMAGE_TOKENIZERS, ImageTokenizer
from omma.parts.tokenizers.kl import KlAutoencoder
from omma.parts.tokenizers.saved import load_image_tokenizer

TRAIN_STEPS = 1000
"""Into which the way from a picture to noise is divided; betas are Stable Diffusion's."""
BETAS = (0.00085, 0.012)
HALF = NORMALIZATIONS["half"]


class Diffuser(ImageTokenizer):
    """A diffusion network, and what tells it what to paint. Pixels that diffuse are in [-1, 1].

    Attributes:
        width: numbers of a vector, D.
    """

    vocabulary = 0

    class Config(PartConfig):
        side: int | None = Field(default=None, ge=1)
        """Of the square pictures that are painted; as large as what is read, if absent."""
        network: dict[str, Any]
        """Settings of `diffusers`' UNet2DConditionModel; its ``cross_attention_dim`` is the width of the vectors."""
        latents: part_field(IMAGE_TOKENIZERS) | None = None  # type: ignore[valid-type]
        """A ``kl-autoencoder`` whose vectors diffuse; pixels, if absent."""
        scaling: float = Field(default=1.0, gt=0)
        """By which its vectors are multiplied."""
        prediction: Literal["epsilon", "v_prediction"] = "epsilon"
        """What the network says: the noise, or the velocity (arXiv 2202.00512)."""
        steps: int = Field(default=50, ge=1, le=TRAIN_STEPS)
        """In which a picture is painted (DDIM, arXiv 2010.02502)."""
        guidance: float = Field(default=3.0, ge=1)
        """Weight of what the vectors say against what the network says without them; 1 for none."""
        weights: str | None = None
        """``zoo:NAME``, or the directory of a saved one."""

        def spelled_out(self) -> dict[str, Any]:
            latents = None if self.latents is None else self.latents.spelled_out()
            return {**self.to_dict(), "latents": latents, "weights": None}

    def __init__(self, config: Config, *, width: int | None, load_weights: bool) -> None:
        """Args:
        width: of what tells the network; as the network wants it, if absent.
        """
        super().__init__(config)
        self.latents = None if config.latents is None else config.latents.build(load_weights=load_weights)
        if self.latents is not None and not isinstance(self.latents, KlAutoencoder):
            raise BadInput(
                "image tokenizer.latents",
                expected="a kl-autoencoder, whose vectors are continuous",
                found=self.latents.config.type,
                remedy="use one, or leave it out for pixels",
            )
        self.network: Any = _diffusers().UNet2DConditionModel(**config.network)
        self.width = wanted = self.network.config.cross_attention_dim
        if width is not None and wanted != width:
            raise BadInput(
                "image tokenizer.network.cross_attention_dim",
                expected=f"the width of what tells it what to paint, {width}",
                found=str(wanted),
                remedy="change it",
            )
        channels = 3 if self.latents is None else self.latents.network.width
        if self.network.config.in_channels != channels:
            raise BadInput(
                "image tokenizer.network.in_channels",
                expected=f"{channels}, of {'pixels' if self.latents is None else 'latents'}",
                found=str(self.network.config.in_channels),
                remedy="change it, and out_channels with it",
            )

    def load_own(self, *, load_weights: bool) -> None:
        """The weights that its config names, once it is whole."""
        if load_weights and self.config.weights is not None:
            load_image_tokenizer(self, self.config.weights)

    def in_words(self) -> str:
        """What it is in one line."""
        what = "pixels" if self.latents is None else "latents"
        parameters = sum(parameter.numel() for parameter in self.network.parameters())
        return f"vectors of {self.width} numbers, and a network of {parameters:,} parameters that takes noise off {what}"

    def told(self, read: Tensor) -> Tensor:
        """What tells the network, [N, T, D], of what `read` gives or a painter drew."""
        return read

    def nothing_told(self, vectors_NTD: Tensor) -> Tensor:
        """What the network is told where it is told nothing, in place of those vectors, [N, T, D]."""
        return torch.zeros_like(vectors_NTD)

    @property
    def usual_size(self) -> Size:
        """(width, height) of the pictures that its network is made for."""
        side = self.config.side or self.network.config.sample_size * (1 if self.latents is None else self.latents.network.factor)
        return side, side

    def schedule(self) -> Any:
        """A new DDIM schedule of `diffusers`."""
        return _diffusers().DDIMScheduler(
            num_train_timesteps=TRAIN_STEPS,
            beta_start=BETAS[0],
            beta_end=BETAS[1],
            beta_schedule="scaled_linear",
            clip_sample=False,
            # The last step leaves no noise at all.
            set_alpha_to_one=True,
            steps_offset=1,
            prediction_type=self.config.prediction,
        )

    def whole(self, views_NHW3: Tensor) -> Tensor:
        """What diffuses, of pictures without noise."""
        pixels = normalize(views_NHW3, *HALF)
        side = self.config.side
        if side is not None and pixels.shape[2:] != (side, side):
            pixels = F.interpolate(pixels, (side, side), mode="bilinear", antialias=True)
        pixels = pixels.to(next(self.network.parameters()).dtype)
        if self.latents is None:
            return pixels
        with torch.no_grad():
            return self.latents.distribution(pixels).mode().to(pixels.dtype) * self.config.scaling

    def denoise(self, noisy: Tensor, steps_N: Tensor, vectors_NTD: Tensor) -> Tensor:
        """What the network says of them at these steps, told those vectors."""
        more = {}
        if self.network.config.addition_embed_type == "text_time":
            # Stable Diffusion XL's is also told the mean, and the sizes of the picture: as it is, uncut, and as it should be.
            height, width = noisy.shape[2:]
            factor = 1 if self.latents is None else self.latents.network.factor
            sizes = noisy.new_tensor([height * factor, width * factor, 0, 0, height * factor, width * factor])
            more = {"added_cond_kwargs": {"text_embeds": vectors_NTD.mean(1), "time_ids": sizes.expand(len(noisy), -1)}}
        told: Tensor = self.network(noisy, steps_N, vectors_NTD.to(noisy.dtype), **more).sample
        return told

    def denoising_losses(
        self, whole: Tensor, vectors_NTD: Tensor, seeds: Sequence[int], *, min_snr: float | None = None
    ) -> Tensor:
        """Mean squared error [N] of what the network says of noisy pictures, each at a step and with noise of its seed.

        Args:
            whole: what diffuses, without noise.
            min_snr: bound of the signal-to-noise ratios that steps count in proportion to (arXiv 2303.09556); all count alike
                if absent.
        """
        schedule, device = self.schedule(), whole.device
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        steps = torch.cat([torch.randint(TRAIN_STEPS, (1,), generator=generator) for generator in generators]).to(device)
        noise = torch.stack([torch.randn(whole.shape[1:], generator=generator) for generator in generators]).to(whole)
        velocity = self.config.prediction == "v_prediction"
        target = schedule.get_velocity(whole, noise, steps) if velocity else noise
        told = self.denoise(schedule.add_noise(whole, noise, steps), steps, vectors_NTD)
        each = (told.float() - target.float()).square().flatten(1).mean(1)
        if min_snr is None:
            return each
        kept = schedule.alphas_cumprod.to(device)[steps]
        ratio = kept / (1 - kept)
        return each * ratio.clamp(max=min_snr) / (ratio + 1 if velocity else ratio)

    @torch.no_grad()
    def paint(self, read: Tensor, size: Size, seeds: Sequence[int]) -> Tensor:
        *_, whole = self.painting(read, size, seeds)
        return self.pixels(whole)

    @torch.no_grad()
    def painting(self, read: Tensor, size: Size, seeds: Sequence[int]) -> Iterator[Tensor]:
        """As `paint`: after every step what diffuses without the noise that is seen in it, in the end the picture."""
        config = self.config
        dtype, device = next(self.network.parameters()).dtype, read.device
        schedule = self.schedule()
        schedule.set_timesteps(config.steps)
        factor = 1 if self.latents is None else self.latents.network.factor
        width, height = size if config.side is None else (config.side, config.side)
        shape = (self.network.config.in_channels, height // factor, width // factor)
        noise = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        now = torch.stack(noise).to(device, dtype) * schedule.init_noise_sigma
        vectors = self.told(read).to(dtype)
        nothing = self.nothing_told(vectors) if config.guidance > 1 else vectors
        for step in schedule.timesteps:
            told = self.denoise(now, step.expand(len(now)).to(device), vectors)
            if config.guidance > 1:
                without = self.denoise(now, step.expand(len(now)).to(device), nothing)
                told = without + config.guidance * (told - without)
            stepped = schedule.step(told, step, now)
            now = stepped.prev_sample
            yield stepped.pred_original_sample

    @torch.no_grad()
    def pixels(self, whole: Tensor) -> Tensor:
        """uint8 pixels [N, height, width, 3] of what diffuses, the inverse of `whole`."""
        return denormalize(whole if self.latents is None else self.latents.decode(whole / self.config.scaling), *HALF)


def _diffusers() -> Any:
    """The package `diffusers`.

    Raises:
        BadInput: if it is not installed.
    """
    try:
        import diffusers
    except ImportError as error:
        raise BadInput(
            "image tokenizer", expected="the package diffusers", found=str(error), remedy="pip install 'omma[draw]'"
        ) from None
    return diffusers
