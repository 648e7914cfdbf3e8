"""Sample: one record of any data set, as typed segments. Everything upstream makes these, everything downstream eats them.

Boxes, points and masks are in pixels of the *original* picture, origin at its top left; every text form of a box is a
codec at the edge, never stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

import numpy as np
from PIL import Image


class Role(StrEnum):
    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@runtime_checkable
class ImageSource(Protocol):
    """A picture that need not be decoded yet: planning wants only its size, a feature cache only its key."""

    @property
    def key(self) -> str:
        """The same for the same pixels, in every process and run; different for different pixels."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels as `load` returns them, so after EXIF rotation. Decodes no pixels."""

    def load(self) -> Image.Image:
        """The picture, mode RGB. Raises BadInput if it cannot be read."""


@dataclass(frozen=True, slots=True)
class Box:
    """Corners in original-picture pixels, ``left < right`` and ``top < bottom``, with what it encloses.

    Attributes:
        characters: where each character of a printed label is, as (x, y) of its middle, if that is known.
    """

    left: float
    top: float
    right: float
    bottom: float
    label: str = ""
    characters: tuple[tuple[float, float], ...] = ()

    def places(self) -> tuple[tuple[float, float], ...]:
        """Where each character of the label is; as if all were equally wide, where it is not known better."""
        width, y = (self.right - self.left) / max(1, len(self.label)), (self.top + self.bottom) / 2
        return self.characters or tuple((self.left + (i + 0.5) * width, y) for i in range(len(self.label)))


def in_print(words: Sequence[Box]) -> set[str]:
    """The printed words in lower case, without the punctuation around them."""
    return {part.strip(".,:;") for word in words for part in word.label.lower().split()}


def beyond_print(words: Sequence[Box], boxes: Sequence[Box]) -> list[Box]:
    """The boxes whose label says more than the printed words do."""
    printed = in_print(words)
    return [box for box in boxes if not printed.issuperset(box.label.lower().split())]


def told_by_place(words: Sequence[Box], boxes: Sequence[Box]) -> list[Box]:
    """What can be told of a picture place by place: its printed words, and the boxes whose label says more than those do."""
    return [*words, *beyond_print(words, boxes)]


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """A boolean array [height, width] of the original picture's size, with what it covers."""

    array: np.ndarray
    label: str = ""


@dataclass(frozen=True, slots=True)
class TextSegment:
    text: str


@dataclass(frozen=True, slots=True)
class ImageSegment:
    image: ImageSource


@dataclass(frozen=True, slots=True)
class BoxSegment:
    """Boxes said by either side, in the frame of ``Sample.images[image]``."""

    boxes: tuple[Box, ...]
    image: int = 0


@dataclass(frozen=True, slots=True)
class MaskSegment:
    """Masks said by either side, in the frame of ``Sample.images[image]``."""

    masks: tuple[Mask, ...]
    image: int = 0


Segment = TextSegment | ImageSegment | BoxSegment | MaskSegment


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance. ``learn`` says whether the loss covers it; only what the assistant says can be learned. A picture that it
    says and learns is one to be drawn."""

    role: Role
    content: tuple[Segment, ...]
    learn: bool = False

    @property
    def text(self) -> str:
        """The turn's text segments joined, for display and scoring."""
        return "".join(segment.text for segment in self.content if isinstance(segment, TextSegment))


@dataclass(frozen=True, slots=True)
class Sample:
    """A conversation about zero or more pictures.

    Attributes:
        id: unique within its source; named in every complaint about the sample.
        turns: the conversation; a system turn may come first, then user and assistant alternate.
        source: where it came from ("playground/shapes", "train.json").
        boxes, masks: ground truth about ``images[0]``, even where no head uses it yet.
        words: printed words of ``images[0]`` with their boxes (``Box.label`` is the word).
        meta: what scorers and reports want to know besides (question kind, split, ...), plain data.
    """

    id: str
    turns: tuple[Turn, ...]
    source: str = ""
    boxes: tuple[Box, ...] = ()
    masks: tuple[Mask, ...] = ()
    words: tuple[Box, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def images(self) -> tuple[ImageSource, ...]:
        """The pictures in the order in which the conversation shows them."""
        return tuple(self._images())

    def drawn(self) -> Iterator[tuple[tuple[Turn, ...], ImageSource]]:
        """The pictures that the assistant is to learn to draw, each with all that was said before it: the last turn of that is
        the assistant's, up to the picture, and may be empty."""
        for number, turn in enumerate(self.turns):
            if turn.role is not Role.ASSISTANT or not turn.learn:
                continue
            for place, segment in enumerate(turn.content):
                if isinstance(segment, ImageSegment):
                    yield (*self.turns[:number], replace(turn, content=turn.content[:place])), segment.image

    @property
    def asked(self) -> str:
        """The last words of the user."""
        return next((turn.text for turn in reversed(self.turns) if turn.role is Role.USER), "").strip()

    def _images(self) -> Iterator[ImageSource]:
        for turn in self.turns:
            for segment in turn.content:
                if isinstance(segment, ImageSegment):
                    yield segment.image


def user(*content: str | ImageSource) -> Turn:
    """A user turn from texts and pictures, in order."""
    return Turn(Role.USER, tuple(TextSegment(c) if isinstance(c, str) else ImageSegment(c) for c in content))


def assistant(text: str, *, learn: bool = True) -> Turn:
    """An assistant turn of plain text, learned unless told otherwise."""
    return Turn(Role.ASSISTANT, (TextSegment(text),), learn=learn)
