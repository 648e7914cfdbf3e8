"""One linear layer (LLaVA 1.0, arXiv 2304.08485, section 4.1)."""

from __future__ import annotations

from torch import Tensor, nn

from omma.parts.base import PartConfig
from omma.parts.projectors.base import PROJECTORS, Projector


@PROJECTORS.register("linear")
class Linear(Projector):
    class Config(PartConfig):
        bias: bool = True

    def __init__(self, config: Config, *, d_in: int, d_out: int) -> None:
        super().__init__(config)
        self.linear = nn.Linear(d_in, d_out, bias=config.bias)

    def forward(self, features_NTC: Tensor) -> Tensor:
        return self.linear(features_NTC)
