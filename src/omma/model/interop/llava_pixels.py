"""Resolution strategies as `transformers` image processors, and back: the three ways to make a picture one square.

| omma | transformers | how |
| --- | --- | --- |
| crop-square | CLIPImageProcessor | short side to size, centre crop |
| pad-square | LlavaImageProcessor | pad with the mean colour, then resize |
| stretch-square | SiglipImageProcessor | resize regardless of shape |
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from omma.errors import BadInput
from omma.parts.encoders.base import NORMALIZATIONS, Triple

BICUBIC = 3
_TYPES = {
    "crop-square": "CLIPImageProcessor",
    "pad-square": "LlavaImageProcessor",
    "stretch-square": "SiglipImageProcessor",
}


def check_strategy(strategy: str) -> None:
    """Raises BadInput for a strategy that none of the three is."""
    if strategy not in _TYPES:
        raise BadInput(
            "resolution",
            expected=f"one of {', '.join(_TYPES)}, which LLaVA's processors know",
            found=strategy,
            remedy="this model cannot be exported to that layout",
        )


def to_transformers(strategy: str, size: int, mean: Triple, std: Triple) -> dict[str, Any]:
    """The configuration of an image processor that gives the same pixels.

    Raises:
        BadInput: for a strategy that none of the three is.
    """
    check_strategy(strategy)
    square = {"height": size, "width": size}
    settings: dict[str, Any] = {
        "image_processor_type": _TYPES[strategy],
        "do_convert_rgb": True,
        "do_resize": True,
        "size": square if strategy == "stretch-square" else {"shortest_edge": size},
        "resample": BICUBIC,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(mean),
        "image_std": list(std),
    }
    if strategy != "stretch-square":
        settings |= {"do_center_crop": True, "crop_size": square, "do_pad": strategy == "pad-square"}
    return settings


def from_transformers(settings: Mapping[str, Any], *, where: str) -> tuple[dict[str, Any], str]:
    """(resolution as plain data, name of the normalization) from an image processor's configuration.

    Raises:
        BadInput: for a processor that none of the three strategies equals.
    """
    crops = str(settings.get("image_processor_type", "CLIP")).startswith(("CLIP", "Llava"))
    for name, default in (("do_resize", True), ("do_rescale", True), ("do_normalize", True), ("resample", BICUBIC)):
        found = settings.get(name, default)
        if found != default:
            raise _foreign(where, name, str(default), found)
    factor = settings.get("rescale_factor", 1 / 255)
    if not isinstance(factor, float) or not math.isclose(factor, 1 / 255, rel_tol=1e-6):
        raise _foreign(where, "rescale_factor", "1/255", factor)
    size = settings.get("size")
    crop = _square(settings.get("crop_size")) if settings.get("do_center_crop", crops) else None
    short = size if isinstance(size, int) and crop is not None else None
    if isinstance(size, Mapping):
        short = size.get("shortest_edge")
    side: Any
    if short is not None and short == crop:
        strategy, side = "pad-square" if settings.get("do_pad", False) else "crop-square", short
    elif _square(size) is not None and crop in (None, _square(size)) and not settings.get("do_pad", False):
        strategy, side = "stretch-square", _square(size)
    else:
        raise _foreign(where, "size", "a square, or a shortest_edge with a centre crop of the same size", size)
    if not isinstance(side, int) or side < 1:
        raise _foreign(where, "size", "a positive number of pixels", side)
    return {"type": strategy, "size": side}, _normalization(settings, where)


def _square(size: Any) -> int | None:
    if isinstance(size, Mapping):
        return size.get("height") if size.get("height") == size.get("width") else None
    return size if isinstance(size, int) else None


def _normalization(settings: Mapping[str, Any], where: str) -> str:
    found = settings.get("image_mean"), settings.get("image_std")
    for name, (mean, std) in NORMALIZATIONS.items():
        if _close(found[0], mean) and _close(found[1], std):
            return name
    known = "; ".join(f"{name} {list(mean)}, {list(std)}" for name, (mean, std) in NORMALIZATIONS.items())
    raise _foreign(where, "image_mean and image_std", f"one of: {known}", found)


def _close(found: Any, wanted: Triple) -> bool:
    if not isinstance(found, Sequence) or len(found) != 3 or not all(isinstance(x, (int, float)) for x in found):
        return False
    return all(math.isclose(a, b, abs_tol=1e-6) for a, b in zip(found, wanted, strict=True))


def _foreign(where: str, field: str, expected: str, found: Any) -> BadInput:
    return BadInput(
        f"{where}, {field}",
        expected=expected,
        found=str(found),
        remedy="this image processor has no counterpart in omma",
    )
