"""All kinds of documents, with the layouts in which each occurs and those that are held out."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

from omma.data.playground import documents_long as long
from omma.data.playground import documents_short as short
from omma.data.playground.documents_contents import Document


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of document: who writes it, its layouts, those held out for the compositional split, and how frequent."""

    write: Callable[[random.Random, str], Document]
    layouts: tuple[str, ...]
    held_out: tuple[str, ...] = ()
    weight: float = 1.0


KINDS: MappingProxyType[str, Kind] = MappingProxyType(
    {
        "sign": Kind(short.sign, ("stacked", "wrapped"), weight=1.4),
        "price tag": Kind(short.price_tag, ("product-first", "price-first")),
        "receipt": Kind(long.receipt, ("shop-above", "shop-below"), ("total-first",), weight=1.4),
        "form": Kind(long.form, ("colon", "spread", "ruled"), ("two-columns",), weight=1.4),
        "letter": Kind(long.letter, ("signed-left", "signed-right"), weight=1.3),
        "table": Kind(long.table, ("open", "ruled"), weight=1.5),
        "ticket": Kind(short.ticket, ("plain", "centered", "spread")),
        "badge": Kind(short.badge, ("name-first", "job-first"), weight=0.8),
        "plate": Kind(short.plate, ("one-line", "two-lines"), weight=0.8),
        "list": Kind(long.listing, ("dots", "boxes", "bare"), weight=1.3),
    }
)
"""All kinds. Layouts under ``held_out`` occur in the compositional split only."""
