"""Pictures from files, archives, bytes and memory: upright RGB, or one clear complaint. Never anything else.

Pictures come from strangers. So only a fixed list of formats is decoded, dimensions are checked in the header before any
pixel is, and whatever a decoder throws at damaged data becomes `BadInput`. What comes back is what the picture looks
like on white paper: EXIF rotation applied, transparency composited, deep greys scaled to 8 bits, first frame of several.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageChops
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from omma.data.sample import ImageSource
from omma.errors import BadInput

MAX_PIXELS = 64_000_000
"""Most pixels that a picture may have; more is refused from its header. 64 million are 192 MB as RGB."""

MAX_SIDE = 30_000
"""Most pixels that a side of a picture may have."""

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
"""Every format that is ever decoded."""

_READABLE = f"a picture ({', '.join(FORMATS)})"

# Real photographs are full of damaged EXIF, which Pillow's TIFF reader reports for every single one while still reading
# all that matters here. Filtering around each call instead would not be safe with threads.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.TiffImagePlugin")

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> what sets the picture upright (EXIF 2.32, tag 0x0112)."""

_EXIF_ORIENTATION = 0x0112


class _EncodedImage(ABC):
    """What the sources of encoded pictures share: a stream of bytes and a name for complaints."""

    @property
    @abstractmethod
    def where(self) -> str:
        """What complaints call the picture."""

    @abstractmethod
    def open(self) -> BinaryIO:
        """A new seekable stream of the encoded bytes. Raises BadInput."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels of the upright picture, from the header alone. Raises BadInput."""
        with self.open() as stream:
            picture = _opened(stream, self.where)
            width, height = picture.size
            return (height, width) if _orientation(picture) >= 5 else (width, height)

    def load(self) -> Image.Image:
        """The upright picture, mode RGB, without metadata. Raises BadInput."""
        with self.open() as stream:
            picture = _opened(stream, self.where)
            try:
                turn = _UPRIGHT.get(_orientation(picture))
                rgb = to_rgb(picture)
                return rgb if turn is None else rgb.transpose(turn)
            except Exception as error:  # decoders throw nearly anything at damaged data, and this is where it arrives
                raise BadInput(
                    self.where,
                    expected=f"a whole {picture.format} picture",
                    found=f"data that cannot be decoded ({_reason(error)})",
                    remedy="fetch or export the picture again, or leave it out",
                ) from error


@dataclass(frozen=True)
class FileImage(_EncodedImage):
    """A picture file. The path is made absolute at once, so that a later change of directory cannot matter."""

    path: Path

    def __init__(self, path: str | os.PathLike[str]) -> None:
        object.__setattr__(self, "path", Path(os.path.abspath(path)))

    @property
    def where(self) -> str:
        return str(self.path)

    @property
    def key(self) -> str:
        """Absolute path, bytes and modification time (nanoseconds). Raises BadInput if the file cannot be found."""
        status = _file_status(self.path, self.where)
        return f"{self.path}:{status.st_size}:{status.st_mtime_ns}"

    def open(self) -> BinaryIO:
        _file_status(self.path, self.where)
        try:
            return open(self.path, "rb")
        except OSError as error:
            raise _unreadable(self.where, error) from error


@dataclass(frozen=True)
class TarImage(_EncodedImage):
    """A member of an uncompressed tar archive: ``length`` bytes from ``offset`` (`tarfile.TarInfo.offset_data`).

    Each reading opens the archive anew, which costs microseconds where decoding costs hundreds, and leaves no file handle
    (with its one position) for threads or forked workers to fight over.
    """

    archive: Path
    offset: int
    length: int
    name: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "archive", Path(os.path.abspath(self.archive)))

    @property
    def where(self) -> str:
        return f"{self.name} in {self.archive}"

    @property
    def key(self) -> str:
        """The archive's absolute path, bytes and modification time, and the member's place in it. Raises BadInput."""
        status = _file_status(self.archive, self.where)
        return f"{self.archive}:{status.st_size}:{status.st_mtime_ns}:{self.offset}:{self.length}"

    def open(self) -> BinaryIO:
        _file_status(self.archive, self.where)
        try:
            with open(self.archive, "rb") as archive:
                archive.seek(self.offset)
                return io.BytesIO(archive.read(self.length))
        except OSError as error:
            raise _unreadable(self.where, error) from error


@dataclass(frozen=True)
class BytesImage(_EncodedImage):
    """An encoded picture in memory (an upload, a web shard's member); ``name`` is what complaints call it."""

    data: bytes = field(repr=False)
    name: str
    key: str = field(init=False)
    """A digest of the bytes."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", f"bytes:{hashlib.blake2b(self.data, digest_size=16).hexdigest()}")

    @property
    def where(self) -> str:
        return self.name

    def open(self) -> BinaryIO:
        return io.BytesIO(self.data)


@dataclass(frozen=True)
class MemoryImage:
    """A decoded picture of any Pillow mode. Whoever makes it answers for the key: equal keys mean equal pixels."""

    picture: Image.Image = field(repr=False, compare=False)
    key: str

    @property
    def size(self) -> tuple[int, int]:
        return self.picture.size

    def load(self) -> Image.Image:
        return to_rgb(self.picture)


@dataclass(frozen=True)
class CroppedImage:
    """A part of another picture: ``box`` is (left, top, right, bottom) in whole pixels of the upright source.

    Raises:
        ValueError: for an empty box or negative coordinates.
    """

    source: ImageSource
    box: tuple[int, int, int, int]

    def __post_init__(self) -> None:
        left, top, right, bottom = self.box
        if not (0 <= left < right and 0 <= top < bottom):
            raise ValueError(f"a crop box is 0 <= left < right and 0 <= top < bottom, not {self.box}")

    @property
    def key(self) -> str:
        return f"{self.source.key}@{','.join(map(str, self.box))}"

    @property
    def size(self) -> tuple[int, int]:
        left, top, right, bottom = self.box
        return right - left, bottom - top

    def load(self) -> Image.Image:
        """The part. Raises BadInput if the box does not lie within the source, or the source cannot be read."""
        picture = self.source.load()
        if self.box[2] > picture.width or self.box[3] > picture.height:
            raise BadInput(
                getattr(self.source, "where", self.source.key),
                expected=f"a picture that holds the box {self.box}",
                found=f"{picture.width} x {picture.height} pixels",
                remedy="correct the box or the picture",
            )
        return picture.crop(self.box)


def to_rgb(picture: Image.Image) -> Image.Image:
    """A new RGB picture of what a viewer would show on white paper, without metadata; nothing is rotated.

    Greys of more than 8 bits are scaled, not clipped: 16-bit integers from 0..65535; floats from 0..1 if they lie there;
    any other range (32-bit integers, floats beyond 1) from its own minimum and maximum, not-a-number becoming black.
    """
    picture.load()
    opaque: Image.Image | None = None
    if picture.mode.startswith("I") or picture.mode == "F":
        levels = np.asarray(picture)
        transparent = picture.info.get("transparency")
        if isinstance(transparent, int):
            opaque = Image.fromarray(np.where(levels == transparent, 0, 255).astype(np.uint8))
        flat = Image.fromarray(_eight_bits(levels)).convert("RGB")
    elif picture.has_transparency_data:
        layered = picture.convert("RGBA")
        opaque, flat = layered.getchannel("A"), layered.convert("RGB")
    elif isinstance(picture, JpegImageFile) and picture.mode == "CMYK" and "adobe" not in picture.info:
        # Adobe's writers store CMYK inverted and mark the file; Pillow takes every CMYK JPEG for one of theirs.
        flat = ImageChops.invert(picture).convert("RGB")
    else:
        flat = picture.convert("RGB")
    if opaque is not None:
        flat = Image.composite(flat, Image.new("RGB", flat.size, "white"), opaque)
    flat.info.clear()  # an orientation left here would make somebody rotate the picture again
    return flat


def _eight_bits(levels: np.ndarray) -> np.ndarray:
    """Integers or floats [height, width] as uint8; see `to_rgb` for the ranges."""
    if levels.dtype.kind in "ui" and levels.min() >= 0 and levels.max() <= 65535:
        return ((levels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    values = levels.astype(np.float64)
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(values.shape, np.uint8)
    low, high = values[finite].min(), values[finite].max()
    if levels.dtype.kind == "f" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    values = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    # Halves, because the difference of two large floats may overflow.
    share = (values / 2 - low / 2) / max(high / 2 - low / 2, np.finfo(np.float64).tiny)
    return np.rint(share * 255).astype(np.uint8)


def _opened(stream: BinaryIO, where: str) -> ImageFile:
    """The picture of a stream, header read and judged, pixels untouched. Raises BadInput.

    Pillow's readers are called directly: `Image.open` would announce large pictures by a warning of its own, and hand
    JPEG files with several frames to a reader outside the list.
    """
    head = stream.read(32)
    reader = _reader(head)
    if reader is None:
        raise BadInput(
            where, expected=_READABLE, found=_kind(head), remedy="correct the path, or convert the file to PNG or JPEG"
        )
    stream.seek(0)
    try:
        picture = reader(stream)
    except Exception as error:  # as in `load`: whatever is thrown here, the data is at fault
        raise BadInput(
            where,
            expected=_READABLE,
            found=f"a {reader.format} header that cannot be read ({_reason(error)})",
            remedy="fetch or export the picture again, or leave it out",
        ) from error
    width, height = picture.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise BadInput(
            where,
            expected=f"at most {MAX_PIXELS:,} pixels and {MAX_SIDE:,} a side",
            found=f"{width:,} x {height:,}",
            remedy="scale the picture down or leave it out",
        )
    return picture


def _reader(head: bytes) -> type[ImageFile] | None:
    """The reader for data that begins like this, by the formats' signatures, or None."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImageFile
    if head.startswith(b"\xff\xd8\xff"):
        return JpegImageFile
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WebPImageFile
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return GifImageFile
    if head[:2] == b"BM":
        return BmpImageFile
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return TiffImageFile
    if head[:1] == b"P" and head[1:2] in b"123456f" and head[2:3].isspace():
        return PpmImageFile
    return None


def _kind(head: bytes) -> str:
    """What data that is no picture looks like, for the complaint."""
    start = head.lstrip().lower()
    if not head:
        return "an empty file (0 bytes)"
    if head[4:8] == b"ftyp":
        return f"a {head[8:12].decode('latin-1').strip()} file (AVIF, HEIC or video)"
    if start.startswith(b"%pdf"):
        return "a PDF document"
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    if start.startswith((b"<svg", b"<?xml")):
        return "XML (perhaps an SVG drawing)"
    return f"data that begins with {head[:8]!r}"


def _orientation(picture: ImageFile) -> int:
    """The EXIF orientation 1..8 still to be undone; 1 where it is unknown.

    Only what stands before the pixels counts: `PngImageFile.getexif` would decode them to see what comes after.
    """
    if isinstance(picture, TiffImageFile):
        return 1  # this reader turns the picture itself, and reports the size after it
    try:
        found = Image.Image.getexif(picture).get(_EXIF_ORIENTATION, 1)
    except Exception:
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _file_status(path: Path, where: str) -> os.stat_result:
    """The status of a regular file. Raises BadInput for anything else; opening a pipe, say, would wait for ever."""
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        raise _unreadable(where, error) from error
    if not stat.S_ISREG(status.st_mode):
        found = "a directory" if stat.S_ISDIR(status.st_mode) else "a device, pipe or socket"
        raise BadInput(where, expected="a picture file", found=found, remedy="correct the path")
    return status


def _unreadable(where: str, error: OSError | ValueError) -> BadInput:
    if isinstance(error, FileNotFoundError):
        found, remedy = "no such file", "correct the path or fetch the file"
    elif isinstance(error, PermissionError):
        found, remedy = "no permission to read it", "change the file's permissions"
    else:
        found, remedy = f"an error of the system ({_reason(error)})", "correct the path or check the disk"
    return BadInput(where, expected="a readable picture file", found=found, remedy=remedy)


def _reason(error: Exception) -> str:
    """An exception as a short phrase within a sentence."""
    text = (error.strerror if isinstance(error, OSError) and error.strerror else str(error)) or type(error).__name__
    return " ".join(text.split()).rstrip(".")[:120]
