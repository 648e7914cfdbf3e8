"""One view of the whole picture in nearly its own shape: for encoders whose positions can be interpolated.

Pix2Struct (arXiv 2210.03347) and NaViT (arXiv 2307.06304) keep the shape too, but bound the number of patches.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from omma.parts.base import PartConfig
from omma.parts.resolution.base import (
    RESOLUTIONS,
    Canvas,
    Plan,
    Resolution,
    View,
    ViewTokens,
    checked,
    nearest_multiple,
)


@RESOLUTIONS.register("keep-ratio")
class KeepRatio(Resolution):
    class Config(PartConfig):
        """The long side becomes ``size`` pixels, the other the nearest multiple of ``patch``."""

        size: int = Field(gt=0)
        patch: int = Field(gt=0)

        @model_validator(mode="after")
        def _whole_patches(self) -> KeepRatio.Config:
            if self.size % self.patch:
                raise ValueError(f"a size of whole patches of {self.patch} pixels, {self.size} is none")
            return self

    def for_patches(self, patch: int) -> dict[str, int]:
        suited = nearest_multiple(self.config.patch, patch)
        return {"patch": suited, "size": nearest_multiple(self.config.size, suited)}

    def plan(self, width: int, height: int) -> Plan:
        whole, longest = checked(width, height), max(width, height)
        size = (self._rounded(width, longest), self._rounded(height, longest))
        return Plan((width, height), (Canvas(whole, size, size),), (View(0, (0, 0, *size)),), (ViewTokens(0),))

    def _rounded(self, side: int, longest: int) -> int:
        """``side * size / longest`` to the nearest multiple of a patch, halves up, and at least one patch."""
        patches, patch = self.config.size // self.config.patch, self.config.patch
        return max((2 * side * patches + longest) // (2 * longest), 1) * patch
