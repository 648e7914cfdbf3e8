"""How far pictures are apart in the features of an encoder that stays as it is.

The form is that of LPIPS (Zhang et al., arXiv 1801.03924, section 3.1) without weights for channels: features of several layers,
of length 1 at every place, and their squared differences, averaged over places and added over layers. The features are another
network's, so that the numbers are not LPIPS.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from omma.errors import BadInput
from omma.parts.encoders.transformers_vision import TransformersEncoder


class FeatureDistance:
    """Not a module: what it holds does not learn and is not kept.

    Args:
        encoder: of which all hidden states behind the first block are read.

    Raises:
        BadInput: if its hidden states cannot be read.
    """

    def __init__(self, encoder: object) -> None:
        if not isinstance(encoder, TransformersEncoder):
            raise BadInput(
                "recipe field objective.judge",
                expected="an encoder of type transformers, whose layers can be read",
                found=type(encoder).__name__,
                remedy="name one, such as one with weights zoo:encoder-small",
            )
        self.encoder = encoder.eval().requires_grad_(False)

    def __call__(self, pixels_NCHW: Tensor, others_NCHW: Tensor) -> Tensor:
        """Distances [N] of pixels in [-1, 1]. Gradients go to the first ones."""
        self.encoder = self.encoder.to(pixels_NCHW.device, pixels_NCHW.dtype)
        with torch.no_grad():
            wanted = self._features(others_NCHW)
        found = self._features(pixels_NCHW)
        apart = [(a - b).square().sum(2).mean(1) for a, b in zip(found, wanted, strict=True)]
        return torch.stack(apart).sum(0)

    def _features(self, pixels_NCHW: Tensor) -> list[Tensor]:
        mean, std = (torch.tensor(values).to(pixels_NCHW)[:, None, None] for values in self.encoder.normalizations[0])
        # The last is the one before it, normalized.
        states = self.encoder.hidden_states(((pixels_NCHW + 1) / 2 - mean) / std)[1:-1]
        return [F.normalize(state.float(), dim=2) for state in states]
