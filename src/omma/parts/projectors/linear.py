"""One linear layer (LLaVA 1.0, arXiv 2304.08485, section 4.1)."""

from __future__ import annotations

from torch import Tensor, nn

from omma.parts.base import PartConfig
from omma.parts.projectors.base import PROJECTORS, Projector, new_marks


@PROJECTORS.register("linear")
class Linear(Projector):
    class Config(PartConfig):
        bias: bool = True

    def __init__(self, config: Config, *, d_in: int, d_out: int, marks: tuple[str, ...] = ()) -> None:
        super().__init__(config)
        self.marks = new_marks(marks, d_out)
        self.linear = nn.Linear(d_in, d_out, bias=config.bias)

    def forward(self, features_NTC: Tensor) -> Tensor:
        return self.linear(features_NTC)
