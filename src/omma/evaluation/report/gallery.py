"""The gallery: which pictures a report shows, and how they become small enough to live inside the page."""

from __future__ import annotations

import base64
import io
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import zip_longest

from PIL import Image

from omma.evaluation.judgement import ItemResult

CARDS = 60
SIDE = 320
"""Longest side of an embedded picture in pixels."""

CARD_TEXT = 8_000
"""Bytes that the words of one card can take at most, beside its pictures (texts are clipped, escapes grow them)."""


@dataclass(frozen=True, slots=True)
class Card:
    """One item with its pictures as data URIs."""

    item: ItemResult
    pictures: tuple[str, ...]


def gallery_cards(
    items: Iterable[ItemResult], pictures: Mapping[str, Image.Image | tuple[Image.Image, ...]], *, room: int
) -> list[Card]:
    """Up to `CARDS` items that have pictures, in turn over worlds and right and wrong replies, other pictures first.

    The choice is the same for the same results. ``room`` is the number of bytes that all cards together may take;
    a card that does not fit is left out.
    """
    cards: list[Card] = []
    for item in _chosen([item for item in items if item.id in pictures])[:CARDS]:
        shown = pictures[item.id]
        card = Card(item, tuple(_data_uri(p) for p in (shown if isinstance(shown, tuple) else (shown,))))
        size = CARD_TEXT + sum(map(len, card.pictures))
        if size <= room:
            room -= size
            cards.append(card)
    return cards


def _chosen(items: Iterable[ItemResult]) -> list[ItemResult]:
    groups: defaultdict[tuple[str, bool], list[ItemResult]] = defaultdict(list)
    for item in sorted(items, key=lambda item: item.id):
        groups[item.world, item.sighted.right].append(item)
    seen: set[str] = set()
    first: list[ItemResult] = []
    again: list[ItemResult] = []
    for members in groups.values():
        random.Random(0).shuffle(members)
    for row in zip_longest(*(groups[name] for name in sorted(groups))):
        for item in row:
            if item is not None:
                (again if item.cluster in seen else first).append(item)
                seen.add(item.cluster)
    return first + again


def small_png(picture: Image.Image) -> tuple[bytes, tuple[int, int]]:
    """A picture as PNG with no side above `SIDE`, and its size then."""
    small = picture.convert("RGB")
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    data = _png(small)
    # A photograph is five times smaller with a palette of its own colours; drawings stay exact.
    if len(data) > 40_000:
        data = min(data, _png(small.quantize(128)), key=len)
    return data, small.size


def _data_uri(picture: Image.Image) -> str:
    return f"data:image/png;base64,{base64.b64encode(small_png(picture)[0]).decode()}"


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
