"""Several encoders side by side, each reading a view of its own (Vary, arXiv 2312.06109, section 3.3; DeepSeek-VL,
arXiv 2403.05525, section 3.1; Prismatic, arXiv 2402.07865, section 4.2).

Each is a whole encoder with its own size, layer tap and normalisation. Their features meet by channel, cell by cell, for
which all must have one grid; or by sequence, one after another, for which all must have one width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from omma.errors import BadInput
from omma.parts.base import PartConfig, part_field
from omma.parts.encoders.base import ENCODERS, Encoder, Normalization
from omma.parts.resolution.base import Grid, Resolution, Size

ANY_PICTURE = (640, 480)
"""Size of the picture whose views are looked at to see whether grids agree."""


@ENCODERS.register("side-by-side")
class SideBySide(Encoder):
    """Encoder b reads the views of branch b (`View.branch`)."""

    class Config(PartConfig):
        encoders: list[part_field(ENCODERS)] = Field(min_length=2)  # type: ignore[valid-type]
        """In the order in which their features are joined (Vary: CLIP first; DeepSeek-VL: high resolution first)."""
        join: Literal["channel", "sequence"] = "channel"
        """How features meet: side by side in one token, or one encoder's tokens behind the other's."""

        def spelled_out(self) -> dict[str, Any]:
            return self.to_dict() | {"encoders": [encoder.spelled_out() for encoder in self.encoders]}

        @property
        def has_weights(self) -> bool:
            return any(encoder.has_weights for encoder in self.encoders)

    def __init__(self, config: Config, *, load_weights: bool = False) -> None:
        super().__init__(config)
        self.encoders = nn.ModuleList(
            _built(one, f"model.encoder.encoders.{number}", load_weights) for number, one in enumerate(config.encoders)
        )
        self.branches = len(self.encoders)
        widths = [encoder.width for encoder in self.encoders]
        if config.join == "sequence" and len(set(widths)) > 1:
            raise BadInput(
                "model.encoder.join",
                expected="encoders of one width, whose features can follow each other",
                found=f"widths {', '.join(map(str, widths))}",
                remedy="join them by channel, or use encoders of one width",
            )
        self.width = sum(widths) if config.join == "channel" else widths[0]

    @property
    def normalizations(self) -> tuple[Normalization, ...]:
        return tuple(found for encoder in self.encoders for found in encoder.normalizations)

    def check(self, resolution: Resolution) -> None:
        super().check(resolution)
        views = resolution.plan(*ANY_PICTURE).views
        read = [(view.size, self.encoders[view.branch].grid(view.size)) for view in views]
        if self.config.join == "channel" and len({grid for _, grid in read}) > 1:
            found = (f"{rows} x {columns} of {width} x {height} pixels" for (width, height), (rows, columns) in read)
            raise BadInput(
                "model.encoder.join",
                expected="encoders that make one grid of features of their views, to be joined by channel",
                found=" and ".join(found),
                remedy="change the sizes of the views, or join them by sequence",
            )

    def grid(self, size: Size, branch: int = 0) -> Grid:
        return (0, 0) if branch and self.config.join == "channel" else self.encoders[branch].grid(size)

    def read(self, pixels_NCHW: Tensor, branch: int, cells_N2: Tensor) -> Tensor:
        return self.encoders[branch].read(pixels_NCHW, 0, cells_N2)

    def join(self, features: list[Tensor], branches: Sequence[int]) -> list[Tensor]:
        """By channel, the views of every branch are taken in order: each first one is joined by the first of the others.

        Raises:
            ValueError: if branches have not as many views, or their views not as many features.
        """
        if self.config.join == "sequence":
            return features
        numbers = [[view for view, found in enumerate(branches) if found == branch] for branch in range(self.branches)]
        joined = [found.new_empty(0, self.width) for found in features]
        for views in zip(*numbers, strict=True):
            counts = {len(features[view]) for view in views}
            if len(counts) > 1:
                raise ValueError(f"features are joined one by one, these views have {sorted(counts)}")
            joined[views[0]] = torch.cat([features[view] for view in views], dim=1)
        return joined


def _built(config: Any, where: str, load_weights: bool) -> Encoder:
    """An encoder by itself, whose complaints say which one it is."""
    try:
        encoder: Encoder = config.build(load_weights=load_weights)
    except BadInput as error:
        place = error.where.replace("model.encoder", where, 1)
        raise BadInput(place, expected=error.expected, found=error.found, remedy=error.remedy) from None
    if encoder.branches > 1:
        raise BadInput(where, expected="a single encoder", found=config.type, remedy="list all encoders in one place")
    return encoder
