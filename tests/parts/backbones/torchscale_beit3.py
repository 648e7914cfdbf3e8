"""BEiT-3's own module, if the package torchscale lies about (``pip install --no-deps torchscale==0.3.0``), and its weights in
omma's places.

Its other dependencies are not needed for what is compared, so they are stood in for: neither installs beside a current torch.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
from torch import Tensor, nn

from omma.model import OmmaForConditionalGeneration


def reference(**settings: Any) -> nn.Module:
    """A `torchscale.model.BEiT3.BEiT3` with random weights; skips the test without the package."""
    pytest.importorskip("torchscale", reason="torchscale 0.3.0 is not installed (pip install --no-deps torchscale==0.3.0)")
    for name, members in {
        "fairscale": (),
        "fairscale.nn": ("checkpoint_wrapper", "wrap", "MOELayer"),
        "timm": (),
        "timm.models": (),
        "timm.models.layers": ("drop_path",),
    }.items():
        module = sys.modules.setdefault(name, ModuleType(name))
        for member in members:
            setattr(module, member, lambda layer, *args, **kwargs: layer)
    from torchscale.architecture.config import EncoderConfig
    from torchscale.model.BEiT3 import BEiT3

    return BEiT3(EncoderConfig(multiway=True, no_output_layer=True, **settings)).eval()


PLACES = {
    "self_attn.q_proj": "self_attn.q_proj",
    "self_attn.k_proj": "self_attn.k_proj",
    "self_attn.v_proj": "self_attn.v_proj",
    "self_attn.out_proj": "self_attn.o_proj",
    "self_attn.inner_attn_ln": "self_attn.inner_norm",
    "self_attn_layer_norm": "input_layernorm",
    "final_layer_norm": "post_attention_layernorm",
    "ffn": "mlp",
}
"""Modules of a block there, and here."""


def take_over(model: OmmaForConditionalGeneration, reference: nn.Module) -> None:
    """Give a model all weights of the reference.

    Raises:
        KeyError: if one of either side has no place on the other.
    """
    found = dict(_renamed(reference.state_dict()))
    expected = {name for name, _ in model.named_parameters() if "lm_head" not in name}
    if expected != set(found):
        raise KeyError(sorted(expected ^ set(found)))
    model.load_state_dict(found, strict=False)


def _renamed(tensors: dict[str, Tensor]) -> Any:
    words, pictures = "language_model.model.", "expert."
    whole = {
        "text_embed.weight": f"{words}embed_tokens.weight",
        "encoder.embed_positions.B.weight": f"{words}embed_positions.weight",
        "encoder.embed_positions.A.weight": "projector.positions.weight",
        "vision_embed.proj.bias": "projector.linear.bias",
    }
    for name, tensor in tensors.items():
        if name in whole:
            yield whole[name], tensor
        elif name in ("vision_embed.cls_token", "vision_embed.mask_token"):
            yield f"projector.{'first' if 'cls' in name else 'mask'}", tensor.flatten()
        elif name == "vision_embed.proj.weight":  # [H, colours, rows, columns] of a patch
            yield "projector.linear.weight", tensor.permute(0, 2, 3, 1).flatten(1)
        elif name.startswith("encoder.layer_norm."):
            modality, last = name.removeprefix("encoder.layer_norm.").split(".")
            yield (f"{words}norm.{last}" if modality == "B" else f"{pictures}norm.{last}"), tensor
        else:
            number, path = name.removeprefix("encoder.layers.").split(".", 1)
            module, modality, rest = next(
                (here, *path.removeprefix(f"{there}.").split(".", 1))
                for there, here in PLACES.items()
                if path.startswith(f"{there}.")
            )
            rest = rest.replace("ffn_layernorm", "inner_norm")
            if modality == "B":
                yield f"{words}layers.{number}.{module}.{rest}", tensor
            else:
                own = module if module == "mlp" else module.removeprefix("self_attn.")
                yield f"{pictures}blocks.{number}.{own}.{rest}", tensor
