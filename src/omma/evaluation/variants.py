"""The same question put in another way: words that ask for the same, and pictures that show the same.

A model that looks and reads answers all of them alike. The wordings wrap whatever question there is, so that they serve for
any benchmark; the pictures are changed less than a photographer or a mail program changes them.
"""

from __future__ import annotations

import hashlib
import io
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from PIL import Image

from omma.data.sample import ImageSegment, ImageSource, Sample, TextSegment, Turn
from omma.evaluation.items import Item

WORDINGS: Mapping[str, str] = {
    "please": "Please answer this question: {question}",
    "briefly": "{question} Answer briefly.",
    "named": "Question: {question}",
}
"""Name -> what is asked instead."""


def _jpeg(picture: Image.Image) -> Image.Image:
    """Compressed and unpacked again, at the quality of most mail programs."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=75)
    return Image.open(buffer).convert("RGB")


def _shifted(picture: Image.Image) -> Image.Image:
    """One pixel to the right and down; what is uncovered continues the edge."""
    width, height = picture.size
    moved = picture.transform((width, height), Image.Transform.AFFINE, (1, 0, -1, 0, 1, -1), Image.Resampling.NEAREST)
    moved.paste(picture.crop((0, 0, width, 1)), (1, 0))
    moved.paste(picture.crop((0, 0, 1, height)), (0, 1))
    moved.putpixel((0, 0), picture.getpixel((0, 0)))  # type: ignore[arg-type]
    return moved


def _resized(picture: Image.Image) -> Image.Image:
    """A tenth smaller and large again."""
    small = picture.resize((max(1, picture.width * 9 // 10), max(1, picture.height * 9 // 10)), Image.Resampling.LANCZOS)
    return small.resize(picture.size, Image.Resampling.BICUBIC)


CHANGES: Mapping[str, Callable[[Image.Image], Image.Image]] = {"jpeg": _jpeg, "shifted": _shifted, "resized": _resized}
"""Name -> what is done to every picture."""

VARIANTS: tuple[str, ...] = (*WORDINGS, *CHANGES)


@dataclass(frozen=True, slots=True)
class ChangedImage:
    """A picture with a small change, made on demand (an `omma.data.sample.ImageSource`)."""

    source: ImageSource
    change: str
    size: tuple[int, int] = field(init=False)
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", self.source.size)
        object.__setattr__(self, "key", f"{self.source.key}/{self.change}")

    def load(self) -> Image.Image:
        return CHANGES[self.change](self.source.load())


def chosen_for_variants(items: Sequence[Item], most: int) -> list[Item]:
    """At most so many items of every world and split, in a fixed order that has nothing to do with what they ask."""
    groups: defaultdict[tuple[str, str], list[Item]] = defaultdict(list)
    for item in sorted(items, key=lambda item: hashlib.blake2b(item.id.encode("utf-8", "surrogatepass")).digest()):
        if len(groups[item.world, item.split]) < most:
            groups[item.world, item.split].append(item)
    return [item for group in sorted(groups) for item in groups[group]]


def variant_prompts(items: Sequence[Item], variant: str) -> dict[str, Sample]:
    """Item id -> the item put in that way. Changes of pictures leave out items without any.

    Raises:
        KeyError: for an unknown variant.
    """
    if variant in WORDINGS:
        return {item.id: _sample(item, _reworded(item.turns, WORDINGS[variant])) for item in items}
    CHANGES[variant]
    return {item.id: _sample(item, _repainted(item.turns, variant)) for item in items if item.images}


def _reworded(turns: Sequence[Turn], wording: str) -> tuple[Turn, ...]:
    """The last turn in other words; the line break that joins a question to a picture stays where it is."""
    *before, last = turns
    texts = [place for place, segment in enumerate(last.content) if isinstance(segment, TextSegment) and segment.text.strip()]
    if not texts:
        return tuple(turns)
    content = list(last.content)
    text = content[texts[-1]].text  # type: ignore[union-attr]
    lead = text[: len(text) - len(text.lstrip())]
    content[texts[-1]] = TextSegment(lead + wording.format(question=text.strip()))
    return (*before, replace(last, content=tuple(content)))


def _repainted(turns: Sequence[Turn], change: str) -> tuple[Turn, ...]:
    def changed(turn: Turn) -> Turn:
        content = (ImageSegment(ChangedImage(s.image, change)) if isinstance(s, ImageSegment) else s for s in turn.content)
        return replace(turn, content=tuple(content))

    return tuple(map(changed, turns))


def _sample(item: Item, turns: tuple[Turn, ...]) -> Sample:
    return Sample(item.id, turns, source=item.world, meta={"kind": item.kind, "world": item.world, "split": item.split})
