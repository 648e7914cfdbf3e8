"""What an image tokenizer makes of a picture, as a page draws it: what is painted of it, its codes as a coloured map, and how it
comes about scale by scale.

A code has the colour of its place among the others of its picture: the first three principal components of their vectors, as red,
green and blue. Codes that stand for nearly the same have nearly the same colour.

Shapes: K codes or vectors, D numbers of a vector.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from omma import __version__
from omma.evaluation.drawing.fidelity import psnr, ssim
from omma.evaluation.report.numbers import big
from omma.evaluation.report.pictures import COARSE, data_uri
from omma.evaluation.report.rendering import page_templates
from omma.evaluation.report.view import Headline
from omma.model.emerging import as_it_stands
from omma.parts.quantizers.multi_scale import MultiScale
from omma.parts.resolution.base import Size
from omma.parts.tokenizers import ImageTokenizer
from omma.parts.tokenizers.autoencoder import QuantizedAutoencoder
from omma.parts.tokenizers.base import NO_CODE

LARGEST = 768
"""Longest side in pixels of a picture on the page."""
SSIM_SIDE = 11
"""Pixels of the window that SSIM looks through; smaller pictures have none."""
TIMES = 2
"""How many times darker what is lost is drawn."""
MOST_NUMBERS = 4096
"""Codes of a picture that are written out, too."""

_TEMPLATES = page_templates("omma.show")


@dataclass(frozen=True, slots=True)
class CodeMap:
    """Codes or vectors where they are in the picture.

    Attributes:
        picture: a pixel for each, in its colour.
        numbers: row by row; empty for vectors.
    """

    rows: int
    columns: int
    picture: str
    numbers: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """The picture at some point of its making.

    Attributes:
        title: of a scale, its map; of a step, which it is.
        detail: what was said by then.
        psnr: in dB, of pictures that were read.
    """

    title: str
    detail: str
    painted: str
    psnr: float | None = None
    map: CodeMap | None = None


@dataclass(frozen=True, slots=True)
class Painting:
    """One picture on the page, as it was read and painted again, or drawn.

    Attributes:
        original, lost: the picture, and where what is painted is another one; None of pictures that were drawn.
        length: how many codes or vectors it has.
        different: how many of its codes differ; None of vectors.
        bits: that its codes take; None of vectors.
        map: of all codes, where they have places and one scale.
        moments: how it came about, if it did so in several steps.
    """

    name: str
    size: Size
    painted: str
    length: int
    original: str | None = None
    lost: str | None = None
    psnr: float | None = None
    ssim: float | None = None
    different: int | None = None
    bits: float | None = None
    map: CodeMap | None = None
    moments: tuple[Moment, ...] = ()


@torch.inference_mode()
def painting_of(
    tokenizer: ImageTokenizer, name: str, read: Tensor, painted: Image.Image, original: Image.Image | None = None
) -> Painting:
    """One picture, out of what was read or drawn of it.

    Args:
        read: codes [1, T] or vectors [1, T, D].
        original: of a picture that was read, at the size of what is painted.
    """
    codes = None if read.is_floating_point() else read[0][read[0] != NO_CODE]
    lost = None
    if original is not None:
        apart = np.abs(np.asarray(original, dtype=float) - np.asarray(painted, dtype=float)).mean(2)
        lost = data_uri(Image.fromarray((255 - np.clip(TIMES * apart, 0, 255)).astype(np.uint8)), LARGEST)
    return Painting(
        name=name,
        size=painted.size,
        painted=data_uri(painted, LARGEST),
        length=read.shape[1] if codes is None else len(codes),
        original=None if original is None else data_uri(original, LARGEST),
        lost=lost,
        psnr=None if original is None else psnr(painted, original),
        ssim=None if original is None or min(painted.size) < SSIM_SIDE else ssim(painted, original),
        different=None if codes is None else len(codes.unique()),
        bits=None if codes is None else len(codes) * math.log2(tokenizer.vocabulary),
        map=_whole_map(tokenizer, read, painted.size),
        moments=_scales(tokenizer, read, painted.size, original),
    )


def _whole_map(tokenizer: ImageTokenizer, read: Tensor, size: Size) -> CodeMap | None:
    quantizer = getattr(tokenizer, "quantizer", None)
    rows, columns = tokenizer.grid(size)
    if tokenizer.varies or isinstance(quantizer, MultiScale) or read.shape[1] != rows * columns:
        return None
    if read.is_floating_point():
        return _map(rows, columns, _colors(read[0]))
    return _map(rows, columns, _colors(_vectors(quantizer, read[0])), read[0])


def _scales(tokenizer: ImageTokenizer, read: Tensor, size: Size, original: Image.Image | None) -> tuple[Moment, ...]:
    quantizer = getattr(tokenizer, "quantizer", None)
    if not isinstance(quantizer, MultiScale) or not isinstance(tokenizer, QuantizedAutoencoder):
        return ()
    colors, end, moments = _colors(_vectors(quantizer, read[0])), 0, []
    for side, codes in zip(quantizer.config.scales, quantizer.maps(read), strict=True):
        own = colors[end : end + side * side]
        end += side * side
        picture = Image.fromarray(as_it_stands(tokenizer, read[:, :end], size)[0].cpu().numpy())
        said = f"{big(side * side)} of {big(read.shape[1])} codes" if end == side * side else f"{big(end)} codes so far"
        moments.append(
            Moment(
                title=f"{side} × {side}",
                detail=f"{said}, {big(math.ceil(end * math.log2(tokenizer.vocabulary)))} bits",
                painted=data_uri(picture, LARGEST),
                psnr=None if original is None else psnr(picture, original),
                map=_map(side, side, own, codes[0]),
            )
        )
    return tuple(moments)


def _vectors(quantizer: Any, codes_K: Tensor) -> Tensor:
    """What codes stand for, one by one, [K, D]."""
    if isinstance(quantizer, MultiScale):
        return quantizer.codebook[codes_K]
    vectors: Tensor = quantizer.lookup(codes_K[None], (len(codes_K),))
    return vectors[0].T


def _colors(vectors_KD: Tensor) -> np.ndarray:
    """uint8 [K, 3]: the first three principal components, each from dark to light; grey where there is nothing to tell apart."""
    vectors = vectors_KD.detach().double().cpu()
    middle = vectors - vectors.mean(0)
    _, spread, ways = torch.linalg.svd(middle, full_matrices=False)
    found = np.full((len(vectors), 3), 0.5)
    for number, (size, way) in enumerate(zip(spread[:3], ways[:3], strict=True)):
        if size > 1e-6:
            along = (middle @ way).numpy()
            found[:, number] = (along - along.min()) / (along.max() - along.min())
    return (40 + 200 * found).round().astype(np.uint8)


def _map(rows: int, columns: int, colors_K3: np.ndarray, codes_K: Tensor | None = None) -> CodeMap:
    written = () if codes_K is None or len(codes_K) > MOST_NUMBERS else tuple(map(tuple, codes_K.view(rows, columns).tolist()))
    cells = Image.fromarray(colors_K3.reshape(rows, columns, 3))
    return CodeMap(rows, columns, data_uri(cells, max(rows, columns)), written)


def moments_of(words: Sequence[str], pictures: Sequence[Image.Image]) -> tuple[Moment, ...]:
    """Steps in which a picture was drawn."""
    return tuple(
        Moment(f"{number} of {len(words)}", said, data_uri(picture, LARGEST))
        for number, (said, picture) in enumerate(zip(words, pictures, strict=True), 1)
    )


def painting_page(name: str, about: str, tokenizer: str, paintings: Iterable[Painting], *, untrained: bool) -> str:
    """The page.

    Args:
        name: of the run or recipe.
        about: what it is, in a sentence; may be empty.
        tokenizer: the image tokenizer in words.
        untrained: whether its weights are random.
    """
    shown = list(paintings)
    title = f"What {name} makes of {shown[0].name}" if shown[0].original else f"How {name} draws {shown[0].name}"
    return _TEMPLATES.get_template("painting.html.jinja").render(
        title=title, about=about, tokenizer=tokenizer, paintings=shown, untrained=untrained, headlines=_headlines(shown[0]),
        coarse=max(shown[0].size) < COARSE, times=TIMES, version=__version__,
    )  # fmt: skip


def _headlines(one: Painting) -> list[Headline]:
    found = []
    if one.psnr is not None:
        similar = "" if one.ssim is None else f"structural similarity {one.ssim:.3f}"
        found.append(Headline("PSNR", "∞" if math.isinf(one.psnr) else f"{one.psnr:.1f}", "dB", similar))
    if one.bits is None:
        found.append(Headline("Vectors", big(one.length), "", "continuous: no codes"))
        return found
    width, height = one.size
    found.append(Headline("Codes", big(one.length), "", f"{big(one.different or 0)} different ones"))
    detail = f"{one.bits / (width * height):.2g} a pixel, where the picture has 24"
    found.append(Headline("Bits", big(math.ceil(one.bits)), "", detail))
    return found
