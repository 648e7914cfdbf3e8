"""Alignment of a projector place by place: every feature, projected, is the code of what its patch holds.

A caption teaches a projector slowly: which of 256 features each word comes from, the language model has to find out by itself.
Of generated pictures it is known what stands where. What the projector makes of a feature is here compared with the code
(`place_code`) of its patch in the language model's own embeddings, which is what the language model was told in
(`told_by_place`) and what the encoder's features say through one linear map (`transcription`). The language model does not run.

By distance alone: cross-entropies of the slots beside it take twice the time, and a language model that reads the codes without
having learned anything since answers no better on the whole (docs/log.md).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from omma.errors import BadInput
from omma.model.composition import Composition
from omma.model.views import WHOLE
from omma.objectives.base import OBJECTIVES
from omma.objectives.by_place import ByPlace, unit_table
from omma.objectives.picture_text import key_of
from omma.parts.pixels import normalize


@OBJECTIVES.register("aligned-by-place")
class AlignedByPlace(ByPlace):
    """Trains a projector that leaves the grid of features as it is, and the encoder, if it learns along; the language model is
    only looked up."""

    def __init__(self, config: ByPlace.Config, *, model: Composition) -> None:
        if model.vlm is None or model.projector is None or model.tokenizer is None:
            raise BadInput(
                "model",
                expected=f"encoder, projector and language model, between which the objective {config.type} trains",
                found="not all of them",
                remedy="use transcription for an encoder by itself",
            )
        table, mean, length = unit_table(model.vlm.get_input_embeddings().weight.detach().float())
        super().__init__(config, model=model, table_WH=table, tokenizer=model.tokenizer)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("length", length, persistent=False)
        made = model.projector.grid((self.grid[0], self.grid[1]))
        if made != tuple(self.grid):
            raise BadInput(
                "model.projector",
                expected="a projector that makes one token of each feature, which has a place",
                found=f"{model.projector.config.type}, which makes {made[0]} x {made[1]} of {self.grid[0]} x {self.grid[1]}",
                remedy="use linear or mlp, or align on captions with language-modeling",
            )

    def check_encoder(self) -> None:
        """Any will do: only the features that it hands on are read."""

    def seen(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """These features [V, T, C], those of several encoders joined."""
        encoder = self.model.encoder
        assert encoder is not None
        features: list[Tensor] = []
        branches: list[int] = []
        for branch, normalization in enumerate(encoder.normalizations):
            pixels = normalize(batch[key_of(branch)], *normalization).to(self.model.dtype)
            features += encoder.read(pixels, branch, torch.full((len(pixels), 2), WHOLE, device=pixels.device))
            branches += [branch] * len(pixels)
        # What is joined stands where the first encoder's features were.
        return (torch.stack(encoder.join(features, branches)[: len(batch["views"])]),)

    def codes(self, hidden: tuple[Tensor, ...], known_V: Tensor) -> Tensor:
        """What the language model reads, in the units that codes are compared in."""
        projector = self.model.projector
        assert projector is not None
        (features,) = hidden
        of_the_whole = torch.full((int(known_V.sum()), 2), WHOLE, device=features.device)
        tokens = projector.project(features[known_V], (self.grid[0], self.grid[1]), 0, of_the_whole)
        return (tokens - self.mean.to(tokens)) / self.length.to(tokens)
