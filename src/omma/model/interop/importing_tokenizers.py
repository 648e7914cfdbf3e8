"""From an image tokenizer in a layout of `transformers` or `diffusers` to a saved one of omma's."""

from __future__ import annotations

from pathlib import Path

import torch

from omma.errors import BadInput
from omma.model.interop.architecture import Fields
from omma.model.interop.image_tokenizers import LAYOUTS, VQ_MODEL, TokenizerLayout
from omma.model.interop.names import Names, matched, shapes_of
from omma.model.interop.weights import Weights, read_json
from omma.parts.tokenizers import IMAGE_TOKENIZERS
from omma.parts.tokenizers.saved import save_image_tokenizer
from omma.storage import new_directory

WITHIN = ("model.vqmodel.", "vqmodel.")
"""What the names of an image tokenizer begin with in a model that has one."""
WHOLE = {"janus": "janus_vqgan", "chameleon": "chameleon_vqgan", "emu3": "emu3_vqgan"}
"""By ``model_type`` of such a model: that of its image tokenizer."""


def is_image_tokenizer(directory: Path) -> bool:
    """Whether a directory holds an image tokenizer alone that can be read in. Raises BadInput without a config.json."""
    data = read_json(directory / "config.json")
    return data.get("_class_name") == VQ_MODEL.name or data.get("model_type") in LAYOUTS


def import_image_tokenizer(directory: str | Path, out: str | Path) -> None:
    """Write the image tokenizer of a checkpoint as a directory that ``image_tokenizer.weights`` can name.

    Args:
        directory: config.json and safetensors, of an image tokenizer or of a model that has one.
        out: a new directory.

    Raises:
        BadInput: for missing, damaged or contradicting files, and for what omma's parts cannot express.
    """
    source = Path(directory)
    where = str(source / "config.json")
    layout, data, within = _found(read_json(source / "config.json"), where)
    weights = Weights(source, stem=layout.stem)
    part = layout.described(data, where)
    _check_blocks(part["network"], weights, where)
    config = IMAGE_TOKENIZERS.parse(part, where=where)
    shapes = shapes_of(config.build, where=where)
    _leave(weights, layout, within)
    names = Names(*((prefix + there, here) for there, here in layout.pairs(config) for prefix in within))
    stored = matched(weights, layout.as_there(shapes), names, tied=False)
    with torch.device("meta"):
        tokenizer = config.build()
    tensors = {name: tensor.reshape(shapes[name]) for name, tensor in weights.read(stored).items()}
    tokenizer.load_state_dict(tensors, assign=True)
    with new_directory(Path(out)) as target:
        save_image_tokenizer(tokenizer, target, dtype=getattr(torch, weights.dtype()))


def _found(data: Fields, where: str) -> tuple[TokenizerLayout, Fields, tuple[str, ...]]:
    """What image tokenizer a config is of, or holds, its own config, and what its weights' names begin with."""
    if data.get("_class_name") == VQ_MODEL.name:
        return VQ_MODEL, data, ("",)
    found = data.get("model_type")
    if isinstance(found, str) and found in WHOLE:
        own = data.get("vq_config")
        return LAYOUTS[WHOLE[found]], own if isinstance(own, dict) else {}, WITHIN
    if not isinstance(found, str) or found not in LAYOUTS:
        raise BadInput(
            f"{where}, model_type",
            expected=f"that of a model with an image tokenizer, {', '.join(WHOLE)}, or of one alone, {', '.join(LAYOUTS)}",
            found=repr(found),
            remedy=f"give a checkpoint of one of these, or a {VQ_MODEL.name} of diffusers",
        )
    return LAYOUTS[found], data, ("",)


def _check_blocks(network: Fields, weights: Weights, where: str) -> None:
    """See that nothing is built by a number from a file that its weights do not bear out. Raises BadInput if it would."""
    levels, blocks, most = len(network["multipliers"]), network["blocks"], len(weights.tensors)
    if not 0 < levels * blocks <= most or levels > most:
        raise BadInput(
            where,
            expected=f"as many residual blocks as {most} stored tensors can make",
            found=f"{blocks} in each of {levels} levels",
            remedy="use the config.json that belongs to these weights",
        )


def _leave(weights: Weights, layout: TokenizerLayout, within: tuple[str, ...]) -> None:
    """Keep of a checkpoint's weights what is the image tokenizer's, and has a use."""
    unused = tuple(prefix + name for prefix in within for name in layout.unused)
    weights.tensors = {
        name: stored
        for name, stored in weights.tensors.items()
        if name.startswith(within) and not (unused and name.startswith(unused))
    }
