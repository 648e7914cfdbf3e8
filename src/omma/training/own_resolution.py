"""Sources whose pictures are cut in a way of their own: a first stage of fewer pixels (Qwen-VL), documents in more tiles than
photographs (InternLM-XComposer2-4KHD).

The model itself always says the one way that it is used in: it is what is saved, asked and exported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from omma.data.mixture import Mixture
from omma.data.sample import Sample
from omma.errors import BadInput
from omma.model.composition import Composition
from omma.model.views import Arranger
from omma.objectives.base import Collator, Objective, Step
from omma.recipe import StageRecipe


@dataclass
class CollatorBySource:
    """Prepares every sample as its source wants it, and puts all of them together.

    Attributes:
        collators: one for every source of the mixture.
    """

    mixture: Mixture
    collators: Sequence[Collator]

    def prepare(self, sample: Sample, position: int = 0) -> Any:
        return self.collators[self.mixture.locate(position)[0]].prepare(sample, position)

    def collate(self, prepared: Sequence[Any]) -> Step:
        return self.collators[0].collate(prepared)


def collator_of(stage: StageRecipe, objective: Objective, model: Composition, mixture: Mixture) -> Collator:
    """The objective's collator, or one that has another for every source with a resolution of its own."""
    usual = objective.collator()
    if all(entry.resolution is None for entry in stage.data):
        return usual
    collators = []
    for entry in stage.data:
        if entry.resolution is None:
            collators.append(usual)
            continue
        with model.cutting(entry.resolution.build()):
            collators.append(objective.collator())
    return CollatorBySource(mixture, collators)


def check_resolutions(stages: dict[str, StageRecipe], model: Composition) -> None:
    """See, before anything is trained, that the model can read what all sources make of pictures.

    Raises:
        BadInput: naming the source, if it cannot, if the objective wants one way for all, or if the last stage knows no
            picture as the model is used.
    """
    for name, stage in stages.items():
        for number, entry in enumerate(stage.data):
            if entry.resolution is not None:
                _check(stage, entry.resolution, model, f"stages.{name}.data.{number}.resolution")
    last = next(reversed(stages), None)
    if last is not None and all(entry.resolution is not None for entry in stages[last].data):
        raise BadInput(
            f"stages.{last}.data",
            expected="a source whose pictures are cut as the model says, in the last stage",
            found="none",
            remedy="leave the resolution of one out, so that the model is used as it was trained last",
        )


def _check(stage: StageRecipe, config: Any, model: Composition, where: str) -> None:
    kind = stage.objective.part  # type: ignore[attr-defined]
    if not kind.any_resolution or model.resolution is None or model.encoder is None:
        raise BadInput(
            where,
            expected="language modelling of pictures, for which samples of one step may be cut in several ways",
            found=f"the objective {stage.objective.type}" + ("" if model.encoder is not None else " without an encoder"),
            remedy="leave it out, and change model.resolution",
        )
    resolution = config.build()
    if resolution.marks != model.resolution.marks:
        raise BadInput(
            where,
            expected=f"a strategy with the marks of the model's own ({', '.join(model.resolution.marks) or 'none'})",
            found=f"{config.type}, with {', '.join(resolution.marks) or 'none'}",
            remedy="use one of the same type",
        )
    try:
        model.encoder.check(resolution)
        Arranger(resolution, model.encoder, model.projector).check()
    except BadInput as error:
        place = error.where.replace("model.resolution", where, 1)
        raise BadInput(place, expected=error.expected, found=error.found, remedy=error.remedy) from None
