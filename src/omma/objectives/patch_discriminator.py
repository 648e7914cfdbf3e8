"""The discriminator of patches: is this part of a picture painted? (PatchGAN: Isola et al., arXiv 1611.07004, section 3.2.2.)

Shapes: N pictures, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F


class PatchDiscriminator(nn.Module):
    """Scores [N, 1, rows, columns] of pictures [N, 3, height, width], above 0 for real ones.

    Published ones normalize over the batch; this one over groups of channels, so that a score does not depend on which pictures
    share a micro-batch.
    """

    def __init__(self, channels: int = 64, layers: int = 3) -> None:
        super().__init__()
        widths = [channels * min(2**level, 8) for level in range(layers + 1)]
        modules: list[nn.Module] = [nn.Conv2d(3, channels, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for level, (before, width) in enumerate(zip(widths, widths[1:], strict=False), start=1):
            stride = 2 if level < layers else 1
            norm = nn.GroupNorm(min(32, width), width)
            modules += [nn.Conv2d(before, width, 4, stride=stride, padding=1, bias=False), norm, nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*modules, nn.Conv2d(widths[-1], 1, 4, padding=1))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, pixels_NCHW: Tensor) -> Tensor:
        return self.layers(pixels_NCHW)  # type: ignore[no-any-return]

    def as_it_is(self, pixels_NCHW: Tensor) -> Tensor:
        """The same scores, through which it does not learn."""
        still: Mapping[str, Tensor] = {name: parameter.detach() for name, parameter in self.named_parameters()}
        return functional_call(self, dict(still), (pixels_NCHW,))  # type: ignore[no-any-return]


def hinge(real: Tensor, painted: Tensor) -> Tensor:
    """Mean hinge loss of a discriminator, by picture [N] (Lim and Ye, arXiv 1705.02894)."""
    return 0.5 * (F.relu(1 - real).flatten(1).mean(1) + F.relu(1 + painted).flatten(1).mean(1))


def gradient_penalty(pixels_NCHW: Tensor, scores: Tensor) -> Tensor:
    """Half the squared gradient of the scores of real pixels, by picture [N] (R1: Mescheder et al., arXiv 1801.04406)."""
    (gradient,) = torch.autograd.grad(scores.flatten(1).mean(1).sum(), pixels_NCHW, create_graph=True)
    return 0.5 * gradient.float().square().flatten(1).sum(1)
