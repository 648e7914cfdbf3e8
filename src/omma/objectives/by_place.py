"""The loss of telling a picture place by place: what every feature says of its patch, beside what stands there (`patch_marks`).

What is said of a patch is compared with its code (`place_code`).

Shapes: V views, T features of a view, C channels, H numbers of an embedding; S slots of a patch, D marks of a slot.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, PositiveInt
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from omma.model.composition import Composition
from omma.model.segments import IGNORE
from omma.objectives.base import MicroBatch
from omma.objectives.one_encoder import shown_to_all
from omma.objectives.patch_marks import PatchMarks
from omma.objectives.picture_text import PictureTextObjective, refuse_other_views
from omma.objectives.place_code import PlaceCode
from omma.parts.base import PartConfig


class ByPlace(PictureTextObjective):
    """What is made of every feature says by itself, slot by slot, what its patch holds."""

    class Config(PartConfig):
        parts: tuple[PositiveInt, PositiveInt] = (1, 2)
        """Rows and columns of parts of a patch, one mark each."""
        names: int = Field(default=2, ge=0)
        """Tokens of names of things, in a patch."""
        micro_samples: int = Field(default=64, ge=1)

    table: Tensor

    def __init__(
        self,
        config: Config,
        *,
        model: Composition,
        table_WH: Tensor,
        tokenizer: PreTrainedTokenizerBase,
        tap: int | None = None,
    ) -> None:
        """With embeddings and tokenizer of the language model that is to read the features.

        Args:
            tap: which hidden state of the encoder is read; by default its own.
        """
        super().__init__(config, model=model)
        assert model.encoder is not None and model.resolution is not None
        self.shown = shown_to_all(model)
        refuse_other_views(self.shown, "whose features a place can be found in")
        (view,) = self.shown.plan(64, 64).views
        size = view.box[2] - view.box[0], view.box[3] - view.box[1]
        *self.grid, self.width = (
            (*model.encoder.grid(size), model.encoder.width) if tap is None else model.encoder.extent(size, tap)
        )
        self.slots = config.parts[0] * config.parts[1] + config.names
        self.register_buffer("table", table_WH, persistent=False)
        self.tokenizer = tokenizer
        self.nothing = len(table_WH)
        self.code = PlaceCode(self.slots, table_WH.shape[1], self.grid)

    def term(self) -> PatchMarks:
        config = self.config
        return PatchMarks(self.shown, self.grid, config.parts, config.names, self.nothing, self.tokenizer)

    def weight(self, own: MicroBatch, batch: MicroBatch) -> float:
        return float((own["held"][own["known"]][..., 0] != IGNORE).sum())

    def loss(self, hidden: tuple[Tensor, ...], view_counts: Tensor, own: Mapping[str, Any]) -> Tensor:
        known = own["known"]
        return self.compared(self.codes(hidden, known), own["held"][known], own["share"][known])

    def codes(self, hidden: tuple[Tensor, ...], known_V: Tensor) -> Tensor:
        """[known, T, H]: what is said of these views, for embeddings of a length of 1 on average, without their mean."""
        raise NotImplementedError

    def compared(self, codes_VTH: Tensor, held_VTSD: Tensor, share_VTSD: Tensor) -> Tensor:
        """The sum of the squared distances from the codes of the patches that are asked."""
        asked = (held_VTSD[..., 0] != IGNORE).any(-1)
        wanted = self.code(held_VTSD, share_VTSD, self.table)
        return (codes_VTH - wanted).float()[asked].pow(2).sum()


def unit_table(table_WH: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings without their mean and of a length of 1 on average, their mean, and what their length was."""
    mean = table_WH.mean(0)
    length = (table_WH - mean).norm(dim=-1).mean()
    return (table_WH - mean) / length, mean, length
