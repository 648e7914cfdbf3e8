"""The aligner of a hybrid encoder: a linear layer per branch, side by side, then GELU and a common one (DeepSeek-VL,
arXiv 2403.05525, section 3.1)."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from omma.parts.base import PartConfig
from omma.parts.projectors.base import PROJECTORS, Projector, new_marks
from omma.parts.projectors.branch_linear import BranchLinears


@PROJECTORS.register("hybrid")
class Hybrid(Projector):
    class Config(PartConfig):
        widths: tuple[int, ...] = Field(min_length=2)
        """Channels of each branch, in the order in which the encoder joins them (DeepSeek-VL: high resolution first)."""

    def __init__(self, config: Config, *, d_in: int, d_out: int, marks: tuple[str, ...] = ()) -> None:
        super().__init__(config)
        self.marks = new_marks(marks, d_out)
        self.branches = BranchLinears(config.widths, d_in=d_in, d_out=d_out)
        self.activation = nn.GELU()
        self.linear = nn.Linear(d_out, d_out)

    def forward(self, features_NTC: Tensor) -> Tensor:
        return self.linear(self.activation(self.branches(features_NTC)))
