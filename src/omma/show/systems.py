"""For every resolution strategy a published system that uses it, with the parts and sizes that it was published with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from omma.recipe import ModelRecipe
from omma.show.sam_tower import SamTower

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class System:
    """A published system.

    Attributes:
        fields: of its `ModelRecipe`.
    """

    name: str
    about: str
    published: str
    fields: Fields

    def model(self) -> ModelRecipe:
        return ModelRecipe(**self.fields)


def _encoder(layout: str, sizes: tuple[int, int, int, int], image: int, patch: int, **fields: Any) -> Fields:
    """A vision transformer; sizes are width, blocks, heads, and inner width of the MLP."""
    width, blocks, heads, inner = sizes
    architecture: Fields = {
        "model_type": layout, "image_size": image, "patch_size": patch, "hidden_size": width, "num_hidden_layers": blocks,
        "num_attention_heads": heads, "intermediate_size": inner,
    }  # fmt: skip
    if layout == "siglip_vision_model":
        architecture |= {"vision_use_head": False}
        fields = {"cls": "none"} | fields
    return {"type": "transformers", "architecture": architecture} | fields


def _clip(image: int, **fields: Any) -> Fields:
    """CLIP ViT-L/14."""
    return _encoder("clip_vision_model", (1024, 24, 16, 4096), image, 14, **fields)


def _backbone(
    sizes: tuple[int, int, int, int], vocabulary: int, layout: str = "llama", groups: int | None = None
) -> Fields:
    """A language model; sizes are width, layers, heads, and inner width of the MLP."""
    width, layers, heads, inner = sizes
    architecture = {
        "model_type": layout, "vocab_size": vocabulary, "hidden_size": width, "num_hidden_layers": layers,
        "num_attention_heads": heads, "num_key_value_heads": groups or heads, "intermediate_size": inner,
    }  # fmt: skip
    return {"type": "transformers", "architecture": architecture}


_VICUNA_7B = _backbone((4096, 32, 32, 11008), 32000)
_VICUNA_13B = _backbone((5120, 40, 40, 13824), 32000)
_QWEN_7B = _backbone((4096, 32, 32, 11008), 151936, "qwen2")
_INTERNLM2_7B = _backbone((4096, 32, 32, 14336), 92544, groups=8)
_INTERNLM2_20B = _backbone((6144, 48, 48, 16384), 92553, groups=8)
_PERSIMMON_8B = _backbone((4096, 36, 64, 16384), 262144, "persimmon")

# Towers that transformers does not have are laid out as one that it has, whose matrices are the same.
_BIG_G = ("siglip_vision_model", (1664, 48, 16, 8192), 448, 14)
_INTERN_VIT = ("clip_vision_model", (3200, 45, 25, 12800), 448, 14)
_MLP = {"type": "mlp"}
_CANVASES = ((336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008))

SYSTEMS = (
    System(
        "LLaVA 1.0",
        "The centre of the picture, the rest is lost.",
        "arXiv 2304.08485",
        {
            "resolution": {"type": "crop-square", "size": 224},
            "encoder": _clip(224),
            "projector": {"type": "linear"},
            "backbone": _VICUNA_7B,
        },
    ),
    System(
        "LLaVA-1.5",
        "The whole picture on a square.",
        "arXiv 2310.03744",
        {
            "resolution": {"type": "pad-square", "size": 336},
            "encoder": _clip(336),
            "projector": _MLP,
            "backbone": _VICUNA_7B,
        },
    ),
    System(
        "DeepSeek-VL 1.3B",
        "The whole picture in its own shape, its long side as long as the square, padded.",
        "arXiv 2403.05525",
        {
            "resolution": {"type": "fit-square", "size": 384},
            "encoder": _encoder(
                "siglip_vision_model", (1024, 24, 16, 4096), 384, 16, tap="output", normalization="half"
            ),
            "projector": _MLP,
            "backbone": _backbone((2048, 24, 16, 5632), 102400),
        },
    ),
    System(
        "Qwen-VL",
        "The whole picture stretched to a square, and a resampler behind the encoder.",
        "arXiv 2308.12966",
        {
            "resolution": {"type": "stretch-square", "size": 448},
            "encoder": _encoder(*_BIG_G, tap=-1),
            "projector": {"type": "resampler", "queries": 256},
            "backbone": _QWEN_7B,
        },
    ),
    System(
        "LLaVA-NeXT",
        "The whole picture, then tiles of the canvas that fits best; rows of padding are left out.",
        "LLaVA-NeXT (2024)",
        {
            "resolution": {"type": "anyres", "canvases": _CANVASES, "size": 336},
            "encoder": _clip(336),
            "projector": _MLP,
            "backbone": _VICUNA_7B,
        },
    ),
    System(
        "InternVL 1.5",
        "Tiles of the grid whose shape is nearest, then a thumbnail; four features become one token.",
        "arXiv 2404.16821",
        {
            "resolution": {"type": "closest-aspect", "size": 448, "max_tiles": 12},
            "encoder": _encoder(*_INTERN_VIT, tap=-1, normalization="imagenet"),
            "projector": {"type": "pixel-shuffle", "factor": 2},
            "backbone": _INTERNLM2_20B,
        },
    ),
    System(
        "Monkey",
        "Four windows of one fixed canvas, each with a LoRA of its own, then the whole picture.",
        "arXiv 2311.06607",
        {
            "resolution": {"type": "windows", "canvas": (896, 896), "size": 448},
            "encoder": _encoder(*_BIG_G, tap=-1, expert={"type": "window-lora", "grid": (2, 2)}),
            "projector": {"type": "resampler", "queries": 256},
            "backbone": _QWEN_7B,
        },
    ),
    System(
        "UReader",
        "The whole picture, then cells of the grid that overlaps it most; a mark ends every view.",
        "arXiv 2310.05126",
        {
            "resolution": {"type": "iou-grid", "size": 224, "max_cells": 20},
            "encoder": _clip(224, tap=-1, cls="keep"),
            "projector": {"type": "visual-abstractor", "queries": 64},
            "backbone": _VICUNA_7B,
        },
    ),
    System(
        "LLaVA-UHD",
        "Slices in nearly the picture's own shape, told apart by commas and newlines, then the whole.",
        "arXiv 2403.11703",
        {
            "resolution": {"type": "slices", "size": 336, "patch": 14, "most": 6},
            "encoder": _clip(336),
            "projector": {"type": "resampler", "queries": 64},
            "backbone": _VICUNA_13B,
        },
    ),
    System(
        "XComposer2-4KHD",
        "The whole picture, then as many tiles as the cap allows; every row of tokens ends with a mark.",
        "arXiv 2404.06512, HD-25",
        {
            "resolution": {"type": "padded-grid", "size": 336, "max_tiles": 25},
            "encoder": _clip(336, tap=-1),
            "projector": {"type": "pixel-shuffle", "factor": 2, "norm": False, "marks_at": "merged"},
            "backbone": _INTERNLM2_7B,
            "expert": {"type": "partial-lora"},
        },
    ),
    System(
        "Vary",
        "The whole picture twice, small for one encoder and large for another, joined by channel.",
        "arXiv 2312.06109",
        {
            "resolution": {"type": "two-branches", "sizes": (224, 1024)},
            "encoder": {"type": "side-by-side", "encoders": [_clip(224), SamTower.Config()]},
            "projector": {"type": "branch-linear", "widths": (1024, 1024)},
            "backbone": _QWEN_7B,
        },
    ),
    System(
        "Fuyu-8B",
        "The picture as it is, in patches without an encoder; every row ends with a mark.",
        "Fuyu-8B (2023)",
        {
            "resolution": {"type": "native", "most": (1920, 1080), "patch": 30},
            "encoder": {"type": "patches", "patch": 30},
            "projector": {"type": "linear"},
            "backbone": _PERSIMMON_8B,
        },
    ),
    System(
        "LLaVA-1.5 in own shape",
        "LLaVA-1.5's parts with interpolated positions and the whole picture in its own shape; not published so.",
        "",
        {
            "resolution": {"type": "keep-ratio", "size": 336, "patch": 14},
            "encoder": _clip(336),
            "projector": _MLP,
            "backbone": _VICUNA_7B,
        },
    ),
)
"""One for every strategy."""
