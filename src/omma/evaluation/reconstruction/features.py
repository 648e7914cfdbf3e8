"""What a network that has a name says of pictures: the features that Fréchet and kernel distances are in.

Shapes: N pictures, D features.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from omma.errors import BadInput
from omma.parts.encoders.base import Encoder
from omma.parts.encoders.transformers_vision import TransformersEncoder, tower_of
from omma.parts.pixels import normalize


class Features:
    """Features of pictures as a whole, of an encoder that stays as it is.

    Raises:
        BadInput: for one that says nothing of pictures as a whole.
    """

    def __init__(self, encoder: Encoder) -> None:
        if not isinstance(encoder, TransformersEncoder):
            raise BadInput(
                "recipe field evaluation.reconstruction.network",
                expected="an encoder of type transformers",
                found=encoder.config.type,
                remedy="name one, such as one with weights zoo:encoder-small",
            )
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self.encoder = encoder.eval().requires_grad_(False).to(device)
        side = getattr(tower_of(encoder.model.config), "image_size", None)
        self.size = (side, side) if isinstance(side, int) else side

    @property
    def name(self) -> str:
        """Of the network: where its weights are from, and where its features are read."""
        config = self.encoder.config
        return f"{config.weights or f'random weights ({self.encoder.model.config.model_type})'}, {self.encoder.width} features"

    @torch.inference_mode()
    def __call__(self, views_NHW3: np.ndarray) -> np.ndarray:
        """Float64 [N, D] of uint8 views, brought to the size that the network knows."""
        device = next(self.encoder.parameters()).device
        pixels = normalize(torch.from_numpy(views_NHW3).to(device), *self.encoder.normalizations[0])
        if self.size is not None and pixels.shape[2:] != self.size:
            pixels = F.interpolate(pixels, tuple(self.size), mode="bicubic", antialias=True)
        final = self.encoder.hidden_states(pixels)[-1]
        return self.encoder.summary(final).double().cpu().numpy()
