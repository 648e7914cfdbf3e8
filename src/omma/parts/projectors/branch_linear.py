"""One linear layer per branch of the encoder, side by side (Vary, arXiv 2312.06109, section 3.3)."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from omma.errors import BadInput
from omma.parts.base import PartConfig
from omma.parts.projectors.base import PROJECTORS, Projector, new_marks


class BranchLinears(nn.Module):
    """Features of several branches, joined by channel, each through its own Linear to an equal share of the width.

    Args:
        widths: channels of each branch, in the order in which the encoder joins them.

    Raises:
        BadInput: if they are not all the channels, or the branches cannot share the width equally.
    """

    def __init__(self, widths: tuple[int, ...], *, d_in: int, d_out: int) -> None:
        super().__init__()
        if sum(widths) != d_in:
            raise BadInput(
                "model.projector.widths",
                expected=f"the widths of the encoder's branches, {d_in} channels together",
                found=f"{' + '.join(map(str, widths))} = {sum(widths)}",
                remedy="give the width of each branch",
            )
        if d_out % len(widths):
            raise BadInput(
                "model.projector.widths",
                expected=f"a number of branches that divides the model's width {d_out}",
                found=str(len(widths)),
                remedy="use another number of branches",
            )
        self.widths = widths
        self.linears = nn.ModuleList(nn.Linear(width, d_out // len(widths)) for width in widths)

    def forward(self, features_NTC: Tensor) -> Tensor:
        parts = features_NTC.split(self.widths, dim=2)
        return torch.cat([linear(part) for linear, part in zip(self.linears, parts, strict=True)], dim=2)


@PROJECTORS.register("branch-linear")
class BranchLinear(Projector):
    class Config(PartConfig):
        widths: tuple[int, ...] = Field(min_length=2)
        """Channels of each branch, in the order in which the encoder joins them (Vary: CLIP's first)."""

    def __init__(self, config: Config, *, d_in: int, d_out: int, marks: tuple[str, ...] = ()) -> None:
        super().__init__(config)
        self.marks = new_marks(marks, d_out)
        self.branches = BranchLinears(config.widths, d_in=d_in, d_out=d_out)

    def forward(self, features_NTC: Tensor) -> Tensor:
        return self.branches(features_NTC)
