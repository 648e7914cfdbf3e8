"""Drawing: pictures that the assistant says, beside the words that it says, learned in one loop.

A sample becomes one sequence for its words, in which pictures are read, and one for every picture that is drawn: all that was
said before it, and the picture's slots, which the painter fills and predicts; that a picture begins is predicted as a word is. At
times nothing is said before it, which guidance compares with later (classifier-free guidance, arXiv 2207.12598).

Shapes: K pictures that are drawn, S slots and T codes of each; B rows, L tokens, H model width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from omma.data.sample import ImageSource, Sample, Turn
from omma.errors import BadInput
from omma.model.composition import Composition
from omma.model.pixels import views_uint8
from omma.model.segments import NOTHING_SAID
from omma.objectives.base import OBJECTIVES, MicroBatch, Step
from omma.objectives.crops import chance_of
from omma.objectives.language_modeling import LanguageModeling, LanguageModelingCollator, Prepared
from omma.parts.attention import AttentionPlan
from omma.parts.encoders.base import Normalization
from omma.parts.painters import Painter
from omma.parts.painters.base import Dice
from omma.parts.resolution import Resolution
from omma.parts.resolution.base import Grid
from omma.parts.tokenizers import ImageTokenizer
from omma.parts.tokenizers.text_diffusion import Words, told_texts


@dataclass(frozen=True)
class PreparedCanvas(Prepared):
    """A sequence that ends with a picture that is drawn.

    Attributes:
        view: its pixels as the image tokenizer reads them, uint8 [height, width, 3].
        seed: of what is random about how it is learned.
        told: ids of what is asked for, for an image tokenizer that is told texts.
    """

    view: np.ndarray
    seed: int
    told: np.ndarray | None


@dataclass
class DrawingCollator(LanguageModelingCollator):
    """The half of the objective that runs in workers."""

    canvas: Resolution
    canvas_normalization: Normalization
    slots: int
    grid: Grid
    unasked: float
    closing: float
    words: Words | None

    def prepare(self, sample: Sample, position: int = 0) -> list[Prepared]:  # type: ignore[override]
        sequences: list[Prepared] = []
        chance = chance_of(f"{sample.id}/{position}")
        for said, image in sample.drawn():
            asked = chance.random() >= self.unasked
            sequences.append(self._canvas(sample.id, said, image, int(chance.integers(2**62)), asked=asked))
        if not sequences or _says(sample) or chance.random() < self.closing:
            sequences.append(super().prepare(sample, position))
        return sequences

    def _canvas(self, name: str, said: Sequence[Turn], image: ImageSource, seed: int, *, asked: bool) -> PreparedCanvas:
        try:
            render = self.renderer.render_canvas if asked else self.renderer.render_unasked
            rendered = render(said, self.slots, self.grid)
        except BadInput as error:
            where = f"sample {name}, {error.where}"
            raise BadInput(where, expected=error.expected, found=error.found, remedy=error.remedy) from None
        before = Sample(name, tuple(said if asked else NOTHING_SAID))
        pictures = tuple(self._picture(seen) for seen in before.images)
        (view,) = views_uint8(image, self.canvas.plan(*image.size), (self.canvas_normalization,))
        told = self.words(before.asked) if self.words is not None else None
        return PreparedCanvas(rendered, pictures, view, seed, told)

    def collate(self, prepared: Sequence[list[Prepared]]) -> Step:  # type: ignore[override]
        sequences = [sequence for sample in prepared for sequence in sample]
        step = super().collate(sequences)
        step.samples = len(prepared)
        step.images += sum(isinstance(sequence, PreparedCanvas) for sequence in sequences)
        return step

    def assemble(self, rows: list[list[Any]], width: int) -> MicroBatch:
        batch = super().assemble(rows, width)
        canvases = [(r, stop, one) for r, row in enumerate(rows) for stop, one in _ends(row) if isinstance(one, PreparedCanvas)]
        if canvases:
            batch["canvas"] = np.array([(r, stop - self.slots) for r, stop, _ in canvases])
            batch["canvas_views"] = np.stack([one.view for _, _, one in canvases])
            batch["canvas_seeds"] = np.array([one.seed for _, _, one in canvases])
            told = [one.told for _, _, one in canvases if one.told is not None]
            if told:
                batch["canvas_told"] = np.stack(told)
        return batch


def _says(sample: Sample) -> bool:
    """Whether the assistant learns words in it."""
    return any(turn.learn and turn.text.strip() for turn in sample.turns)


def _ends(row: Sequence[Prepared]) -> Iterator[tuple[int, Prepared]]:
    """The sequences of a row, each with where it ends."""
    stop = 0
    for one in row:
        stop += len(one.rendered.input_ids)
        yield stop, one


@OBJECTIVES.register("drawing")
class Drawing(LanguageModeling):
    class Config(LanguageModeling.Config):
        share: float = Field(default=1.0, gt=0)
        """Coefficient of a picture's mean loss, beside 1 for words."""
        unasked: float = Field(default=0.1, ge=0, lt=1)
        """How often nothing is said before a picture, for guidance to compare with."""
        closing: float = Field(default=0.1, ge=0, le=1)
        """How often the end of an answer that is a picture alone is learned."""

    def __init__(self, config: Config, *, model: Composition) -> None:
        super().__init__(config, model=model)
        if model.painter is None:
            raise BadInput(
                "model.painter",
                expected="a painter, for the objective drawing",
                found="none",
                remedy="add one and an image tokenizer, or use the objective language-modeling",
            )

    @property
    def painter(self) -> Painter:
        assert self.model.painter is not None
        return self.model.painter

    @property
    def tokenizer(self) -> ImageTokenizer:
        assert self.model.image_tokenizer is not None
        return self.model.image_tokenizer

    def collator(self) -> DrawingCollator:
        config, painter = self.config, self.painter
        return DrawingCollator(
            **vars(super().collator()),
            canvas=painter.canvas,
            canvas_normalization=self.tokenizer.normalization,
            slots=painter.slots,
            grid=painter.grid,
            unasked=config.unasked,
            closing=config.closing,
            words=told_texts(self.tokenizer),
        )

    def coefficients(self) -> dict[str, float]:
        return {**super().coefficients(), "drawing": self.config.share}

    def weights(self, batch: MicroBatch) -> dict[str, float]:
        return {**super().weights(batch), "drawing": float(len(batch.get("canvas", ())))}

    def losses(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        if "canvas" not in batch:
            return {**super().losses(batch), "drawing": batch["labels"].new_zeros((), dtype=torch.float32)}
        model, painter = self.model, self.painter
        rows, columns = batch["canvas"][:, :1], batch["canvas"][:, 1:] + torch.arange(painter.slots, device=model.device)
        target = painter.target(self.tokenizer, batch["canvas_views"], batch.get("canvas_told"))
        assert model.vlm is not None
        announced = batch["labels"].new_full((len(target),), model.vlm.config.announcing_token_id)
        start = model.vlm.get_input_embeddings()(announced)
        lesson = painter.lesson(target, start, Dice(batch["canvas_seeds"].tolist()))
        embedded = self.embed(batch)
        embedded = embedded.index_put((rows, columns), lesson.slots.to(embedded.dtype))
        read = self.read(batch).index_put((rows, columns), rows.new_ones((), dtype=torch.bool))
        hidden = self.hidden(batch, self._plan(batch, rows, columns), embedded, read)
        return self.word_losses(batch, hidden) | {"drawing": painter.losses(hidden[rows, columns], target, lesson).sum()}

    def _plan(self, batch: Mapping[str, Tensor], rows: Tensor, columns: Tensor) -> AttentionPlan:
        causal = AttentionPlan.causal(batch["document"])
        blocks = columns[:, :1] + self.painter.blocks().to(columns.device)
        return AttentionPlan(causal.document_BL, causal.block_BL.index_put((rows, columns), blocks))
