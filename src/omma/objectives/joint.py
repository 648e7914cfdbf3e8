"""Joint: several picture-text objectives over the same pictures, encoded once (as SigLIP 2 trains them, arXiv 2502.14786)."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator
from torch import nn

from omma.errors import BadInput
from omma.model.composition import Composition
from omma.objectives.base import OBJECTIVES
from omma.objectives.picture_text import PictureTextObjective
from omma.parts.base import PartConfig


@OBJECTIVES.register("joint")
class Joint(PictureTextObjective):
    class Config(PartConfig):
        terms: list[dict[str, Any]] = Field(min_length=1)
        """Picture-text objectives as plain data, each of a different type; their own ``micro_samples`` do not count."""
        shares: list[float] | None = None
        """Coefficient of each term; 1 if absent."""
        micro_samples: int = Field(default=64, ge=2)

        @model_validator(mode="after")
        def _possible(self) -> Joint.Config:
            types = [config.type for config in self.parsed()]
            if len(set(types)) != len(types):
                raise ValueError(f"terms of different types, these are {', '.join(types)}")
            if self.shares is not None and len(self.shares) != len(types):
                raise ValueError(f"as many shares as terms, {len(types)}, these are {len(self.shares)}")
            return self

        def parsed(self) -> list[PartConfig]:
            """The terms' configs. Raises BadInput for a term that is no picture-text objective."""
            configs = [OBJECTIVES.parse(term, where="objective.terms") for term in self.terms]
            for config in configs:
                if not issubclass(config.part, PictureTextObjective) or issubclass(config.part, Joint):
                    raise BadInput(
                        "recipe field objective.terms",
                        expected="objectives on pictures with a text beside them",
                        found=config.type,
                        remedy="use for instance contrastive and captioning",
                    )
            return configs

    def __init__(self, config: Config, *, model: Composition) -> None:
        super().__init__(config, model=model)
        self.members = nn.ModuleDict({term.type: term.build(model=model) for term in config.parsed()})

    def terms(self) -> dict[str, PictureTextObjective]:
        return dict(self.members.items())

    def coefficients(self) -> dict[str, float]:
        return dict(zip(self.members, self.config.shares or [1.0] * len(self.members), strict=True))
