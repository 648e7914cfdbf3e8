"""A study: which recipes are compared, and on what terms.

A study file names one base recipe, what all choices have in common, how long each stage may train, and the choices: what
each of them changes. Every choice is trained with every seed, so that differences can be told from luck.

How long a stage trains may be said in seconds. What fits into them is measured (`omma.study.pace`), once for each choice: all
seeds take the same steps, and a run is the same whenever it is gone on with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import Field, model_validator

from omma.errors import BadInput, nearest
from omma.parts.base import validated
from omma.recipe import Recipe, Settings, Size, load_recipe
from omma.yaml_text import yaml_mapping

FOLDER_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""Names of studies and choices are names of folders."""


Some = Annotated[list[str], Field(min_length=1)]
Group = Some | Annotated[dict[str, Some], Field(min_length=1)]
"""Worlds, all of whose questions count; or by world the kinds that do."""

TRIAL = 40
"""Steps of a stage whose budget is in seconds, as long as nobody has measured how many fit into them."""


class Budget(Settings):
    """How long one stage trains."""

    steps: int | None = Field(default=None, gt=0)
    epochs: float | None = Field(default=None, gt=0)
    seconds: float | None = Field(default=None, gt=0)
    """Of training: as many steps as fit into them at the pace of a short training before the first run."""

    @model_validator(mode="after")
    def _one(self) -> Budget:
        if [self.steps, self.epochs, self.seconds].count(None) != 2:
            raise ValueError("one of steps, epochs and seconds")
        return self

    def overrides(self, stage: str, pace: float | None) -> list[str]:
        """Of a recipe: both fields that say how long a stage trains, since the base may count the other way.

        Args:
            pace: seconds of a step, where that is known.
        """
        steps = self.steps
        if self.seconds is not None:
            steps = TRIAL if pace is None else max(1, int(self.seconds / pace))
        return [f"stages.{stage}.steps={_yaml(steps)}", f"stages.{stage}.epochs={_yaml(self.epochs)}"]


class Choice(Settings):
    """One way to do it: the fields of the base recipe that it changes."""

    about: str = ""
    """One line beside its name."""
    base: str | None = None
    """Another recipe to begin with, where ways differ in more than can be spelled out; the study's, if absent."""
    changes: dict[str, Any] = {}
    budget: dict[str, Budget] = {}
    """By stage, where it is not the study's: of several encoders that share the time, say."""


class Peer(Settings):
    """A model that is asked the same questions and not trained, to stand beside the choices."""

    about: str = ""
    """One line beside its name."""
    model: str
    """As `omma evaluate` names it."""
    settings: dict[str, Any] = {}
    """Of the model, as ``--with`` has them."""


@dataclass(frozen=True, slots=True)
class StudyRun:
    """One training: a choice with a seed."""

    choice: str
    seed: int

    def directory(self, out: Path) -> Path:
        """Of the run, below the study's own directory."""
        return out / self.choice / f"seed-{self.seed}"


class Study(Settings):
    """What is compared, and on what terms."""

    name: str = Field(pattern=FOLDER_NAME)
    question: str
    """What the study is to tell."""
    published: str = ""
    """What has been claimed, and where."""
    base: str
    """A recipe's name, or a YAML file beside the study."""
    size: Size = "small"
    common: dict[str, Any] = {}
    """Fields of the base recipe that all choices change."""
    budget: dict[str, Budget] = {}
    """By stage, the same for every choice; stages that are not named train as long as the base recipe says."""
    groups: dict[str, Group] = {}
    """What has a mean and a column of its own, by the name of the column: worlds, or kinds of questions by world."""
    ranked_by: str | None = None
    """The group whose mean is the score of a choice; the mean of all worlds if there are no groups."""
    before: str | None = None
    """The choice whose model is as it was: what all others gain and lose against it has columns, too."""
    seeds: list[int] = Field(default=[0, 1, 2], min_length=1)
    choices: dict[str, Choice] = Field(min_length=2)
    peers: dict[str, Peer] = {}
    """Models that are not trained, asked the same."""
    reference: str | None = None
    """The choice that all others are tested against; every pair is tested if absent."""

    @model_validator(mode="after")
    def _possible(self) -> Study:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds that differ")
        if twice := set(self.choices) & set(self.peers):
            raise ValueError(f"names of peers that no choice has, not {min(twice)!r}")
        for name in self.names():
            if not name.isascii() or not name.replace("-", "").replace(".", "").replace("_", "").isalnum():
                raise ValueError(f"choices and peers named by letters, digits and -._, not {name!r}")
        for field in ("reference", "before"):
            if (named := getattr(self, field)) is not None and named not in self.choices:
                raise ValueError(f"one of {', '.join(self.choices)} as {field}, not {named!r}")
        if self.ranked_by not in (self.groups or (None,)):
            named = f"one of the groups {', '.join(self.groups)}" if self.groups else "groups"
            raise ValueError(f"{named} for ranked_by, not {self.ranked_by!r}")
        return self

    def names(self) -> list[str]:
        """Of all that are compared."""
        return [*self.choices, *self.peers]

    @property
    def ranking(self) -> Group | None:
        """What the score of a choice is the mean of; None for everything."""
        return None if self.ranked_by is None else self.groups[self.ranked_by]

    def means(self) -> list[str]:
        """Names of the means that have columns, first the one that ranks; "all" if there are no groups."""
        return sorted(self.groups, key=lambda group: group != self.ranked_by) or ["all"]

    def told(self, name: str) -> str:
        """What a group is the mean of, in words."""
        group = self.groups[name]
        if isinstance(group, dict):
            return ", ".join(f"{world} ({', '.join(kinds)})" for world, kinds in group.items())
        return ", ".join(group)

    def about(self, name: str) -> str:
        """The line beside the name of a choice or a peer."""
        return (self.choices | self.peers)[name].about  # type: ignore[operator]

    def runs(self) -> list[StudyRun]:
        """All trainings, seed by seed: an early look then has every choice."""
        return [StudyRun(choice, seed) for seed in self.seeds for choice in self.choices]

    def pairs(self) -> list[tuple[str, str]]:
        """The pairs of choices and peers that are tested against each other."""
        names = self.names()
        if self.reference is not None:
            return [(name, self.reference) for name in names if name != self.reference]
        return [(first, second) for place, first in enumerate(names) for second in names[place + 1 :]]

    def budgets(self, choice: str) -> dict[str, Budget]:
        """By stage, of one choice."""
        return self.budget | self.choices[choice].budget

    def recipe(self, run: StudyRun, paces: Mapping[str, float] = MappingProxyType({})) -> Recipe:
        """The recipe of one training, named after its choice.

        Args:
            paces: by stage whose budget is in seconds: how long a step takes. Without, it has `TRIAL` steps.

        Raises:
            BadInput: if the base, or what is changed in it, is at fault.
        """
        choice = self.choices[run.choice]
        overrides = _overrides(self.common)
        # A recipe of the choice's own need not have all the stages that others have.
        own = None if choice.base is None else load_recipe(choice.base, self.size).stages
        # Before the choice's changes: a stage that it leaves out has no budget.
        for stage, budget in self.budget.items():
            if own is None or stage in own:
                overrides += budget.overrides(stage, paces.get(stage))
        overrides += _overrides(choice.changes)
        for stage, budget in choice.budget.items():
            overrides += budget.overrides(stage, paces.get(stage))
        overrides += [f"seed={run.seed}", f"name={self.name}-{run.choice}"]
        return load_recipe(choice.base or self.base, self.size, overrides)

    def trial(self, choice: str) -> Recipe | None:
        """A short training of the stages of a choice whose budget is in seconds; None if there is none."""
        recipe, budgets = self.recipe(StudyRun(choice, self.seeds[0])), self.budgets(choice)
        timed = {name for name, budget in budgets.items() if budget.seconds is not None}
        stages = {name: stage for name, stage in recipe.stages.items() if name in timed}
        return recipe.model_copy(update={"stages": stages}) if stages else None


def _overrides(changes: dict[str, Any]) -> list[str]:
    return [f"{field}={_yaml(value)}" for field, value in changes.items()]


def _yaml(value: Any) -> str:
    """JSON is YAML on one line."""
    return json.dumps(value, ensure_ascii=False)


def study_names() -> list[str]:
    """Names of the studies that ship with omma."""
    return sorted(p.name.removesuffix(".yaml") for p in files("omma.studies").iterdir() if p.name.endswith(".yaml"))


def load_study(name_or_path: str) -> Study:
    """A study by name or YAML file.

    Raises:
        BadInput: naming the file or field, what was expected, what was found.
    """
    where = f"study {name_or_path}"
    path = Path(name_or_path).expanduser()
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise BadInput(where, expected="a YAML file", found="no such file", remedy="check the path")
        text = path.read_bytes()
    else:
        shipped = files("omma.studies") / f"{name_or_path}.yaml"
        if not shipped.is_file():
            raise BadInput(
                where,
                expected="the name of a study, or a .yaml file",
                found="neither",
                remedy=nearest(name_or_path, study_names()),
            )
        text = shipped.read_bytes()
    data = yaml_mapping(text, where=where, documented="docs/compare.md")
    study = validated(Study, data, where="", of=where)
    if Path(study.base).suffix in (".yaml", ".yml"):
        study = study.model_copy(update={"base": str(path.parent.resolve() / study.base)})
    # A field that does not exist is found now, not after hours.
    for choice in study.choices:
        study.recipe(StudyRun(choice, study.seeds[0]))
    return study
