"""Pixels of a plan, as workers cut them: uint8. `omma.parts.pixels` normalises them on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from omma.data.sample import ImageSource
from omma.parts.encoders.base import Normalization, Triple
from omma.parts.resolution.base import Plan, cut


def fill_color(mean: Triple) -> tuple[int, int, int]:
    """The encoder's mean as a colour: what padding is painted with (LLaVA-1.5: (122, 116, 104) for CLIP)."""
    return int(mean[0] * 255), int(mean[1] * 255), int(mean[2] * 255)


def views_uint8(image: ImageSource, plan: Plan, normalizations: Sequence[Normalization]) -> list[np.ndarray]:
    """All views of a picture as uint8 [height, width, 3] each.

    Args:
        normalizations: of the encoder's branches; canvases are padded with the mean of the branch that reads them.
    """
    if len(normalizations) > 1:
        plan = painted(plan, normalizations)
    return [np.array(view) for view in cut(image.load(), plan, fill=fill_color(normalizations[0][0]))]


def painted(plan: Plan, normalizations: Sequence[Normalization]) -> Plan:
    """The plan with the colour of its padding on every canvas: its own, or the mean of the branch that reads it."""
    readers = {view.canvas: view.branch for view in reversed(plan.views)}
    own = [fill_color(normalizations[readers.get(number, 0)][0]) for number in range(len(plan.canvases))]
    canvases = (replace(c, fill=c.fill or fill) for c, fill in zip(plan.canvases, own, strict=True))
    return replace(plan, canvases=tuple(canvases))
