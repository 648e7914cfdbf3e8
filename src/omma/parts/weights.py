"""Where the weights of a `transformers` part come from: the zoo, a directory, or the hub.

``zoo:NAME`` is a part that ships inside the package, ``./dir`` or ``/dir`` a directory, anything else a name on the hub. What
ships is made of files of weights, one for each part, that are there once: an index may name those of another model that ships.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from transformers import AutoConfig, PretrainedConfig

from omma.errors import BadInput, nearest

ZOO = "zoo:"


def zoo_directory() -> Path:
    """Where everything is that ships in the package."""
    return Path(str(files("omma.zoo")))


def zoo_names() -> list[str]:
    """Names of everything that ships in the package."""
    root = zoo_directory()
    return sorted(entry.name for entry in root.iterdir() if (entry / "config.json").is_file())


def locate(source: str, *, where: str) -> str:
    """A path for ``zoo:`` names and existing directories; hub names come back unchanged.

    Raises:
        BadInput: for an unknown zoo name, or a path-like source that does not exist.
    """
    if source.startswith(ZOO):
        name = source.removeprefix(ZOO)
        path = zoo_directory() / name
        if not (path / "config.json").is_file():
            raise BadInput(
                where, expected="the name of a shipped part", found=repr(name), remedy=nearest(name, zoo_names())
            )
        return str(path)
    if source.startswith((".", "/", "~")):
        path = Path(source).expanduser()
        if not (path / "config.json").is_file():
            raise BadInput(
                where,
                expected="a directory with a config.json",
                found=f"{source} without one" if path.is_dir() else f"{source}, which does not exist",
                remedy="give the directory of a saved model",
            )
        return str(path)
    return source


def weights_file(index: Path, name: str) -> Path:
    """The file of weights that an index names: one beside it, or, of a model that ships, one of another that does.

    Raises:
        BadInput: for any other place.
    """
    root = index.parent.parent
    *elsewhere, last = Path(name).parts or ("",)
    shared = len(elsewhere) == 2 and elsewhere[0] == ".." and root.resolve() == zoo_directory().resolve()
    if not last.endswith(".safetensors") or not (shared or (not elsewhere and last == name)):
        raise BadInput(
            str(index),
            expected="names of safetensors files beside it",
            found=repr(name),
            remedy="do not trust this checkpoint",
        )
    return root / elsewhere[1] / last if shared else index.parent / last


def architecture(config: dict[str, Any] | None, weights: str | None, *, where: str) -> PretrainedConfig:
    """The `transformers` config of a part: spelled out in the recipe, or read from where its weights are.

    Raises:
        BadInput: if neither is given, or the model type is unknown.
    """
    if config is None:
        if weights is None:
            raise BadInput(
                where,
                expected="architecture (a transformers config with model_type) or weights (where to read it from)",
                found="neither",
                remedy="give one of them",
            )
        return AutoConfig.from_pretrained(locate(weights, where=f"{where}.weights"))
    settings = dict(config)
    model_type = settings.pop("model_type", None)
    try:
        return AutoConfig.for_model(model_type, **settings)
    except ValueError:
        raise BadInput(
            f"{where}.architecture.model_type",
            expected="a model type that transformers knows",
            found=repr(model_type),
            remedy="see the transformers documentation for its name, or upgrade transformers",
        ) from None


def plain_architecture(settings: PretrainedConfig) -> dict[str, Any]:
    """A `transformers` config as the shortest plain data that makes it again."""
    history = ("transformers_version", "architectures", "_name_or_path", "dtype")
    data = {key: value for key, value in settings.to_diff_dict().items() if key not in history}
    return data | {"model_type": settings.model_type}
