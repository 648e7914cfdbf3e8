"""Pictures as pages hold them: as text, so that a page is one file."""

from __future__ import annotations

import base64
import io

from PIL import Image

COARSE = 160
"""Pictures with a longest side below this are shown with visible pixels."""


def data_uri(image: Image.Image, longest: int) -> str:
    """A picture as text, made smaller if a side is longer: PNG, or JPEG where that is shorter (photographs)."""
    small = image.copy()
    small.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    lossless, photograph = io.BytesIO(), io.BytesIO()
    small.save(lossless, "PNG")
    small.save(photograph, "JPEG", quality=90, subsampling=0)
    kind, data = min(("png", lossless.getvalue()), ("jpeg", photograph.getvalue()), key=lambda one: len(one[1]))
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
