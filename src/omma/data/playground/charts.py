"""The world ``charts``: bar, line and pie charts of small tables, with questions about what they show.

The compositional split shows kinds of charts with categories or colours that no other split combines; each chart kind, each
family of names and each colour is known from other combinations. Half of its charts use fonts that no other split prints.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from omma.data.playground.base import SPLITS, WORLDS, DrawnImage, Scene, Split, World, scene_random
from omma.data.playground.charts_drawing import draw_figure, figure_masks
from omma.data.playground.charts_layout import sample_figure
from omma.data.playground.charts_questions import ask
from omma.data.playground.charts_table import sample_kind, sample_table
from omma.data.playground.fonts import HELD_OUT_FONTS, TRAIN_FONTS
from omma.data.sample import Box


@WORLDS.register("charts")
class Charts(World):
    """Charts: reading values, comparing, ordering and counting them."""

    name: ClassVar[str] = "charts"

    class Config(World.Config):
        pass

    def scene(self, split: Split, index: int) -> Scene:
        if split not in SPLITS or index < 0:
            raise ValueError(f"charts has the splits {', '.join(SPLITS)} and indices from 0, not {split!r}, {index}")
        rng = scene_random(self.name, split, index)
        held_out = split == "compositional"
        fonts = HELD_OUT_FONTS if held_out and rng.random() < 0.5 else TRAIN_FONTS
        kind = sample_kind(rng)
        fitted = None
        while fitted is None:
            table = sample_table(kind, rng, held_out=held_out)
            fitted = sample_figure(table, fonts, rng)
        style, figure = fitted
        caption, description = table.caption(rng), table.description(rng)
        questions = ask(table, style, rng)
        return Scene(
            id=f"{self.name}/{split}/{index}",
            images=(
                DrawnImage(f"playground/1/{self.name}/{split}/{index}/0", figure.size, partial(draw_figure, figure)),
            ),
            caption=caption,
            description=description,
            questions=questions,
            boxes=tuple(Box(*box, label) for box, label in zip(figure.shapes(), table.labels, strict=True)),
            words=tuple(word for text in figure.texts for word in text.words(figure.font_name)),
            masks=partial(figure_masks, figure, table.names),
            facts={
                "type": table.kind,
                "title": table.title,
                "family": table.family,
                "names": list(table.names),
                "values": list(table.values),
                "colors": list(table.colors),
                "shared_color": table.shared,
                "grid": style.grid,
                "values_printed": style.labelled,
                "font": style.font_name,
            },
        )
