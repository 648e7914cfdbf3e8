"""The three conditions under which every question is put: sighted, blind, and with somebody else's picture.

An accuracy alone does not say whether the model looked. The same words without the picture measure what the words give
away (MMStar, arXiv 2403.20330, section 3, "multimodal gain"); the same words with another picture measure whether the
picture is used at all.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from omma.data.sample import BoxSegment, ImageSegment, ImageSource, MaskSegment, Sample, Segment, TextSegment, Turn
from omma.evaluation.items import Item

Condition = Literal["sighted", "blind", "swapped"]
CONDITIONS: tuple[Condition, ...] = ("sighted", "blind", "swapped")

ClusterKey = tuple[str, int]
"""A cluster and the number of pictures that its prompts show."""


def prompts(items: Sequence[Item], condition: Condition) -> dict[str, Sample]:
    """Item id -> what the model is shown under that condition.

    Only the items to which the condition applies are in it: without a picture there is no blind and no swapped prompt,
    and without a partner (or where the prompt points at places in its picture) there is no swapped one.

    Raises:
        ValueError: for an unknown condition.
    """
    if condition == "sighted":
        return {item.id: _sample(item, item.turns) for item in items}
    if condition == "blind":
        return {item.id: _sample(item, without_pictures(item.turns)) for item in items if item.images}
    if condition != "swapped":
        raise ValueError(f"unknown condition {condition!r}, use one of {', '.join(CONDITIONS)}")
    partners = swap_partners(items)
    swapped = {}
    for item in items:
        pictures = partners.get((item.cluster, len(item.images)))
        if pictures and not _points_at_places(item.turns):
            swapped[item.id] = _sample(item, _with_pictures(item.turns, pictures))
    return swapped


def without_pictures(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """The same words with no picture: each picture goes together with the newline that joins it to the words.

    Boxes and masks go too, since they are places in a picture that is not there.
    """
    return tuple(replace(turn, content=_words_only(turn.content)) for turn in turns)


def _words_only(content: Sequence[Segment]) -> tuple[Segment, ...]:
    text, after_picture = "", False
    for segment in content:
        if isinstance(segment, ImageSegment):
            after_picture = True
        elif isinstance(segment, TextSegment) and segment.text:
            text = _joined(text, segment.text) if after_picture else text + segment.text
            after_picture = False
    if after_picture:
        text = text.removesuffix("\n")
    return (TextSegment(text),) if text else ()


def _joined(before: str, after: str) -> str:
    """The words on both sides of a removed run of pictures: one newline goes, the one behind it if there is one."""
    if after.startswith("\n"):
        return before + after[1:]
    return before.removesuffix("\n") + after


def swap_partners(items: Iterable[Item]) -> dict[ClusterKey, tuple[ImageSource, ...]]:
    """Whose pictures each cluster is shown: a permutation of the clusters in which none keeps a picture of its own.

    Partners have the same number of pictures; they are of the same world and split where that has two clusters, else of
    the same world, else of any. The permutation depends on nothing but the set of items. A cluster for which no partner
    exists is absent.
    """
    owners: dict[ClusterKey, Item] = {}
    for item in sorted(items, key=lambda item: item.id):
        if item.images:
            owners.setdefault((item.cluster, len(item.images)), item)
    by_count: defaultdict[int, list[Item]] = defaultdict(list)
    for item in sorted(owners.values(), key=lambda item: (item.world, item.split, _shuffled(item.cluster))):
        by_count[len(item.images)].append(item)
    partners: dict[ClusterKey, tuple[ImageSource, ...]] = {}
    for count, pool in by_count.items():
        for circle in _circles(pool):
            for item, giver in zip(circle, _deranged([_keys(item) for item in circle]), strict=True):
                if giver is not None:
                    partners[item.cluster, count] = circle[giver].images
    return partners


def _circles(pool: Sequence[Item]) -> list[list[Item]]:
    """The clusters in groups within which pictures are exchanged, each of two or more wherever that is possible."""
    groups: defaultdict[tuple[str, ...], list[Item]] = defaultdict(list)
    for item in pool:
        groups[item.world, item.split].append(item)
    # Whoever is alone in its world and split joins its world, and whoever is alone in its world joins all others.
    for width in (1, 0):
        for name in [name for name, group in groups.items() if len(group) == 1 and len(name) > width]:
            groups[name[:width]].extend(groups.pop(name))
        for name in [name for name, group in groups.items() if len(group) == 1 and len(name) == width]:
            hosts = [other for other in groups if other != name and other[:width] == name]
            if hosts:
                groups[hosts[0]].extend(groups.pop(name))
    return list(groups.values())


def _deranged(pictures: Sequence[frozenset[str]]) -> list[int | None]:
    """For each place the place that gives to it, a permutation; None where nobody can without sharing a picture."""
    count = len(pictures)
    giver = [(place + 1) % count for place in range(count)]

    def clash(place: int, source: int) -> bool:
        return not pictures[place].isdisjoint(pictures[source])

    for place in range(count):
        if clash(place, giver[place]):
            for other in range(count):
                if not clash(place, giver[other]) and not clash(other, giver[place]):
                    giver[place], giver[other] = giver[other], giver[place]
                    break
    return [None if clash(place, source) else source for place, source in enumerate(giver)]


def _with_pictures(turns: Iterable[Turn], pictures: Sequence[ImageSource]) -> tuple[Turn, ...]:
    supply = iter(pictures)

    def exchanged(turn: Turn) -> Turn:
        content = (ImageSegment(next(supply)) if isinstance(s, ImageSegment) else s for s in turn.content)
        return replace(turn, content=tuple(content))

    return tuple(exchanged(turn) for turn in turns)


def _points_at_places(turns: Iterable[Turn]) -> bool:
    return any(isinstance(segment, BoxSegment | MaskSegment) for turn in turns for segment in turn.content)


def _sample(item: Item, turns: tuple[Turn, ...]) -> Sample:
    meta = {"kind": item.kind, "world": item.world, "split": item.split}
    return Sample(id=item.id, turns=turns, source=item.world, meta=meta)


def _keys(item: Item) -> frozenset[str]:
    return frozenset(image.key for image in item.images)


def _shuffled(cluster: str) -> bytes:
    # Neighbouring scenes may be alike in some world; a hash puts strangers side by side.
    return hashlib.blake2b(cluster.encode("utf-8", "surrogatepass"), digest_size=8).digest()
