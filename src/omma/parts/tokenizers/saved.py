"""Saved image tokenizers: a config.json that says what it is, and the safetensors file that a whole model has of this part."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from omma.errors import BadInput
from omma.parts.tokenizers.base import ImageTokenizer
from omma.parts.weights import locate

MODEL_TYPE = "omma_image_tokenizer"
WEIGHTS = "image_tokenizer.safetensors"
PREFIX = "image_tokenizer."
"""What the names of its tensors begin with there."""
EXACT = "quantizer."
"""What stays in float32, so that every vector has the code that it had."""


def save_image_tokenizer(tokenizer: ImageTokenizer, directory: Path, *, dtype: torch.dtype) -> None:
    """Write it into an existing directory; the quantizer in float32, all else in ``dtype``."""
    config = {"model_type": MODEL_TYPE, "image_tokenizer": tokenizer.config.spelled_out()}
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    tensors = {
        PREFIX + name: tensor.detach().to("cpu", _stored(name, tensor, dtype)).contiguous()
        for name, tensor in tokenizer.state_dict().items()
    }
    save_file(tensors, directory / WEIGHTS, metadata={"format": "pt"})


def _stored(name: str, tensor: torch.Tensor, dtype: torch.dtype) -> torch.dtype:
    if name.startswith(EXACT):
        return torch.float32
    # Batch norms count what they have seen.
    return dtype if tensor.is_floating_point() else tensor.dtype


def load_image_tokenizer(tokenizer: ImageTokenizer, source: str) -> None:
    """Give a tokenizer the weights of a saved one.

    Args:
        source: ``zoo:NAME``, or a directory; that of a whole model will do, too.

    Raises:
        BadInput: if there is none, or it is another tokenizer's.
    """
    directory = Path(locate(source, where="image tokenizer.weights"))
    remedy = "name the directory of a saved tokenizer with the same network and quantizer"
    try:
        tensors = {name.removeprefix(PREFIX): tensor for name, tensor in load_file(directory / WEIGHTS).items()}
    except (OSError, SafetensorError) as error:
        found = str(error).strip().splitlines()[0]
        where = str(directory / WEIGHTS)
        raise BadInput(where, expected="the weights of an image tokenizer", found=found, remedy=remedy) from None
    for name, own in tokenizer.state_dict().items():
        if name not in tensors or tensors[name].shape != own.shape:
            raise BadInput(
                str(directory / WEIGHTS),
                expected=f"{name} of shape {tuple(own.shape)}",
                found=f"shape {tuple(tensors[name].shape)}" if name in tensors else "no such tensor",
                remedy=remedy,
            )
    tokenizer.load_state_dict({name: tensors[name] for name in tokenizer.state_dict()})
