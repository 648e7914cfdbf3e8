"""The three ways to make a picture one square as `transformers` image processors, and back.

| omma | transformers | how |
| --- | --- | --- |
| crop-square | CLIPImageProcessor | short side to size, centre crop |
| pad-square | LlavaImageProcessor | pad with the mean colour, then resize |
| stretch-square | SiglipImageProcessor | resize regardless of shape |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omma.model.interop.pixels import check_steps, foreign, normalization, square, steps
from omma.parts.encoders.base import Triple

STRATEGIES = {
    "crop-square": "CLIPImageProcessor",
    "pad-square": "LlavaImageProcessor",
    "stretch-square": "SiglipImageProcessor",
}


def to_transformers(strategy: str, size: int, mean: Triple, std: Triple) -> dict[str, Any]:
    """The configuration of an image processor that gives the same pixels as one of the three strategies."""
    whole = {"height": size, "width": size}
    settings = steps(mean, std) | {
        "image_processor_type": STRATEGIES[strategy],
        "size": whole if strategy == "stretch-square" else {"shortest_edge": size},
    }
    if strategy != "stretch-square":
        settings |= {"do_center_crop": True, "crop_size": whole, "do_pad": strategy == "pad-square"}
    return settings


def from_transformers(settings: Mapping[str, Any], *, where: str) -> tuple[dict[str, Any], str]:
    """(resolution as plain data, name of the normalization) from an image processor's configuration.

    Raises:
        BadInput: for a processor that none of the three strategies equals.
    """
    crops = str(settings.get("image_processor_type", "CLIP")).startswith(("CLIP", "Llava"))
    check_steps(settings, where=where)
    size = settings.get("size")
    crop = square(settings.get("crop_size")) if settings.get("do_center_crop", crops) else None
    short = size if isinstance(size, int) and crop is not None else None
    if isinstance(size, Mapping):
        short = size.get("shortest_edge")
    side: Any
    if short is not None and short == crop:
        strategy, side = "pad-square" if settings.get("do_pad", False) else "crop-square", short
    elif square(size) is not None and crop in (None, square(size)) and not settings.get("do_pad", False):
        strategy, side = "stretch-square", square(size)
    else:
        raise foreign(where, "size", "a square, or a shortest_edge with a centre crop of the same size", size)
    if not isinstance(side, int) or side < 1:
        raise foreign(where, "size", "a positive number of pixels", side)
    return {"type": strategy, "size": side}, normalization(settings, where)
