"""Recipe: model, data, stages and evaluation of one system as one typed tree; YAML and dotted overrides at the edge.

A recipe file names at most one base recipe. What is merged, each over the one before: the base's common part, this
file's common part, the base's size, this file's size, the overrides from the command line. Mappings merge field by
field, except that a part of another ``type`` and an architecture of another ``model_type`` replace the old one whole; lists
and values replace. A stage that a file's common part sets to null is not taken over from its base; one that a size sets to null
is left out at that size. A size that a file sets to null is one that its base has and it has not.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, model_validator

from omma.data.playground.base import SPLITS
from omma.data.sources import SOURCES
from omma.errors import BadInput, nearest
from omma.evaluation.benchmarks import BENCHMARKS
from omma.evaluation.items import SCENES_OF_A_SEED
from omma.model.templates import TEMPLATES
from omma.model_recipe import ModelRecipe, Settings
from omma.objectives import OBJECTIVES
from omma.parts.base import part_field, part_field_or, validated
from omma.parts.encoders import ENCODERS
from omma.parts.resolution import RESOLUTIONS
from omma.yaml_text import yaml_mapping, yaml_value

SIZES = ("debug", "small", "paper")
Size = Literal["debug", "small", "paper"]
Precision = Literal["auto", "bf16", "fp32"]


class WeightedSource(Settings):
    """A data source and its share of the samples."""

    source: part_field(SOURCES)  # type: ignore[valid-type]
    weight: float = Field(default=1.0, gt=0)
    begins: float | None = Field(default=None, ge=0)
    """Its weight when the stage begins, from where it moves to ``weight`` in a line (DeepSeek-VL's modality warm-up)."""
    over: float = Field(default=1.0, gt=0, le=1)
    """Share of the stage's steps over which it moves."""
    resolution: part_field(RESOLUTIONS) | None = None  # type: ignore[valid-type]
    """How its pictures are cut, where it is not the model's way (fewer pixels at first, say)."""


class Rate(Settings):
    """Parameters whose path matches learn at this rate; the first match in the list decides."""

    pattern: str
    rate: float = Field(ge=0)
    decay: float = Field(default=1.0, gt=0, le=1)
    """Of a transformer's blocks the last learns at the rate, each other one at ``decay`` times that of the one behind it, and
    so do the embeddings (layer-wise decay: ELECTRA, arXiv 2003.10555; XComposer2-4KHD)."""


class Optimizer(Settings):
    """AdamW; Muon for hidden matrices with AdamW for the rest (Jordan et al. 2024); or Adafactor (arXiv 1804.04235), whose rates
    are shares of the parameters' own size."""

    type: Literal["adamw", "muon", "adafactor"] = "adamw"
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = Field(default=1e-8, gt=0)
    """What AdamW adds to the root of its second moment."""
    weight_decay: float = Field(default=0.0, ge=0)
    clip: float | None = Field(default=1.0, gt=0)
    """Largest gradient norm."""


class Schedule(Settings):
    """Linear warm-up, then constant, falling as the inverse root of the steps, or falling to ``final`` (a fraction of the rate)
    as cosine, line or trapezoid.

    A trapezoid is constant and falls in a line over the last ``decay`` of the steps, so a run can be prolonged from any
    checkpoint before the fall.
    """

    shape: Literal["constant", "inverse-root", "cosine", "linear", "trapezoid"] = "cosine"
    warmup: float = Field(default=0.03, ge=0, le=1)
    """Fraction of the stage's steps."""
    final: float = Field(default=0.0, ge=0, le=1)
    decay: float = Field(default=0.2, gt=0, le=1)
    """Fraction of the steps over which a trapezoid falls."""


class Lora(Settings):
    """Low-rank adapters on the language model, through peft (arXiv 2106.09685)."""

    rank: int = Field(gt=0)
    alpha: float = Field(gt=0)
    targets: list[str] = Field(default=["q_proj", "v_proj"], min_length=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)


class ValidationRecipe(Settings):
    """What a stage is measured on while it trains, without learning from it."""

    data: list[part_field(SOURCES)] = []  # type: ignore[valid-type]
    """Held-out sources; the losses of each are logged by themselves. None, no validation."""
    samples: int = Field(default=64, gt=0)
    """The first so many of each source."""
    every: int = Field(default=250, gt=0)
    """Steps between measurements; the stage's last step is always followed by one."""


class StageRecipe(Settings):
    """One stage of training."""

    objective: part_field(OBJECTIVES)  # type: ignore[valid-type]
    data: list[WeightedSource] = Field(min_length=1)
    learn: list[Rate] = Field(min_length=1)
    """What learns, how fast. Parameters that match nothing are frozen; a pattern that matches nothing is an error."""
    batch: int = Field(gt=0)
    """Samples per optimizer step."""
    steps: int | None = Field(default=None, gt=0)
    epochs: float | None = Field(default=None, gt=0)
    template: str | None = None
    """Chat template of this stage, where it differs from the model's ("plain" for alignment)."""
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    precision: Precision = "auto"
    """What is computed in: ``auto`` is bf16 where the hardware multiplies it, and fp32 elsewhere."""
    gradient_checkpointing: bool = False
    lora: Lora | None = None
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    """How often what the encoder's last block adds is left out while it learns; less often before, never of the first one
    (stochastic depth: arXiv 1603.09382)."""
    bad_samples: float = Field(default=0.01, ge=0, le=1)
    """Largest fraction of samples that may be skipped as bad before the run stops."""
    checkpoint_every: int = Field(default=200, gt=0)
    validation: ValidationRecipe = ValidationRecipe()

    @model_validator(mode="after")
    def _length(self) -> StageRecipe:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("either steps or epochs")
        if self.template is not None and self.template not in TEMPLATES:
            raise ValueError(f"one of {', '.join(sorted(TEMPLATES))} as template")
        if self.steps is None and any(entry.begins is not None for entry in self.data):
            raise ValueError("steps and not epochs where weights of data move")
        if not any(entry.weight if entry.begins is None else entry.begins for entry in self.data):
            raise ValueError("data with a weight above 0 when the stage begins")
        return self


class Benchmark(Settings):
    """Held-out questions: a generated world's split, or any source whose last turn is the answer."""

    world: str | None = None
    splits: list[Literal["train", "fresh", "compositional"]] = ["fresh", "compositional"]
    pictures: int | None = Field(default=None, gt=0, le=SCENES_OF_A_SEED)
    """Scenes of each split, or samples of the source; 100 if absent, of a source that ends all."""
    source: part_field(SOURCES) | None = None  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _one(self) -> Benchmark:
        if (self.world is None) == (self.source is None):
            raise ValueError("either world or source")
        if not set(self.splits) <= set(SPLITS):
            raise ValueError(f"splits among {', '.join(SPLITS)}")
        return self


class DrawingRecipe(Settings):
    """What a model that draws is asked to draw: GenEval's six tasks in the vocabulary of the world *shapes*, and changes of its
    pictures."""

    prompts: int = Field(default=100, gt=0)
    """Of each task, and of each of the two with a compositional split."""
    edits: int = Field(default=0, ge=0)
    """Changes of pictures of each split, fresh and compositional."""
    guidance: float = Field(default=2.0, ge=0)
    temperature: float = Field(default=1.0, gt=0)
    top_k: int = Field(default=0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    batch: int = Field(default=32, gt=0)
    """Most pictures that are drawn at a time."""


class ReconstructionRecipe(Settings):
    """What an image tokenizer reads and paints again, to be measured: fresh scenes of generated worlds."""

    worlds: list[str] = Field(default=["shapes", "digits"], min_length=1)
    """Worlds with pictures. Those of *shapes* are read back, too."""
    pictures: int = Field(default=500, ge=2, le=SCENES_OF_A_SEED)
    """Scenes of each."""
    network: part_field(ENCODERS) | None = None  # type: ignore[valid-type]
    """An encoder in whose features Fréchet and kernel distances are told; none, and these are not."""
    batch: int = Field(default=64, gt=0)
    """Pictures at a time."""


class EvaluationRecipe(Settings):
    """What the report measures."""

    benchmarks: list[part_field_or(Benchmark, BENCHMARKS)] = []  # type: ignore[valid-type]
    conditions: list[Literal["sighted", "blind", "swapped"]] = ["sighted", "blind", "swapped"]
    variants: int = Field(default=20, ge=0)
    """So many questions of each world and split are put in other words and about slightly changed pictures, too."""
    drawing: DrawingRecipe | None = None
    """None, and nothing is drawn."""
    reconstruction: ReconstructionRecipe | None = None
    """None, and image tokenizers are measured if they are all that there is."""
    max_new_tokens: int = Field(default=32, gt=0)
    batch: int = Field(default=64, gt=0)
    seed: int = Field(default=0, ge=0)
    """Which scenes of the generated worlds are asked about: each seed has 1,000,000 of its own. Nothing can have been
    trained or tuned on those of a seed that is chosen afterwards."""


class Recipe(Settings):
    """One system at one size."""

    name: str
    size: Size
    about: str = ""
    paper: str = ""
    """Where it was published."""
    model: ModelRecipe
    stages: dict[str, StageRecipe] = {}
    """In the order in which they run."""
    evaluation: EvaluationRecipe = EvaluationRecipe()
    seed: int = 0
    feature_cache_gb: float = Field(default=2.0, ge=0)
    """Bound of the feature cache on disk; 0 turns it off."""
    workers: int = Field(default=1, ge=0)

    def to_yaml(self) -> str:
        """The resolved recipe: everything spelled out, loadable again."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100)


def recipe_names() -> list[str]:
    """Names of the recipes that ship with omma."""
    return sorted(p.name.removesuffix(".yaml") for p in files("omma.recipes").iterdir() if p.name.endswith(".yaml"))


def recipe_sizes(name_or_path: str) -> list[str]:
    """The sizes that a recipe has, small ones first: those it spells out, or all if none. Raises as `load_recipe`."""
    return _sizes(_chain(name_or_path))


def _sizes(chain: list[dict[str, Any]]) -> list[str]:
    spelled_out: dict[str, bool] = {}
    for layer in chain:
        spelled_out |= {name: fields is not None for name, fields in layer.get("sizes", {}).items()}
    return [name for name in SIZES if spelled_out.get(name, not spelled_out)]


def load_recipe(name_or_path: str, size: str = "small", overrides: Iterable[str] = ()) -> Recipe:
    """A recipe by name or YAML file, at one size, with ``dotted.field=value`` overrides.

    Raises:
        BadInput: naming the file or field, what was expected, what was found.
    """
    if size not in SIZES:
        raise BadInput("--size", expected=f"one of {', '.join(SIZES)}", found=repr(size), remedy="choose one of them")
    chain = _chain(name_or_path)
    sizes = _sizes(chain)
    if size not in sizes:
        expected = f"a size that it has ({', '.join(sizes)})"
        raise BadInput(f"recipe {name_or_path}", expected=expected, found=size, remedy="choose one")
    _leave_out_stages(chain)
    data: dict[str, Any] = {}
    for layer in chain:
        data = _merge(data, {k: v for k, v in layer.items() if k not in ("sizes", "base")})
    for layer in chain:
        data = _merge(data, layer.get("sizes", {}).get(size) or {})
    if isinstance(data.get("stages"), dict):
        data["stages"] = {name: stage for name, stage in data["stages"].items() if stage is not None}
    data["size"] = size
    for override in overrides:
        known = set(_stages(data))
        _override(data, override)
        # A stage that is changed to nothing is left out.
        for name in [name for name in known & set(_stages(data)) if data["stages"][name] is None]:
            del data["stages"][name]
    return validated(Recipe, data, where="")


def _chain(name_or_path: str) -> list[dict[str, Any]]:
    """The file and its bases, base first."""
    layers: list[dict[str, Any]] = []
    seen: list[str] = []
    current: str | None = name_or_path
    folder = Path.cwd()
    while current is not None:
        text, label, folder = _read(current, folder)
        if label in seen:
            raise BadInput(
                f"recipe {label}", expected="a base that is not itself built on it", found=" -> ".join([*seen, label]),
                remedy="remove the circle",
            )
        seen.append(label)
        layer = yaml_mapping(text, where=f"recipe {label}", documented="docs/recipes.md")
        sizes = layer.setdefault("sizes", {})
        if not isinstance(sizes, dict) or not all(s in SIZES and isinstance(sizes[s], dict | None) for s in sizes):
            raise BadInput(
                f"recipe {label}, field sizes",
                expected=f"a mapping from {', '.join(SIZES)} to fields",
                found=repr(sizes),
                remedy="write for instance sizes: {debug: {seed: 1}}",
            )
        layers.append(layer)
        current = layer.get("base")
    return layers[::-1]


def _read(name_or_path: str, folder: Path) -> tuple[str, str, Path]:
    path = Path(name_or_path).expanduser()
    if path.suffix in (".yaml", ".yml"):
        path = path if path.is_absolute() else folder / path
        if not path.is_file():
            where = f"recipe {name_or_path}"
            raise BadInput(where, expected="a YAML file", found="no such file", remedy="check the path")
        try:
            return path.read_text(encoding="utf-8"), str(name_or_path), path.parent
        except (OSError, UnicodeDecodeError) as error:
            where = f"recipe {name_or_path}"
            raise BadInput(where, expected="UTF-8 text", found=str(error), remedy="check the file") from None
    shipped = files("omma.recipes") / f"{name_or_path}.yaml"
    if not shipped.is_file():
        raise BadInput(
            f"recipe {name_or_path}", expected="the name of a recipe, or a .yaml file", found="neither",
            remedy=nearest(name_or_path, recipe_names()),
        )
    return shipped.read_text(encoding="utf-8"), name_or_path, folder


def _leave_out_stages(chain: list[dict[str, Any]]) -> None:
    """Take stages that a file sets to null out of it and of all sizes of its bases, in place."""
    for number, layer in enumerate(chain):
        for name in [name for name, stage in _stages(layer).items() if stage is None]:
            for part in (layer, *chain[:number], *(size for below in chain[:number] for size in below["sizes"].values() if size)):
                _stages(part).pop(name, None)


def _stages(part: dict[str, Any]) -> dict[str, Any]:
    found = part.get("stages")
    return found if isinstance(found, dict) else {}


def _merge(old: Any, new: Any) -> Any:
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return copy.deepcopy(new)
    if any(kind in old and kind in new and old[kind] != new[kind] for kind in ("type", "model_type")):
        return copy.deepcopy(dict(new))
    keys, place = list(old), len(old)
    # Stages run in the order of their names: one that is new comes in front of those that it is written in front of.
    for key in reversed(new):
        if key in old:
            place = keys.index(key)
        else:
            keys.insert(place, key)
    return {
        key: old[key] if key not in new else _merge(old[key], new[key]) if key in old else copy.deepcopy(new[key])
        for key in keys
    }


def _override(data: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    where = f"override {override!r}"
    if not equals or not path:
        remedy = "write for instance seed=1"
        raise BadInput(where, expected="dotted.field=value", found="no such form", remedy=remedy)
    if path == "size":
        raise BadInput(where, expected="fields of the size", found="the size itself", remedy="use --size")
    try:
        value = yaml_value(text)
    except yaml.YAMLError:
        value = text
    node: Any = data
    pieces = path.split(".")
    for depth, piece in enumerate(pieces):
        last = depth == len(pieces) - 1
        if isinstance(node, list):
            if not piece.isdigit() or int(piece) >= len(node):
                expected = f"an index below {len(node)} at {piece!r}"
                raise BadInput(where, expected=expected, found=repr(piece), remedy="count from 0")
            key: Any = int(piece)
        else:
            key = piece
        if last:
            mappings = isinstance(node, dict) and isinstance(value, dict)
            node[key] = _merge(node[key], value) if mappings and key in node else value
            return
        if isinstance(node, dict) and not isinstance(node.get(key), dict | list):
            node[key] = {}
        node = node[key]
