"""The world *documents*: small printed pages (signs, receipts, forms, letters, tables, tickets ...) to be read.

Held out for the split ``compositional``: the fonts `fonts.HELD_OUT_FONTS`, and two layouts that rearrange what is trained
on (a receipt with its total on top, a form in two columns with labels above the values). Each of its scenes has a held-out
font, a held-out layout, or both.
"""

from __future__ import annotations

import random
from functools import partial
from typing import Any

from omma.data.playground import lexicon
from omma.data.playground.base import SPLITS, WORLDS, DrawnImage, Scene, Split, World, scene_random
from omma.data.playground.documents_contents import Document
from omma.data.playground.documents_drawing import draw_page, finish
from omma.data.playground.documents_kinds import KINDS
from omma.data.playground.documents_layouts import lay_out
from omma.data.playground.documents_questions import questions
from omma.data.playground.fonts import HELD_OUT_FONTS, TRAIN_FONTS

LARGEST_SKEW = 3.0
"""Degrees."""

_KIND_NAMES = tuple(KINDS)
_WEIGHTS = tuple(kind.weight for kind in KINDS.values())
_HELD_OUT_LAYOUTS = tuple((name, layout) for name, kind in KINDS.items() for layout in kind.held_out)
_BOLD_KINDS = ("sign", "price tag", "badge", "plate", "ticket")


@WORLDS.register("documents")
class Documents(World):
    """Printed pages with their text, word boxes, fields and questions."""

    name = "documents"

    class Config(World.Config):
        pass

    def scene(self, split: Split, index: int) -> Scene:
        if split not in SPLITS:
            raise ValueError(f"expected one of the splits {', '.join(SPLITS)}, found {split!r}")
        if index < 0:
            raise ValueError(f"expected an index >= 0, found {index}")
        rng = scene_random(self.name, split, index)
        kind, layout, font_name = _chosen(rng, split)
        document = KINDS[kind].write(rng, layout)
        # Words before looks: what is printed and asked never depends on how a font library measures.
        asked = questions(rng, document)
        casing = rng.choice(("lower", "lower", "title", "title", "upper"))
        skew = round(rng.uniform(-LARGEST_SKEW, LARGEST_SKEW), 2) if rng.random() < 0.6 else 0.0
        narrow = "stix-bold" if font_name in HELD_OUT_FONTS else "source-sans"
        page = lay_out(rng, document, casing, font_name, narrow, skew=skew)
        look = finish(rng, bold_share=0.55 if kind in _BOLD_KINDS else 0.08)
        words = page.word_boxes()
        image = DrawnImage(f"playground/1/documents/{split}/{index}/0", page.size, partial(draw_page, page, look))
        return Scene(
            id=f"documents/{split}/{index}",
            images=(image,),
            caption=document.caption,
            description=document.description,
            questions=asked,
            boxes=page.field_boxes(words),
            words=words,
            facts=_facts(document, page.words[0].font),
        )


def _chosen(rng: random.Random, split: Split) -> tuple[str, str, str]:
    """The kind, its layout and the font."""
    fonts, novelty = TRAIN_FONTS, ""
    if split == "compositional":
        novelty = rng.choices(("font", "layout", "both"), (6, 3, 1))[0]
        fonts = TRAIN_FONTS if novelty == "layout" else HELD_OUT_FONTS
    if novelty in ("layout", "both"):
        kind, layout = rng.choice(_HELD_OUT_LAYOUTS)
    else:
        kind = rng.choices(_KIND_NAMES, _WEIGHTS)[0]
        layout = rng.choice(KINDS[kind].layouts)
    return kind, layout, rng.choice(fonts)


def _facts(document: Document, font_name: str) -> dict[str, Any]:
    return {
        "kind": document.kind,
        "layout": document.layout,
        "font": font_name,
        "lines": list(document.lines),
        "fields": dict(document.fields),
        "items": [[name, lexicon.money(price)] for name, price in document.items],
        "entries": list(document.entries),
        "table": [list(line) for line in document.table],
    }
