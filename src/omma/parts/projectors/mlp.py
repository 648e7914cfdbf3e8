"""An MLP: Linear(C, H), then (depth - 1) times an activation and Linear(H, H) (LLaVA-1.5, arXiv 2310.03744, section 3).

Behind two encoders the first layer may be wider than the rest (Prismatic, arXiv 2402.07865, section 4.2).
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn
from transformers.activations import ACT2FN

from omma.parts.base import PartConfig
from omma.parts.projectors.base import PROJECTORS, Projector, new_marks


@PROJECTORS.register("mlp")
class MLP(Projector):
    class Config(PartConfig):
        depth: int = Field(default=2, ge=2)
        activation: str = "gelu"
        """An activation's name in `transformers` ("gelu" is the exact one)."""
        bias: bool = True
        first_width: int | None = Field(default=None, ge=1)
        """Channels that the first layer makes; the language model's if absent (Prismatic: four times the encoders')."""

    def __init__(self, config: Config, *, d_in: int, d_out: int, marks: tuple[str, ...] = ()) -> None:
        super().__init__(config)
        self.marks = new_marks(marks, d_out)
        width = config.first_width or d_out
        layers: list[nn.Module] = [nn.Linear(d_in, width, bias=config.bias)]
        for _ in range(config.depth - 1):
            layers += [ACT2FN[config.activation], nn.Linear(width, d_out, bias=config.bias)]
            width = d_out
        self.layers = nn.Sequential(*layers)

    def forward(self, features_NTC: Tensor) -> Tensor:
        return self.layers(features_NTC)
