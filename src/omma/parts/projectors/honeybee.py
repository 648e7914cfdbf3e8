"""What Honeybee's two abstractors do with their input (arXiv 2312.06742, section 4.2): features of one square grid, with
learned positions, as a map.

Shapes: N views, T features, C channels, Q side of the square of features.
"""

from __future__ import annotations

from torch import Tensor, nn

from omma.errors import BadInput
from omma.parts.resolution.base import Grid


class SquareInput(nn.Module):
    """Learned positions for features of side x side; everything else is refused."""

    def __init__(self, side: int, width: int) -> None:
        super().__init__()
        self.side = side
        self.positions = nn.Embedding(side * side, width)
        nn.init.trunc_normal_(self.positions.weight, std=0.02)

    def check(self, grid: Grid) -> None:
        """Raises BadInput for a grid of another size."""
        if grid != (self.side, self.side):
            raise BadInput(
                "model.projector.input_side",
                expected=f"views of {self.side} x {self.side} features",
                found=f"one of {grid[0]} x {grid[1]}",
                remedy="give it the side of the encoder's grid, and choose a resolution strategy with square views",
            )

    def forward(self, features_NTC: Tensor, grid: Grid) -> Tensor:
        """The map [N, C, Q, Q] of features with their positions."""
        self.check(grid)
        return (features_NTC + self.positions.weight).transpose(1, 2).unflatten(2, grid)
