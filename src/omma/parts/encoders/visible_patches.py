"""Flat vision transformers that read only some patches of a picture (MAE, arXiv 2111.06377, section 3).

Where positions are added to the patches at the entrance, leaving patches out right behind it leaves them out everywhere,
whatever the blocks look like, and saves their computation.

Shapes: N views, T patches, K of them visible, L leading tokens (CLS, registers), C channels.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from omma.errors import BadInput
from omma.parts.encoders.transformers_vision import TransformersEncoder
from omma.parts.resolution.base import Size

TABLES = ("position_embedding.weight", "position_embeddings")
"""What `transformers` calls learned positions at the entrance."""


def _entrance(encoder: TransformersEncoder) -> nn.Module | None:
    """The module that makes tokens with positions of pixels, if there is one."""
    modules = encoder.model.named_modules()
    return next((module for path, module in modules if path.rpartition(".")[2] == "embeddings"), None)


def check_visible_patches(encoder: TransformersEncoder, size: Size) -> None:
    """See that an encoder can read some patches of a view of that size (width, height) alone.

    Raises:
        BadInput: if patches are told apart elsewhere than at the entrance, or there are none.
    """
    entrance = _entrance(encoder)
    relative = any("relative_position" in name for name, _ in encoder.model.named_parameters())
    if entrance is not None and not encoder.hierarchical and not relative:
        names = [name for name, _ in entrance.named_parameters()]
        if any(name.endswith(TABLES) for name in names) and _makes_tokens(entrance, encoder, size):
            return
    raise BadInput(
        "model.encoder",
        expected="a flat vision transformer that adds positions to its patches before its first block, so that patches can"
        " be left out",
        found=encoder.model.config.model_type,
        remedy="use one such as vit, clip_vision_model, siglip_vision_model or dinov2",
    )


def _makes_tokens(entrance: nn.Module, encoder: TransformersEncoder, size: Size) -> bool:
    """Whether nothing but tokens of all patches comes out, by a run without numbers."""
    shadow = copy.deepcopy(entrance).to("meta")
    found = shadow(torch.empty(1, 3, size[1], size[0], device="meta"), **encoder.any_size)
    rows, columns = encoder.patches(size)
    return isinstance(found, Tensor) and found.dim() == 3 and found.shape[1] >= rows * columns


def read_visible(encoder: TransformersEncoder, pixels_NCHW: Tensor, visible_NK: Tensor) -> Tensor:
    """The final output after the norm [N, L + K, C] of an encoder that sees only these patches.

    Args:
        visible_NK: numbers of patches, row by row from 0; features come out in this order.
    """
    entrance = _entrance(encoder)
    assert entrance is not None
    rows, columns = encoder.patches((pixels_NCHW.shape[3], pixels_NCHW.shape[2]))

    def leave_out(module: nn.Module, inputs: Any, tokens: Tensor) -> Tensor:
        leading, patches = tokens[:, : -rows * columns], tokens[:, -rows * columns :]
        chosen = patches.gather(1, visible_NK[..., None].expand(-1, -1, patches.shape[2]))
        return torch.cat([leading, chosen], dim=1)

    handle = entrance.register_forward_hook(leave_out)
    try:
        return encoder.hidden_states(pixels_NCHW)[-1]
    finally:
        handle.remove()
