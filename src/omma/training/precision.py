"""In what precision a stage computes: bfloat16 where the hardware multiplies it, float32 elsewhere.

A processor without such instructions computes bfloat16 too, and takes up to a hundred times as long as for float32
(docs/log.md): which precision is the faster one is nothing that a recipe can know.
"""

from __future__ import annotations

import torch

from omma.recipe import Precision


def multiplies_bf16(device: torch.device) -> bool:
    """Whether this device has instructions for products of bfloat16 matrices."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    able = torch.cpu.get_capabilities()
    return any(able.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def compute_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """What a stage of that precision computes in on that device."""
    bf16 = multiplies_bf16(device) if precision == "auto" else precision == "bf16"
    return torch.bfloat16 if bf16 else torch.float32


def storage_dtype(precision: Precision) -> torch.dtype:
    """What the model of a run is stored in, whose last stage has that precision; the same on every machine."""
    return torch.float32 if precision == "fp32" else torch.bfloat16
