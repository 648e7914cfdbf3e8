"""Average the weights of models that were trained from one another (model soups, arXiv 2203.05482).

    python -m omma.zoo.average OUT MODEL MODEL ...

Each MODEL is a directory with safetensors weights, of one architecture. What a stage of practice adds and what it makes a model
forget are apart in weights often enough that the average keeps both (docs/log.md). OUT has the first one's other files.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from omma.errors import BadInput
from omma.storage import replaced_directory


def average(out: Path, models: list[Path]) -> None:
    """Write the average, computed in fp32 and stored in the first model's precision, to a directory.

    Raises:
        BadInput: if there is nothing to average, or the models do not hold the same tensors.
    """
    if len(models) < 2:
        raise BadInput("models", expected="two or more to average", found=str(len(models)), remedy="name several")
    if not any(models[0].glob("*.safetensors")):
        raise BadInput(
            str(models[0]), expected="weights (*.safetensors)", found="none", remedy="name a directory of a model"
        )
    names = sorted({file.name for model in models for file in model.glob("*.safetensors")})
    with replaced_directory(out) as directory:
        for file in models[0].iterdir():
            if file.is_file() and file.name not in names:
                shutil.copyfile(file, directory / file.name)
        for name in names:
            first, *others = [_tensors(model / name) for model in models]
            for model, other in zip(models[1:], others, strict=True):
                _check_like(model / name, other, first)
            mean = {
                key: torch.stack([tensors[key].float() for tensors in (first, *others)]).mean(0).to(tensor.dtype)
                for key, tensor in first.items()
            }
            save_file(mean, directory / name, metadata={"format": "pt"})


def _tensors(file: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(file)
    except (OSError, SafetensorError):
        raise BadInput(
            str(file), expected="weights that can be read", found="none", remedy="name models of one architecture"
        ) from None


def _check_like(file: Path, tensors: dict[str, torch.Tensor], first: dict[str, torch.Tensor]) -> None:
    for key in sorted(first.keys() | tensors.keys()):
        here, there = (str(list(t[key].shape)) if key in t else "none" for t in (tensors, first))
        if here != there:
            raise BadInput(
                f"{file}: {key}",
                expected=f"{there}, as in the first model",
                found=here,
                remedy="average models of one architecture",
            )


if __name__ == "__main__":
    average(Path(sys.argv[1]), [Path(model) for model in sys.argv[2:]])
