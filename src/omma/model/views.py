"""Views of pictures through encoder and projector, whatever their sizes: in groups of equal ones, back in order.

Shapes: V views, N views of one group, T features or tokens of a view, C channels, H model width. Features and tokens of
all views lie one after another, [sum of T, C].
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from omma.errors import BadInput
from omma.parts.encoders import Encoder
from omma.parts.projectors import Projector
from omma.parts.resolution import Plan, Resolution
from omma.parts.resolution.base import Size, View
from omma.parts.resolution.layout import Arrangement, Grid, MapTokens, arrange

WHOLE = -1
"""Row and column of a view of the whole picture."""

PROBED: tuple[Size, ...] = (
    (640, 480), (480, 640), (512, 512), (1600, 400), (400, 1600), (60, 60), (1, 1), (1, 10_000), (10_000, 1)
)  # fmt: skip
"""Sizes of pictures that are planned when a model is made, to see that its parts fit together. The thinnest may have views of a
single row or column of patches, which no factor divides."""

KNOWN = 4096
"""Sizes of pictures whose arrangement is remembered."""

Shape = tuple[int, int, int, int, int]
"""(height, width, row, column, branch) of a view."""


def shapes_of(plan: Plan) -> np.ndarray:
    """int64 [V, 5]: the `Shape` of every view of a plan."""
    return np.array(
        [(view.size[1], view.size[0], *(view.cell or (WHOLE, WHOLE)), view.branch) for view in plan.views], dtype=np.int64
    ).reshape(-1, 5)


class Arranger:
    """How pictures of any size are cut and what sequence they become, for one choice of parts."""

    def __init__(self, resolution: Resolution, encoder: Encoder, projector: Projector | None) -> None:
        self.resolution, self.encoder, self.projector = resolution, encoder, projector
        self._known: OrderedDict[Size, tuple[Plan, Arrangement]] = OrderedDict()

    def of(self, size: Size) -> tuple[Plan, Arrangement]:
        """The plan and the sequence of a picture of that size (width, height), computed once."""
        if size not in self._known:
            self._known[size] = self._arranged(size)
            if len(self._known) > KNOWN:
                self._known.popitem(last=False)
        return self._known[size]

    def _arranged(self, size: Size) -> tuple[Plan, Arrangement]:
        plan = self.resolution.plan(*size)
        return plan, arrange(
            plan.layout,
            len(plan.views),
            lambda view: self.grid(plan.views[view].size, plan.views[view].branch),
            self.resolution.marks,
        )

    def check(self) -> None:
        """See that the parts fit together, on pictures of several shapes.

        Raises:
            BadInput: if the encoder cannot read the views, the projector cannot take their features, nothing is left of one, or
                tokens of padding are to be left out and no token stands for a place.
        """
        for size in PROBED:
            plan, arrangement = self.of(size)
            for item in plan.layout:
                if isinstance(item, MapTokens) and item.content is not None:
                    self._check_places(plan.views[item.views[0][0]])
            if not len(arrangement):
                raise BadInput(
                    "model.resolution",
                    expected="views of at least one patch of the encoder",
                    found=f"no token of a picture of {size[0]} x {size[1]} pixels",
                    remedy="make the views larger, or use an encoder of smaller patches",
                )

    def _check_places(self, view: View) -> None:
        """See that tokens stand for places of a view, of which some are to be left out (LLaVA-NeXT's code asserts it, too)."""
        purpose = f"so that {self.resolution.config.type} can leave out those of padding"
        features, tokens = self.encoder.grid(view.size, view.branch), self.grid(view.size, view.branch)
        if not _in_shape(features, view.size):
            raise BadInput(
                "model.encoder",
                expected=f"rows and columns of features in the shape of their view, {purpose}",
                found=f"{features[0]} x {features[1]} of a view of {view.size[0]} x {view.size[1]} pixels",
                remedy="drop the CLS feature, or use a strategy that leaves nothing out, such as closest-aspect",
            )
        if self.projector is not None and not (self.projector.keeps_places and _in_shape(tokens, view.size)):
            name, made = self.projector.config.type, f"{tokens[0]} x {tokens[1]} tokens"
            raise BadInput(
                "model.projector.type",
                expected=f"one whose tokens stand for places of a view, {purpose}",
                found=f"{name}, which makes {made} of all {features[0]} x {features[1]} features",
                remedy="use mlp or pixel-shuffle, or a strategy that leaves nothing out, such as closest-aspect",
            )

    def grid(self, size: Size, branch: int) -> Grid:
        """(rows, columns) of tokens of a view of that size; (0, 0) if its features are joined to those of another."""
        grid = self.encoder.grid(size, branch)
        return grid if self.projector is None or grid == (0, 0) else self.projector.grid(grid)


def _in_shape(grid: Grid, size: Size) -> bool:
    """Whether (rows, columns) are those of a view of (width, height) pixels, but for what is less than one of them."""
    return abs(grid[0] * size[0] - grid[1] * size[1]) < max(size)


def _grouped(keys: Iterable[tuple[int, int, int]]) -> dict[tuple[int, int, int], list[int]]:
    """Numbers of the views that go through a module together, by what they have in common."""
    groups: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    for number, key in enumerate(keys):
        groups[key].append(number)
    return groups


def encode(
    encoder: Encoder,
    shapes: Sequence[Shape],
    pixels_of: Callable[[list[int], int, int], Tensor],
    run: Callable[[Callable[[Tensor, Tensor], Tensor], Tensor, Tensor], Tensor] = lambda read, *inputs: read(*inputs),
) -> list[Tensor]:
    """Features [T, C] of every view, in order.

    Args:
        pixels_of: normalised pixels [N, 3, height, width] of the views with these numbers, which all have that height
            and width.
        run: calls the encoder on a group's pixels and cells; a frozen one, say, in chunks.
    """
    features: list[Tensor] = [torch.empty(0)] * len(shapes)
    groups = _grouped((height, width, branch) for height, width, _, _, branch in shapes)
    for (height, width, branch), views in groups.items():
        pixels = pixels_of(views, height, width)
        cells = torch.tensor([shapes[view][2:4] for view in views], device=pixels.device)

        def read(pixels: Tensor, cells: Tensor, branch: int = branch) -> Tensor:
            return encoder.read(pixels, branch, cells)

        for view, found in zip(views, run(read, pixels, cells), strict=True):
            features[view] = found
    return encoder.join(features, [shape[4] for shape in shapes])


def joined_index(arrangements: Sequence[Arrangement]) -> np.ndarray:
    """int64 [K]: the indices of several pictures as one, into the tokens of all of them (see `place`)."""
    before = np.cumsum([0] + [arrangement.tokens for arrangement in arrangements])
    return np.concatenate(
        [np.where(a.index < 0, a.index, a.index + start) for a, start in zip(arrangements, before, strict=False)]
    )


def feature_counts(encoder: Encoder, shapes: Sequence[Shape]) -> list[int]:
    """Features of every view."""
    grids = [encoder.grid((width, height), branch) for height, width, _, _, branch in shapes]
    return [rows * columns for rows, columns in grids]


def project(encoder: Encoder, projector: Projector, features: Tensor, shapes: Sequence[Shape]) -> Tensor:
    """Token vectors [sum of tokens, H] of all views from their features [sum of T, C].

    Raises:
        ValueError: if there are not as many features as the views have.
    """
    counts = feature_counts(encoder, shapes)
    if features.shape[0] != sum(counts):
        raise ValueError(f"expected {sum(counts)} features of {len(shapes)} views, found {features.shape[0]}")
    groups = _grouped((*encoder.grid((width, height), branch), branch) for height, width, _, _, branch in shapes)
    parts = features.split(counts)
    tokens: dict[int, Tensor] = {}
    for (rows, columns, branch), views in groups.items():
        if not rows:  # joined to others
            continue
        cells = torch.tensor([shapes[view][2:4] for view in views], device=features.device)
        if len(groups) == 1:
            stacked = features.view(len(shapes), rows * columns, -1)
            return projector.project(stacked, (rows, columns), branch, cells).flatten(0, 1)
        stacked = torch.stack([parts[view] for view in views])
        tokens |= zip(views, projector.project(stacked, (rows, columns), branch, cells), strict=True)
    return torch.cat([tokens[view] for view in sorted(tokens)])


def place(tokens: Tensor, marks: Tensor | None, index_K: Tensor | None) -> Tensor:
    """Image vectors [K, H] in the order of the sequence.

    Args:
        tokens: [sum of tokens, H] of all views of all pictures.
        marks: learned vectors [marks, H].
        index_K: into the tokens; -1 - m for the m-th mark. None if the tokens stand in their order.
    """
    if index_K is None:
        return tokens
    if marks is None:
        return tokens[index_K]
    return torch.cat([tokens, marks.to(tokens.dtype)])[torch.where(index_K < 0, len(tokens) - 1 - index_K, index_K)]
