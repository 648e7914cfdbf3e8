"""The fonts that the generated worlds print with, by name, from packages that pip installs on every platform.

No system font is ever used: the same scene must look the same on every machine. For that reason the basic text layout is
asked for explicitly, because Pillow's default depends on whether a shaping library happens to be there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageFont

from omma.errors import BadInput, nearest


@dataclass(frozen=True, slots=True)
class FontFile:
    """Where a named font lies: an importable package, a file inside it, and the distribution that installs it."""

    package: str
    file: str
    distribution: str


def _sans(style: str) -> FontFile:
    return FontFile("font_source_sans_pro", f"files/SourceSansPro-{style}.ttf", "font-source-sans-pro")


def _serif(style: str) -> FontFile:
    return FontFile("font_source_serif_pro", f"files/SourceSerifPro-{style}.ttf", "font-source-serif-pro")


def _matplotlib(stem: str) -> FontFile:
    return FontFile("matplotlib", f"mpl-data/fonts/ttf/{stem}.ttf", "matplotlib")


_TRAIN = {
    "source-sans": _sans("Regular"),
    "source-sans-bold": _sans("Bold"),
    "source-sans-italic": _sans("It"),
    "source-serif": _serif("Regular"),
    "source-serif-bold": _serif("Bold"),
    "dejavu-sans": _matplotlib("DejaVuSans"),
    "dejavu-sans-bold": _matplotlib("DejaVuSans-Bold"),
    "dejavu-sans-oblique": _matplotlib("DejaVuSans-Oblique"),
    "dejavu-serif": _matplotlib("DejaVuSerif"),
    "dejavu-serif-bold": _matplotlib("DejaVuSerif-Bold"),
    "dejavu-mono": _matplotlib("DejaVuSansMono"),
    "dejavu-mono-bold": _matplotlib("DejaVuSansMono-Bold"),
    "stix": _matplotlib("STIXGeneral"),
    "stix-italic": _matplotlib("STIXGeneralItalic"),
}
_HELD_OUT = {
    "source-sans-black": _sans("Black"),
    "source-serif-italic": _serif("It"),
    "dejavu-mono-oblique": _matplotlib("DejaVuSansMono-Oblique"),
    "stix-bold": _matplotlib("STIXGeneralBol"),
}
_FILES = _TRAIN | _HELD_OUT

TRAIN_FONTS: tuple[str, ...] = tuple(_TRAIN)
"""Fonts of the splits ``train`` and ``fresh``."""

HELD_OUT_FONTS: tuple[str, ...] = tuple(_HELD_OUT)
"""Fonts of the split ``compositional`` only. Each is a new cut of a family whose other cuts are trained on."""


@lru_cache(maxsize=256)
def font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """The named font at ``size`` pixels per em, loaded once per process.

    Raises:
        BadInput: for an unknown name, or if the package that brings the font is not installed or lacks the file.
    """
    path = str(font_path(name))
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=8192)
def middles_of_characters(name: str, size: int, text: str) -> tuple[float, ...]:
    """How far behind the pen's first position the middle of each character of a text is, in pixels."""
    face = font(name, size)
    ends = [face.getlength(text[: i + 1]) for i in range(len(text))]
    return tuple((start + end) / 2 for start, end in zip([0.0, *ends], ends, strict=False))


@lru_cache(maxsize=len(_FILES))
def font_path(name: str) -> Path:
    """The font's file. The package is located, not imported: importing matplotlib would take longer than the drawing.

    Raises:
        BadInput: as `font`.
    """
    if name not in _FILES:
        raise BadInput("font", expected="the name of a playground font", found=repr(name), remedy=nearest(name, _FILES))
    entry = _FILES[name]
    spec = find_spec(entry.package)
    remedy = f"run pip install {entry.distribution}"
    if spec is None or spec.origin is None:
        raise BadInput(
            f"font {name}",
            expected=f"the installed package {entry.distribution}",
            found="no such package",
            remedy=remedy,
        )
    path = Path(spec.origin).parent / entry.file
    if not path.is_file():
        raise BadInput(
            f"font {name}",
            expected=f"the file {entry.file} in the package {entry.distribution}",
            found="no such file",
            remedy=f"{remedy} --force-reinstall",
        )
    return path
