"""Pictures as they stand while they are drawn: after every scale or code, and after every step of a network that paints them.

Shapes: N pictures, T codes, D numbers of a code's vector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from omma.model.text_drawer import AsTold
from omma.parts.painters import Painter
from omma.parts.painters.base import AS_LIKELY, Sampling
from omma.parts.painters.next_scale import NextScale
from omma.parts.pixels import denormalize
from omma.parts.quantizers.multi_scale import MultiScale
from omma.parts.resolution.base import Size
from omma.parts.tokenizers import ImageTokenizer
from omma.parts.tokenizers.autoencoder import QuantizedAutoencoder
from omma.parts.tokenizers.base import NO_CODE
from omma.parts.tokenizers.diffuser import Diffuser

UNSETTLED = 200
"""Grey of what has no codes yet."""


class Drawer(Protocol):
    """What draws pictures of what it is asked for: an `omma.model.drawing.PictureDrawer`, one of classes or one told texts.

    Attributes:
        way: in which it draws, in one word.
    """

    batch: int
    way: str
    tokenizer: ImageTokenizer

    @property
    def painter(self) -> Painter | AsTold: ...

    def codes(self, asked: Any, /, *, seeds: Sequence[int], sampling: Sampling) -> Iterator[Tensor]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Stand:
    """How far the pictures of a batch are.

    Attributes:
        first, count: number of the batch's first picture, and how many it has.
        doing: ``drawing`` codes or vectors, or ``painting`` what these say.
        done, total: codes or vectors that are settled, and those of a picture; of painting, steps.
        words: the step, for people.
        read: the codes [N, 0 to T] or vectors that are settled; None while a network paints.
        views: makes the pictures as they stand, uint8 [N, height, width, 3]; None where there is nothing to be seen yet.
    """

    first: int
    count: int
    doing: str
    done: int
    total: int
    words: str
    read: Tensor | None
    views: Callable[[], Tensor] | None


def emerging(drawer: Drawer, asked: Sequence[Any], *, seeds: Sequence[int], sampling: Sampling = AS_LIKELY) -> Iterator[Stand]:
    """Draw pictures, as `draw` of the drawer does: after every step how they stand. The last of each batch are the pictures.

    Raises:
        BadInput: as the drawer does.
    """
    tokenizer, painter = drawer.tokenizer, drawer.painter
    what = "codes" if tokenizer.vocabulary else "vectors"
    for first in range(0, len(asked), drawer.batch):
        part = slice(first, first + drawer.batch)
        own, count = seeds[part], len(asked[part])
        read = torch.empty(0)
        for read in drawer.codes(asked[part], seeds=own, sampling=sampling):
            done = read.shape[1] if read.is_floating_point() else int((read != NO_CODE).sum(1).max())
            words = f"{done:,} of {painter.codes:,} {what}"
            if isinstance(painter, NextScale):
                scale = len(painter.multi_scale.maps(read))
                side = painter.scales[scale - 1]
                words = f"scale {scale} of {len(painter.scales)}, {side} x {side}: {words}"
            views = partial(as_it_stands, tokenizer, read, painter.size) if isinstance(tokenizer, QuantizedAutoencoder) else None
            yield Stand(first, count, "drawing", done, painter.codes, words, read, views)
        if isinstance(tokenizer, Diffuser):
            total = tokenizer.config.steps
            for step, whole in enumerate(tokenizer.painting(read, painter.size, own), 1):
                view = partial(tokenizer.pixels, whole)
                yield Stand(first, count, "painting", step, total, f"step {step:,} of {total:,}", None, view)


@torch.inference_mode()
def as_it_stands(tokenizer: QuantizedAutoencoder, codes_NT: Tensor, size: Size) -> Tensor:
    """uint8 pixels [N, height, width, 3] of pictures of which only some codes are known: the first ones, and no `NO_CODE`.

    Of codes in several scales, what the scales that are there say together. Of others, grey where nothing is known; the painting
    network, which looks at neighbours, is told the mean of what is known there.
    """
    if isinstance(tokenizer.quantizer, MultiScale):
        *_, vectors = tokenizer.quantizer.scale_by_scale(codes_NT)
        return denormalize(tokenizer.decode(vectors), *tokenizer.normalization)
    rows, columns = grid = tokenizer.grid(size)
    missing = codes_NT.new_full((len(codes_NT), rows * columns - codes_NT.shape[1]), NO_CODE)
    codes = torch.cat([codes_NT, missing], dim=1)
    known = (codes != NO_CODE).view(-1, 1, rows, columns)
    vectors = tokenizer.lookup(codes.clamp(min=0), grid)
    mean = (vectors * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp(min=1)
    painted = denormalize(tokenizer.decode(torch.where(known, vectors, mean)), *tokenizer.normalization)
    height, width = painted.shape[1] // rows, painted.shape[2] // columns
    settled = known.movedim(1, 3).repeat_interleave(height, 1).repeat_interleave(width, 2)
    return torch.where(settled, painted, UNSETTLED)
