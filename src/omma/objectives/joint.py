"""Joint: several picture-text objectives over the same pictures, encoded once (as SigLIP 2 trains them, arXiv 2502.14786)."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator
from torch import nn

from omma.model.composition import Composition
from omma.objectives.base import OBJECTIVES
from omma.objectives.picture_text import PictureTextObjective
from omma.parts.base import PartConfig


@OBJECTIVES.register("joint")
class Joint(PictureTextObjective):
    class Config(PartConfig):
        terms: list[dict[str, Any]] = Field(min_length=1)
        """Picture-text objectives as plain data, each of a different type."""
        shares: list[float] | None = None
        """Coefficient of each term; 1 if absent."""
        micro_samples: int = Field(default=64, ge=2)

        @field_validator("terms")
        @classmethod
        def _distinct(cls, terms: list[dict[str, Any]]) -> list[dict[str, Any]]:
            types = [term.get("type") for term in terms]
            if len(set(types)) != len(types):
                raise ValueError(f"terms of different types, these are {types}")
            return terms

    def __init__(self, config: Config, *, model: Composition) -> None:
        super().__init__(config, model=model)
        parsed = [OBJECTIVES.parse(term, where="objective.terms") for term in config.terms]
        self.members = nn.ModuleDict({term.type: term.build(model=model) for term in parsed})

    def terms(self) -> dict[str, PictureTextObjective]:
        return dict(self.members.items())

    def coefficients(self) -> dict[str, float]:
        return dict(zip(self.members, self.config.shares or [1.0] * len(self.members), strict=True))
