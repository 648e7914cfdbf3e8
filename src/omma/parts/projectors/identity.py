"""No layers at all: features of the language model's width are its tokens, as they are (Chameleon, arXiv 2405.09818)."""

from __future__ import annotations

from torch import Tensor

from omma.errors import BadInput
from omma.parts.base import PartConfig
from omma.parts.projectors.base import PROJECTORS, Projector, new_marks


@PROJECTORS.register("identity")
class Identity(Projector):
    """It owns the marks of the resolution strategy, and nothing else."""

    class Config(PartConfig):
        pass

    def __init__(self, config: Config, *, d_in: int, d_out: int, marks: tuple[str, ...] = ()) -> None:
        super().__init__(config)
        self.marks = new_marks(marks, d_out)
        self.d_in, self.d_out = d_in, d_out

    def check(self) -> None:
        if self.d_in != self.d_out:
            raise BadInput(
                "model.projector",
                expected=f"features of the language model's width, {self.d_out}, for a projector that changes nothing",
                found=f"an encoder whose features have {self.d_in} channels",
                remedy="give both the same width, or use linear",
            )

    def forward(self, features_NTC: Tensor) -> Tensor:
        return features_NTC
