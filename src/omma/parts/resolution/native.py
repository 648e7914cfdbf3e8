"""The picture as it is, made smaller only if it must be, in patches with a line break behind each row (Fuyu).

Fuyu-8B: "Fuyu-8B: a multimodal architecture for AI agents" (2023), and its processor in transformers.
"""

from __future__ import annotations

from PIL import Image
from pydantic import Field, PositiveInt

from omma.parts.base import PartConfig
from omma.parts.resolution.base import RESOLUTIONS, Canvas, Plan, Resolution, View, checked, nearest_multiple
from omma.parts.resolution.layout import MapTokens

PADDING = (1, 1, 1)
"""The processor pads with 1.0 before it divides pixels by 255: nearly black."""


@RESOLUTIONS.register("native")
class Native(Resolution):
    class Config(PartConfig):
        """At most (width, height) pixels, padded on the right and below to multiples of ``patch``."""

        most: tuple[PositiveInt, PositiveInt] = (1920, 1080)
        patch: int = Field(gt=0)
        newline: str = Field(default="\n", min_length=1)
        """Text behind each row. Fuyu's tokenizer has a token for it, ``|NEWLINE|``."""

    def for_patches(self, patch: int) -> dict[str, int]:
        return {"patch": nearest_multiple(self.config.patch, patch)}

    def plan(self, width: int, height: int) -> Plan:
        whole, (most_width, most_height), patch = checked(width, height), self.config.most, self.config.patch
        content = (width, height)
        if width > most_width or height > most_height:
            scale = min(most_width / width, most_height / height)
            content = (max(int(width * scale), 1), max(int(height * scale), 1))
        size = (-(-content[0] // patch) * patch, -(-content[1] // patch) * patch)
        return Plan(
            (width, height),
            (Canvas(whole, content, size, fill=PADDING, resample=Image.Resampling.BILINEAR),),
            (View(0, (0, 0, *size)),),
            (MapTokens(((0,),), row_text=self.config.newline),),
        )
