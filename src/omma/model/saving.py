"""Saved models: a directory that says what it is, one safetensors file per part, loadable by `transformers` alone.

The index file maps every tensor to its part's file, which is the sharded format of `transformers`: `from_pretrained`
reads the same directory. A language model or an encoder alone is saved as a plain `transformers` model, an image tokenizer with
its config.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from omma.errors import BadInput
from omma.model.class_painter import write_config
from omma.model.composition import Composition
from omma.parts.tokenizers.saved import EXACT, WEIGHTS, save_image_tokenizer
from omma.parts.weights import weights_file

PARTS = ("encoder", "projector", "language_model", "expert", "image_tokenizer", "painter")
EXPERTS = ("expert.", "encoder.expert.")
"""What the paths of experts begin with."""
MARKS = "projector.marks"
"""The learned vectors of a resolution strategy."""
DRAWING = ("image_tokenizer.", "painter.")
"""What the paths of the parts begin with that a model draws with."""
INDEX = "model.safetensors.index.json"


def save_composition(model: Composition, directory: Path, *, dtype: torch.dtype) -> None:
    """Write the model, its tokenizer and its processor into an existing directory.

    The directory is complete only when this returns; callers wrap it in `omma.storage.whole_directory`.
    """
    if model.vlm is None and model.painter is not None:
        write_config(model, directory)
        _save_parts(_alone(model), directory, dtype)
    elif model.vlm is None and model.image_tokenizer is not None:
        save_image_tokenizer(model.image_tokenizer, directory, dtype=dtype)
    elif model.vlm is None:
        part = model.language_model if model.language_model is not None else model.encoder.model  # type: ignore[union-attr]
        part.config.dtype = dtype
        tied = set(part.all_tied_weights_keys)
        tensors = {name: tensor.to(dtype) for name, tensor in part.state_dict().items() if name not in tied}
        part.save_pretrained(directory, state_dict=tensors)
    else:
        _save_vlm(model, directory, dtype)
    if model.tokenizer is not None:
        model.tokenizer.save_pretrained(directory)


def _save_vlm(model: Composition, directory: Path, dtype: torch.dtype) -> None:
    from omma.model.processing import processor_of

    vlm = model.vlm
    assert vlm is not None
    vlm.config.dtype = dtype
    vlm.config.architectures = [type(vlm).__name__]
    vlm.config.save_pretrained(directory)
    if vlm.generation_config is not None:
        vlm.generation_config.save_pretrained(directory)
    _save_parts(vlm, directory, dtype, tied=set(vlm.all_tied_weights_keys))
    assert model.tokenizer is not None
    processor_of(vlm.config, model.tokenizer).save_pretrained(directory)


def _save_parts(model: torch.nn.Module, directory: Path, dtype: torch.dtype, *, tied: Collection[str] = ()) -> None:
    weight_map: dict[str, str] = {}
    size = 0
    for part in PARTS:
        tensors = {
            name: tensor.detach().to("cpu", _stored(name, tensor, dtype)).contiguous()
            for name, tensor in model.state_dict().items()
            if name.startswith(f"{part}.") and name not in tied
        }
        if not tensors:  # raw patches have none
            continue
        save_file(tensors, directory / f"{part}.safetensors", metadata={"format": "pt"})
        weight_map |= dict.fromkeys(tensors, f"{part}.safetensors")
        size += sum(t.numel() * t.element_size() for t in tensors.values())
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    (directory / INDEX).write_text(json.dumps(index, indent=1))


def _alone(model: Composition) -> torch.nn.Module:
    """What a composition that is no vision-language model consists of."""
    if model.painter is not None:
        parts = {"language_model": model.language_model, "image_tokenizer": model.image_tokenizer, "painter": model.painter}
        return torch.nn.ModuleDict(parts)  # type: ignore[arg-type]
    if model.image_tokenizer is not None:
        return torch.nn.ModuleDict({"image_tokenizer": model.image_tokenizer})
    return model.language_model or model.encoder.model  # type: ignore[union-attr,return-value]


def _stored(name: str, tensor: torch.Tensor, dtype: torch.dtype) -> torch.dtype:
    """In what a tensor is stored."""
    if name.startswith((f"image_tokenizer.{EXACT}", f"encoder.image_tokenizer.{EXACT}")):
        return torch.float32
    return dtype if tensor.is_floating_point() else tensor.dtype


def read_tensors(directory: Path) -> dict[str, torch.Tensor]:
    """All tensors of a saved model.

    Raises:
        BadInput: naming the file that is missing, truncated or not safetensors.
    """
    index = directory / INDEX
    if index.is_file():
        files = [weights_file(index, name) for name in sorted(set(json.loads(index.read_text())["weight_map"].values()))]
    else:
        files = [directory / (WEIGHTS if (directory / WEIGHTS).is_file() else "model.safetensors")]
    tensors: dict[str, torch.Tensor] = {}
    for file in files:
        try:
            tensors |= load_file(file)
        except FileNotFoundError:
            raise BadInput(
                str(file),
                expected="the weights of the model",
                found="no such file",
                remedy="copy the whole directory again",
            ) from None
        except (OSError, SafetensorError) as error:
            raise BadInput(
                str(file),
                expected="a whole safetensors file",
                found=f"one that cannot be read ({error})",
                remedy="copy the directory again",
            ) from None
    return tensors


def load_parts(model: Composition, directory: Path) -> None:
    """Load a saved model's weights into a composition of the same parts; experts, marks and what it draws with may be new in it.

    Raises:
        BadInput: if files are missing or broken, or tensors do not fit.
    """
    tensors = read_tensors(directory)
    module: torch.nn.Module = model.vlm or _alone(model)
    tied = set(getattr(module, "all_tied_weights_keys", {}))
    expected = {name: tensor.shape for name, tensor in module.state_dict().items()}
    # Models that were trained without may be given experts, which begin as no change, a strategy's marks, which begin anew, and
    # what they draw with.
    added = [prefix for prefix in (*EXPERTS, MARKS, *DRAWING) if not any(name.startswith(prefix) for name in tensors)]
    expected = {name: shape for name, shape in expected.items() if not name.startswith(tuple(added))}
    missing = sorted(set(expected) - set(tensors) - tied)
    unknown = sorted(set(tensors) - set(expected))
    wrong = sorted(name for name in set(expected) & set(tensors) if expected[name] != tensors[name].shape)
    if unknown and not missing and not wrong:
        raise BadInput(
            str(directory),
            expected="the tensors of these parts alone",
            found=f"{unknown[0]} besides",
            remedy="load it with the recipe that made it",
        )
    if missing or wrong:
        first = (missing or wrong)[0]
        found = "no such tensor" if missing else f"shape {tuple(tensors[first].shape)}"
        raise BadInput(
            str(directory),
            expected=f"{first} of shape {tuple(expected[first])}",
            found=found,
            remedy="load it with the recipe that made it",
        )
    module.load_state_dict(tensors, strict=False)
    if model.expert is not None and "expert." in added:
        model.expert.begin()
