"""Language modelling on pictures that are told place by place instead of shown: a language model's last lesson before sight.

An encoder hands a language model a grid of features in which most say that nothing is there, and some hold several words at
once. Looking things up in that is a skill of its own, and no picture is needed to learn it (docs/log.md): here each place of
the grid is the code of the words in it (`place_code`).

Shapes: P pictures, T places of one, S slots of a place and `DEPTH` marks of a slot (see `patch_marks`), H width of the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from omma.data.sample import Sample
from omma.errors import BadInput
from omma.model.composition import Composition
from omma.model.segments import Renderer
from omma.model.templates import template_named
from omma.objectives.base import OBJECTIVES, MicroBatch
from omma.objectives.language_modeling import LanguageModeling, LanguageModelingCollator, Prepared
from omma.objectives.patch_marks import DEPTH, HELD, PatchMarks
from omma.objectives.place_code import PlaceCode
from omma.parts.resolution import RESOLUTIONS

SIDE = 128
"""Pixels of the square that a picture is put into, as far as places are concerned."""


@dataclass(frozen=True)
class Told(Prepared):
    """One sample with what its picture holds, if it has one, `HELD` [P * T, S, `DEPTH`]."""

    held: np.ndarray


@dataclass
class ToldCollator(LanguageModelingCollator):
    term: PatchMarks

    def prepare(self, sample: Sample, position: int = 0) -> Told:
        if len(sample.images) > 1:
            raise BadInput(
                f"sample {sample.id}",
                expected="one picture at most, whose words have known places",
                found=str(len(sample.images)),
                remedy="leave it out",
            )
        held = self.term.held(sample)[0] if sample.images else np.zeros((0, self.term.slots, DEPTH), dtype=HELD)
        return Told(self.rendered(sample), (), held)

    def assemble(self, rows: list[list[Told]], width: int) -> MicroBatch:
        held = np.concatenate([one.held for row in rows for one in row])
        return super().assemble(rows, width) | {"held": held["mark"].copy(), "share": held["share"].copy()}


@OBJECTIVES.register("told-by-place")
class ToldByPlace(LanguageModeling):
    """Trains a language model alone."""

    class Config(LanguageModeling.Config):
        rows: int = Field(default=16, ge=1)
        """Of places, and as many columns."""
        parts: tuple[PositiveInt, PositiveInt] = (1, 2)
        """Rows and columns of parts of a place, one printed character each."""
        names: int = Field(default=2, ge=0)
        """Tokens of names of things, in a place."""

    def __init__(self, config: Config, *, model: Composition) -> None:
        super().__init__(config, model=model)
        if model.language_model is None or model.tokenizer is None or model.encoder is not None:
            raise BadInput(
                "model",
                expected=f"a language model and nothing beside it, which the objective {config.type} trains",
                found="no language model" if model.language_model is None else "an encoder, too",
                remedy="use language-modeling for models that see",
            )
        self.resolution = RESOLUTIONS.parse({"type": "pad-square", "size": SIDE}, where="objective").build()
        self.code = PlaceCode(self._term().slots, self._table.shape[1], (config.rows, config.rows))

    @property
    def image_token_id(self) -> int:
        assert self.model.tokenizer is not None
        return int(self.model.tokenizer.convert_tokens_to_ids(self.model.image_token))

    def collator(self) -> ToldCollator:
        model, config = self.model, self.config
        assert model.tokenizer is not None
        renderer = Renderer(
            model.tokenizer,
            template_named(model.template),
            runs_of=lambda size: (config.rows**2,),
            system=model.system,
            image_token=self.model.image_token,
            max_length=config.max_length,
        )
        return ToldCollator(renderer, None, (), None, config.row_tokens, config.micro_tokens, self._term())

    def _term(self) -> PatchMarks:
        config, tokenizer = self.config, self.model.tokenizer
        assert tokenizer is not None
        return PatchMarks(
            self.resolution, (config.rows, config.rows), config.parts, config.names, self._nothing, tokenizer
        )

    @property
    def _table(self) -> Tensor:
        assert self.model.language_model is not None
        return self.model.language_model.get_input_embeddings().weight

    @property
    def _nothing(self) -> int:
        return len(self._table)

    def embed(self, batch: Mapping[str, Any]) -> Tensor:
        is_place = batch["input_ids"] == self.image_token_id
        embedded = nn.functional.embedding(batch["input_ids"].masked_fill(is_place, 0), self._table)
        held, share = (batch[name].unflatten(0, (-1, self.config.rows**2)) for name in ("held", "share"))
        codes = self.code(held, share, self._table)
        # With what all words have in common, as any embedding has it.
        places = codes.flatten(0, 1) + self._table.mean(0)
        return embedded.masked_scatter(is_place[..., None], places.to(embedded.dtype))
