"""VQ-KD, the image tokenizer of BEiT v2 and BEiT-3 (arXiv 2208.06366, section 2.2): codes for what a patch means.

An encoder's features become short vectors of length 1, and each of them the nearest of a book of codes. The objective `vq-kd`
teaches it: from its codes the features of another encoder are to be guessed.

Shapes: N pictures, T patches, C channels of the encoder, D numbers of a code.
"""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from omma.errors import BadInput
from omma.parts.base import PartConfig, part_field
from omma.parts.encoders.base import ENCODERS, Encoder
from omma.parts.resolution.base import Grid, Size
from omma.parts.tokenizers.base import IMAGE_TOKENIZERS, ImageTokenizer
from omma.parts.tokenizers.codebook import Codebook

PREFIX = "visual_tokenizer."
"""What its names begin with in the file that a stage leaves of an objective that trained one."""


@IMAGE_TOKENIZERS.register("vq-kd")
class VqKd(ImageTokenizer):
    paints = False

    class Config(PartConfig):
        encoder: part_field(ENCODERS)  # type: ignore[valid-type]
        """One feature for each patch."""
        codes: int = Field(default=8192, ge=2)
        width: int = Field(default=32, ge=1)
        """Numbers of a code."""
        decay: float = Field(default=0.99, ge=0, lt=1)
        """Of the moving average that a code is."""
        weights: Path | None = None
        """A safetensors file of its own tensors, such as the ``objective.safetensors`` that the stage that trained it left."""

    def __init__(self, config: Config, *, load_weights: bool = False) -> None:
        super().__init__(config)
        self.encoder: Encoder = config.encoder.build(load_weights=load_weights)
        if self.encoder.branches > 1:
            raise BadInput(
                "image tokenizer.encoder", expected="a single encoder", found=config.encoder.type, remedy="choose one of them"
            )
        self.normalization = self.encoder.normalizations[0]
        self.vocabulary = config.codes
        width = self.encoder.width
        self.narrow = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, config.width))
        self.codebook = Codebook(config.codes, config.width, decay=config.decay)
        if load_weights and config.weights is not None:
            self._load(config.weights)

    def grid(self, size: Size) -> Grid:
        return self.encoder.grid(size)

    def vectors(self, pixels_NCHW: Tensor) -> Tensor:
        """Vectors of length 1 [N, T, D], before they become codes."""
        return F.normalize(self.narrow(self.encoder(pixels_NCHW)).float(), dim=2)

    @torch.no_grad()
    def codes(self, pixels_NCHW: Tensor) -> Tensor:
        vectors = self.vectors(pixels_NCHW)
        return self.codebook.nearest(vectors.flatten(0, 1)).view(vectors.shape[:2])

    def _load(self, file: Path) -> None:
        remedy = "name the file that training it left, with a recipe of the same tokenizer"
        try:
            tensors = load_file(file)
        except (OSError, SafetensorError) as error:
            raise BadInput(str(file), expected="a safetensors file", found=str(error), remedy=remedy) from None
        own = {name.removeprefix(PREFIX): t for name, t in tensors.items() if name.startswith(PREFIX)} or tensors
        expected = {name: tensor.shape for name, tensor in self.state_dict().items()}
        for name, shape in expected.items():
            if name not in own or own[name].shape != shape:
                found = "no such tensor" if name not in own else f"shape {tuple(own[name].shape)}"
                raise BadInput(str(file), expected=f"{name} of shape {tuple(shape)}", found=found, remedy=remedy)
        self.load_state_dict({name: own[name] for name in expected})
