"""For every resolution strategy a recipe of a published system that uses it, at the size that it was published with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from omma.recipe import Recipe, load_recipe


@dataclass(frozen=True)
class System:
    """A published system.

    Attributes:
        about: what its strategy does with a picture.
        recipe: whose size ``paper`` it is.
        overrides: what is changed in it; a system with any was not published so.
    """

    name: str
    about: str
    recipe: str
    overrides: tuple[str, ...] = ()

    @cached_property
    def resolved(self) -> Recipe:
        return load_recipe(self.recipe, "paper", self.overrides)

    @property
    def published(self) -> str:
        """Where; nothing if it was not."""
        return "" if self.overrides else self.resolved.paper


SYSTEMS = (
    System("LLaVA 1.0", "The centre of the picture, the rest is lost.", "llava"),
    System("LLaVA-1.5", "The whole picture on a square.", "llava-1.5"),
    System(
        "DeepSeek-VL 1.3B",
        "The whole picture in its own shape, its long side as long as the square, padded.",
        "deepseek-vl-1.3b",
    ),
    System("Qwen-VL", "The whole picture stretched to a square, and a resampler behind the encoder.", "qwen-vl"),
    System(
        "LLaVA-NeXT",
        "The whole picture, then tiles of the canvas that fits best; rows of padding are left out.",
        "llava-next",
    ),
    System(
        "InternVL 1.5",
        "Tiles of the grid whose shape is nearest, then a thumbnail; four features become one token.",
        "internvl-1.5",
    ),
    System(
        "Monkey",
        "Four windows of one fixed canvas, each with a LoRA of its own, then the whole picture.",
        "monkey",
    ),
    System(
        "UReader",
        "The whole picture, then cells of the grid that overlaps it most; a mark ends every view.",
        "ureader",
    ),
    System(
        "LLaVA-UHD",
        "Slices in nearly the picture's own shape, told apart by commas and newlines, then the whole.",
        "llava-uhd",
    ),
    System(
        "XComposer2-4KHD",
        "The whole picture, then as many tiles as the cap allows; every row of tokens ends with a mark.",
        "xcomposer2-4khd",
    ),
    System(
        "Vary",
        "The whole picture twice, small for one encoder and large for another, joined by channel.",
        "vary",
    ),
    System(
        "Fuyu-8B",
        "The picture as it is, in patches without an encoder; every row ends with a line break.",
        "fuyu",
    ),
    System(
        "LLaVA-1.5 in own shape",
        "LLaVA-1.5's parts with interpolated positions and the whole picture in its own shape; not published so.",
        "llava-1.5",
        ("model.resolution={type: keep-ratio, size: 336, patch: 14}",),
    ),
    System(
        "LLaVA-1.5 on a budget",
        "LLaVA-1.5's parts with interpolated positions and no more pixels, in nearly its shape (Emu3); not published so.",
        "llava-1.5",
        ("model.resolution={type: pixel-budget, least: 56448, most: 112896, patch: 14}",),
    ),
)
"""One for every strategy."""
