"""Raster autoregression: one code after another, row by row (VQGAN, arXiv 2012.09841; LlamaGen, 2406.06525; Chameleon,
2405.09818).

Every slot holds the code before its own. In a language model that is its vocabulary extended: tables and output layer for codes
beside those for words, of which only the one or the other is in question at any place.

A word may stand behind each row but the last (Emu3, 2409.18869): the same as where pictures are read. It is not drawn, since it
is known where it has to be; the slot before it predicts nothing.

Shapes: as in `omma.parts.painters.base`.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isqrt
from typing import ClassVar

import torch
from torch import Tensor, nn

from omma.errors import BadInput
from omma.parts.base import part_field
from omma.parts.painters.base import PAINTERS, CodePainter, Dice, Lesson, Sampling, Step, doubled, picking
from omma.parts.painters.heads import CODE_HEADS, CodeHead, LinearHead
from omma.parts.quantizers.base import Quantizer


@PAINTERS.register("raster")
class Raster(CodePainter):
    """Attributes:
    ends: how many codes there are beside the image tokenizer's: one that ends a picture, or none.
    """

    ends: ClassVar[int] = 0

    class Config(CodePainter.Config):
        head: part_field(CODE_HEADS) = LinearHead.Config()  # type: ignore[valid-type]
        places: bool = True
        """Whether every slot knows by a vector of its own where it is; without, the Transformer has to know."""
        row_ends: bool = False
        """Whether the word that ends rows in the chat format stands behind each row of codes."""

    def __init__(self, config: Config, *, quantizer: Quantizer, length: int, width: int) -> None:
        super().__init__(config, quantizer=quantizer, width=width)
        side = isqrt(length)
        self.grid = (side, side) if side**2 == length else (0, 0)
        self.codes, self.slots = length, length + self.ends
        # In a list: they are the language model's.
        self._words: list[tuple[nn.Module, int]] = []
        if config.row_ends:
            if self.ends or not side or self.grid != (side, side):
                raise BadInput(
                    "model.painter.row_ends",
                    expected="pictures of rows that are equally long",
                    found=f"{length} codes of {config.type}",
                    remedy="set it to false, or choose the painter raster and another image tokenizer",
                )
            self.slots += side - 1
        self.head: CodeHead = config.head.build(vocabulary=quantizer.vocabulary + self.ends, width=width, embeds=True)
        self.places = nn.Parameter(torch.empty(self.slots, width)) if config.places else None
        self.init_weights()

    def init_weights(self) -> None:
        self.head.init_weights(0.02)
        if self.places is not None:
            nn.init.trunc_normal_(self.places, std=0.02)

    def end_rows(self, words: nn.Module, row_end: int | None) -> None:
        if not self.config.row_ends:
            return
        if row_end is None:
            raise BadInput(
                "model.painter.row_ends",
                expected="a chat format with a word that ends rows of codes",
                found="one without",
                remedy="use the template emu3 or emu3-gen, or set it to false",
            )
        self._words = [(words, row_end)]

    def blocks(self) -> Tensor:
        return torch.arange(self.slots)

    def lesson(self, read: Tensor, start_NC: Tensor, dice: Dice) -> Lesson:
        learned = torch.ones_like(read, dtype=torch.bool)
        if self.config.row_ends:
            rows = self.head.embed(read).to(start_NC.dtype).unflatten(1, self.grid)
            ended = torch.cat([rows, self._row_end(rows[:, :, :1])], dim=2).flatten(1, 2)
            return Lesson(self._placed(torch.cat([start_NC[:, None], ended[:, :-2]], dim=1), 0), learned)
        slots = torch.cat([start_NC[:, None], self.head.embed(read[:, :-1]).to(start_NC.dtype)], dim=1)
        return Lesson(self._placed(slots, 0), learned)

    def _row_end(self, like: Tensor) -> Tensor:
        """The vector of the word behind a row, as many times as there are others."""
        words, row_end = self._words[0]
        vector: Tensor = words(torch.full((), row_end, device=like.device))
        return vector.to(like.dtype).expand_as(like)

    def losses(self, hidden_NSC: Tensor, read: Tensor, lesson: Lesson) -> Tensor:
        if self.config.row_ends:
            rows, columns = self.grid
            places = torch.arange(rows * (columns + 1), device=hidden_NSC.device).view(rows, columns + 1)[:, :columns]
            hidden_NSC = hidden_NSC[:, places.flatten()]
        return super().losses(hidden_NSC, read, lesson)

    @torch.no_grad()
    def draw(self, step: Step, start_BC: Tensor, sampling: Sampling, dice: Dice) -> Iterator[Tensor]:
        """One step for each code."""
        pick = picking(sampling, dice, sampling.guidance)
        slot = start_BC[:, None]
        drawn = torch.empty(len(dice), 0, dtype=torch.int64, device=start_BC.device)
        place = 0
        for number in range(1, self.codes + self.ends + 1):
            codes, _ = self.head.choose(step(self._placed(slot, place))[:, -1:], pick)
            drawn = torch.cat([drawn, codes], dim=1)
            yield drawn
            place += slot.shape[1]
            slot = doubled(self.head.embed(codes).to(start_BC.dtype), sampling)
            if self.config.row_ends and number % self.grid[1] == 0:
                slot = torch.cat([slot, self._row_end(slot)], dim=1)

    def _placed(self, slots_NSC: Tensor, first: int) -> Tensor:
        """Slots that know where they are, of which the first is at that place."""
        if self.places is None:
            return slots_NSC
        return slots_NSC + self.places[first : first + slots_NSC.shape[1]]
