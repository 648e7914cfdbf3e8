"""What the image processors of `transformers` have in common: the steps that all take, and what omma calls their numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from omma.errors import BadInput
from omma.parts.encoders.base import NORMALIZATIONS, Triple

BICUBIC = int(Image.Resampling.BICUBIC)


def steps(mean: Triple, std: Triple) -> dict[str, Any]:
    """The fields of an image processor that resizes bicubically, rescales and normalises."""
    return {
        "do_convert_rgb": True,
        "do_resize": True,
        "resample": BICUBIC,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(mean),
        "image_std": list(std),
    }


def check_steps(settings: Mapping[str, Any], *, where: str, **wanted: Any) -> None:
    """See that an image processor takes the steps that omma takes.

    Args:
        wanted: what other fields have to be, if they are there.

    Raises:
        BadInput: naming the field that is different.
    """
    same = {"do_resize": True, "do_rescale": True, "do_normalize": True, "resample": BICUBIC} | wanted
    for name, default in same.items():
        found = settings.get(name, default)
        if found != default:
            raise foreign(where, name, str(default), found)
    factor = settings.get("rescale_factor", 1 / 255)
    if not isinstance(factor, float) or not math.isclose(factor, 1 / 255, rel_tol=1e-6):
        raise foreign(where, "rescale_factor", "1/255", factor)


def square(size: Any) -> int | None:
    """The side of a size in pixels if it is square; None if it is not."""
    if isinstance(size, Mapping):
        return size.get("height") if size.get("height") == size.get("width") else None
    return size if isinstance(size, int) else None


def side_of(settings: Mapping[str, Any], field: str, where: str) -> int:
    """The side of a square that an image processor's field gives. Raises BadInput if it is none."""
    side = square(settings.get(field))
    if not isinstance(side, int) or side < 1:
        raise foreign(where, field, "a square of a positive number of pixels", settings.get(field))
    return side


def whole(settings: Mapping[str, Any], field: str, default: int, where: str) -> int:
    """A positive number that an image processor's field gives. Raises BadInput if it is none."""
    found = settings.get(field, default)
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise foreign(where, field, "a positive number", found)
    return found


def normalization(settings: Mapping[str, Any], where: str, prefix: str = "image") -> str:
    """The name of what an image processor normalises with. Raises BadInput if omma has no name for it."""
    found = settings.get(f"{prefix}_mean"), settings.get(f"{prefix}_std")
    for name, (mean, std) in NORMALIZATIONS.items():
        if _close(found[0], mean) and _close(found[1], std):
            return name
    known = "; ".join(f"{name} {list(mean)}, {list(std)}" for name, (mean, std) in NORMALIZATIONS.items())
    raise foreign(where, f"{prefix}_mean and {prefix}_std", f"one of: {known}", found)


def _close(found: Any, wanted: Triple) -> bool:
    if isinstance(found, float):
        found = [found] * 3
    if not isinstance(found, Sequence) or len(found) != 3 or not all(isinstance(x, (int, float)) for x in found):
        return False
    return all(math.isclose(a, b, abs_tol=1e-6) for a, b in zip(found, wanted, strict=True))


def foreign(where: str, field: str, expected: str, found: Any) -> BadInput:
    """A complaint about an image processor's field."""
    return BadInput(
        f"{where}, {field}",
        expected=expected,
        found=str(found),
        remedy="this image processor has no counterpart in omma",
    )
