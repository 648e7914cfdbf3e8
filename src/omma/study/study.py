"""A study: which recipes are compared, and on what terms.

A study file names one base recipe, what all choices have in common, how long each stage may train, and the choices: what
each of them changes. Every choice is trained with every seed, so that differences can be told from luck.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from omma.errors import BadInput, nearest
from omma.parts.base import validated
from omma.recipe import Recipe, Settings, Size, load_recipe
from omma.yaml_text import yaml_mapping

FOLDER_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""Names of studies and choices are names of folders."""


class Budget(Settings):
    """How long one stage trains: the same for every choice."""

    steps: int | None = Field(default=None, gt=0)
    epochs: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _one(self) -> Budget:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("either steps or epochs")
        return self


class Choice(Settings):
    """One way to do it: the fields of the base recipe that it changes."""

    about: str = ""
    """One line beside its name."""
    changes: dict[str, Any] = {}


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
    """By stage; stages that are not named train as long as the base recipe says."""
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
        if self.reference is not None and self.reference not in self.choices:
            raise ValueError(f"one of {', '.join(self.choices)} as reference, not {self.reference!r}")
        return self

    def names(self) -> list[str]:
        """Of all that are compared."""
        return [*self.choices, *self.peers]

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

    def recipe(self, run: StudyRun) -> Recipe:
        """The recipe of one training, named after its choice.

        Raises:
            BadInput: if the base, or what is changed in it, is at fault.
        """
        overrides = [*_overrides(self.common), *_overrides(self.choices[run.choice].changes)]
        for stage, budget in self.budget.items():
            # Both, since the base may count the other way.
            overrides += [f"stages.{stage}.{unit}={_yaml(value)}" for unit, value in budget.model_dump().items()]
        overrides += [f"seed={run.seed}", f"name={self.name}-{run.choice}"]
        return load_recipe(self.base, self.size, overrides)


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
