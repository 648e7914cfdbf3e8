"""VAR's published checkpoints (github.com/FoundationVision/VAR), which `transformers` does not know.

They are two, a Transformer and a tokenizer, both pickles. Pickles are not opened here: write their tensors as safetensors first
(docs/drawing.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from omma.errors import BadInput
from omma.model.composition import Composition, compose
from omma.model.interop.weights import reason
from omma.model.saving import save_composition
from omma.model_recipe import ModelRecipe
from omma.parts.base import validated
from omma.storage import new_directory

SCALES = {
    680: ((1, 2, 3, 4, 5, 6, 8, 10, 13, 16), 256),
    2240: ((1, 2, 3, 4, 6, 9, 13, 18, 24, 32), 512),
    9451: ((1, 2, 3, 4, 5, 7, 9, 12, 16, 21, 27, 36, 48, 64), 1024),
}
"""By the number of places: the scales that are published, and the side of the pictures."""

FILES = ("transformer.safetensors", "tokenizer.safetensors")

TRANSFORMER = (
    (r"class_emb\.(.*)", r"language_model.embed_tokens.\1"),
    (r"shared_ada_lin\.1\.(.*)", r"language_model.shared.\1"),
    (r"head_nm\.ada_lin\.1\.(.*)", r"language_model.told.\1"),
    (r"blocks\.(\d+)\.attn\.mat_qkv\.(.*)", r"language_model.layers.\1.attention.qkv.\2"),
    (r"blocks\.(\d+)\.attn\.scale_mul_1H11", r"language_model.layers.\1.attention.scale"),
    (r"blocks\.(\d+)\.attn\.(.*)", r"language_model.layers.\1.attention.\2"),
    (r"blocks\.(\d+)\.ffn\.(.*)", r"language_model.layers.\1.mlp.\2"),
    (r"blocks\.(\d+)\.ada_lin\.1\.(.*)", r"language_model.layers.\1.told.\2"),
    (r"blocks\.(\d+)\.ada_gss", r"language_model.layers.\1.moved"),
    (r"word_embed\.(.*)", r"painter.read.\1"),
    (r"pos_start", r"painter.first"),
    (r"pos_1LC", r"painter.places"),
    (r"lvl_embed\.(.*)", r"painter.levels.\1"),
    (r"head\.(.*)", r"painter.head.layer.\1"),
)
TOKENIZER = (
    (r"quantize\.embedding\.weight", r"image_tokenizer.quantizer.codebook"),
    (r"quantize\.quant_resi\.qresi_ls\.(\d+)\.(.*)", r"image_tokenizer.quantizer.phis.\1.\2"),
    (r"quant_conv\.(.*)", r"image_tokenizer.narrow.\1"),
    (r"post_quant_conv\.(.*)", r"image_tokenizer.widen.\1"),
    (r"(.*)", r"image_tokenizer.network.\1"),
)
NETWORK = (
    (r"\.down\.(\d+)\.", r".down_blocks.\1."),
    (r"\.mid\.block_1\.", ".mid_block.resnets.0."),
    (r"\.mid\.block_2\.", ".mid_block.resnets.1."),
    (r"\.mid\.attn_1\.", ".mid_block.attentions.0."),
    (r"\.block\.(\d+)\.", r".resnets.\1."),
    (r"\.attn\.(\d+)\.", r".attentions.\1."),
    (r"\.nin_shortcut\.", ".conv_shortcut."),
    (r"\.downsample\.", ".downsamplers.0."),
    (r"\.upsample\.", ".upsamplers.0."),
    (r"\.norm_out\.", ".conv_norm_out."),
    (r"(attentions\.\d+)\.norm\.", r"\1.group_norm."),
    (r"\.proj_out\.", ".to_out.0."),
)
"""Inside encoder and decoder, one after another."""
NOT_LEARNED = ("zero_k_bias", "lvl_1L", "attn_bias_for_masking", "ema_vocab_hit_SV")
"""Buffers of theirs that say nothing that is not known."""


def is_var(directory: Path) -> bool:
    """Whether a directory holds a published VAR."""
    return all((directory / file).is_file() for file in FILES)


def import_var(directory: str | Path, out: str | Path) -> None:
    """Write a published VAR as a model directory of omma's, which `omma draw` draws classes with.

    Args:
        directory: with transformer.safetensors and tokenizer.safetensors, in the names of the published checkpoints.
        out: a new directory.

    Raises:
        BadInput: for files that are missing, damaged, or hold other tensors.
    """
    source = Path(directory)
    tensors = {name: tensor for file in FILES for name, tensor in _read(source / file).items()}
    model = compose(var_recipe(tensors, where=str(source)), load_weights=False)
    found = ours(tensors)
    expected = _state(model)
    for name, own in expected.items():
        if name not in found or found[name].shape != own.shape:
            raise BadInput(
                str(source),
                expected=f"what becomes {name} of shape {tuple(own.shape)}",
                found=f"shape {tuple(found[name].shape)}" if name in found else "no such tensor",
                remedy="give a checkpoint of VAR as it was published",
            )
    if unknown := sorted(set(found) - set(expected)):
        raise BadInput(str(source), expected="the tensors of VAR alone", found=unknown[0], remedy="leave it out")
    for part in ("language_model", "image_tokenizer", "painter"):
        own = {name.removeprefix(f"{part}."): tensor for name, tensor in found.items() if name.startswith(f"{part}.")}
        getattr(model, part).load_state_dict(own)
    with new_directory(Path(out)) as target:
        save_composition(model, target, dtype=torch.float32)


def _state(model: Composition) -> dict[str, Tensor]:
    parts = {name: getattr(model, name) for name in ("language_model", "image_tokenizer", "painter")}
    return {f"{part}.{name}": tensor for part, module in parts.items() for name, tensor in module.state_dict().items()}


def _read(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except FileNotFoundError:
        raise BadInput(
            str(file), expected=f"VAR's tensors in {' and '.join(FILES)}", found="no such file", remedy="write both first"
        ) from None
    except (OSError, SafetensorError) as error:
        found = f"what cannot be read ({reason(error)})"
        raise BadInput(str(file), expected="a whole safetensors file", found=found, remedy="write it again") from None


def ours(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Published tensors by our names, as ``language_model.``, ``painter.`` and ``image_tokenizer.``, in our shapes."""
    levels = 1 + max((int(m[1]) for name in tensors if (m := re.match(r"decoder\.up\.(\d+)\.", name))), default=-1)
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name.endswith(NOT_LEARNED):
            continue
        new = _renamed(name, TRANSFORMER)
        if new is None:
            # Their decoder counts its levels from the largest pictures, ours from the smallest.
            turned = re.sub(r"\.up\.(\d+)\.", lambda m: f".up_blocks.{levels - 1 - int(m[1])}.", name)
            for pattern, replacement in NETWORK:
                turned = re.sub(pattern, replacement, turned)
            new = _renamed(turned, TOKENIZER)
        assert new is not None
        found |= _reshaped(new, tensor)
    return found


def _renamed(name: str, rules: tuple[tuple[str, str], ...]) -> str | None:
    for pattern, replacement in rules:
        if match := re.fullmatch(pattern, name):
            return match.expand(replacement)
    return None


def _reshaped(name: str, tensor: Tensor) -> dict[str, Tensor]:
    if name.endswith((".first", ".places", ".moved", ".scale")):
        # Theirs are broadcast over a batch, and the first one over its only place.
        squeezed = tensor[0] if name.endswith((".places", ".scale")) else tensor[0, 0]
        return {name: squeezed}
    if ".attentions." in name:
        flat = tensor[:, :, 0, 0] if tensor.ndim == 4 else tensor
        if ".qkv." in name:
            parts = zip(("to_q", "to_k", "to_v"), flat.chunk(3), strict=True)
            return {name.replace(".qkv.", f".{part}."): own.contiguous() for part, own in parts}
        return {name: flat.contiguous()}
    return {name: tensor}


def var_recipe(tensors: Mapping[str, Tensor], *, where: str) -> ModelRecipe:
    """What a published VAR is made of, by the shapes of its tensors. Raises BadInput if these are not VAR's."""
    try:
        return validated(ModelRecipe, _parts(tensors), where="")
    except (KeyError, ValueError) as error:
        raise BadInput(
            where, expected="the tensors of VAR's Transformer and tokenizer", found=f"none for {error}", remedy="check the files"
        ) from None


def _parts(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    places = tensors["pos_1LC"].shape[1]
    if places not in SCALES:
        raise BadInput(
            "pos_1LC",
            expected=f"as many places as published, {', '.join(map(str, SCALES))}",
            found=str(places),
            remedy="give a checkpoint of VAR as it was published",
        )
    scales, side = SCALES[places]
    classes, width = tensors["class_emb.weight"].shape
    codes, inner = tensors["quantize.embedding.weight"].shape
    channels = tensors["encoder.conv_in.weight"].shape[0]
    levels = _count(tensors, r"encoder\.down\.(\d+)\.")
    sides = [tensors[f"encoder.down.{level}.block.0.conv1.weight"].shape[0] for level in range(levels)]
    return {
        "backbone": {
            "type": "classes",
            "architecture": {
                "model_type": "omma_var",
                "vocab_size": classes,
                "hidden_size": width,
                "num_hidden_layers": _count(tensors, r"blocks\.(\d+)\."),
                "num_attention_heads": tensors["blocks.0.attn.scale_mul_1H11"].shape[1],
                "shared_conditioning": "shared_ada_lin.1.weight" in tensors,
            },
        },
        "image_tokenizer": {
            "type": "quantized-autoencoder",
            "network": {
                "type": "convolutional",
                "width": tensors["encoder.conv_out.weight"].shape[0],
                "channels": channels,
                "multipliers": [own // channels for own in sides],
                "blocks": _count(tensors, r"encoder\.down\.0\.block\.(\d+)\."),
                "attention": f"encoder.down.{levels - 1}.attn.0.qkv.weight" in tensors,
            },
            "quantizer": {
                "type": "multi-scale",
                "codes": codes,
                "width": inner,
                "scales": list(scales),
                "convolutions": _count(tensors, r"quantize\.quant_resi\.qresi_ls\.(\d+)\."),
            },
            "bridge": tensors["quant_conv.weight"].shape[-1],
        },
        "painter": {"type": "next-scale", "canvas": {"type": "crop-square", "size": side}},
    }


def _count(tensors: Mapping[str, Tensor], pattern: str) -> int:
    numbers = [int(m[1]) for name in tensors if (m := re.match(pattern, name))]
    if not numbers:
        raise KeyError(pattern.replace("\\", ""))
    return max(numbers) + 1
