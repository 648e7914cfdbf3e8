"""LLaVA (arXiv 2304.08485, 2310.03744) and LLaVA-NeXT (2024): a tower's hidden state and an MLP of depth 2."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor
from transformers import (
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    PreTrainedConfig,
)

from omma.errors import BadInput
from omma.model.interop import squares
from omma.model.interop.architecture import (
    Architecture,
    Fields,
    Published,
    Saved,
    check_own_side,
    check_side,
    plain,
)
from omma.model.interop.names import OMMA, Names, anywhere, tower
from omma.model.interop.pixels import check_steps, foreign, normalization, side_of, square, steps

_NOTHING = "linear"
"""The activation of `transformers` that changes nothing."""


class Llava(Architecture):
    config_class = LlavaConfig
    model_class = LlavaForConditionalGeneration
    vision_types: ClassVar[tuple[str, ...]] = ("clip_vision_model", "siglip_vision_model", "focalnet", "dpt")
    holds = {"resolution": tuple(squares.STRATEGIES), "encoder": ("transformers",), "projector": ("mlp", "linear")}
    readers = frozenset({"projector.layers.0.weight"})

    def names(self, settings: Any) -> Names:
        nested = getattr(settings.vision_config, "model_type", None) not in ("focalnet", "dpt")
        return Names(
            *anywhere(
                *tower("vision_tower.", nested=nested),
                ("multi_modal_projector.linear_1.", "projector.layers.0."),
                ("multi_modal_projector.linear_2.", "projector.layers.2."),
            ),
            ("language_model.model.", "text."),
            ("model.language_model.", "text."),
            ("language_model.lm_head.", "head."),
            ("lm_head.", "head."),
        )

    def parts(self, published: Published) -> dict[str, Fields]:
        settings = published.settings
        resolution, normal = self._resolution(published)
        check_side(published, resolution["size"], settings.vision_config)
        return {
            "resolution": resolution,
            "encoder": {
                "type": "transformers",
                "architecture": plain(settings.vision_config),
                "tap": _tap(published),
                "cls": self._cls(published),
                "normalization": normal,
            },
            "projector": {
                "type": "mlp",
                "activation": settings.projector_hidden_act,
                "bias": settings.multimodal_projector_bias,
            },
        }

    def _resolution(self, published: Published) -> tuple[Fields, str]:
        images, where = published.images
        return squares.from_transformers(images, where=where)

    def _cls(self, published: Published) -> str:
        drops = published.settings.vision_feature_select_strategy == "default"
        if published.settings.vision_config.model_type in ("clip_vision_model", "dpt"):
            return "drop" if drops else "keep"
        if drops:
            raise BadInput(
                f"{published.where}, vision_feature_select_strategy",
                expected="'full', since this tower has no CLS feature to drop",
                found="'default'",
                remedy="correct it if the model was trained with all features",
            )
        return "none"

    def settings(self, saved: Saved) -> PreTrainedConfig:
        projector, encoder, resolution = (saved.parts[slot] for slot in ("projector", "encoder", "resolution"))
        linear = projector.type == "linear"
        if not linear and (projector.depth, projector.first_width) != (2, None):
            found = f"one of depth {projector.depth}"
            if projector.first_width is not None:
                found += f" and first width {projector.first_width}"
            raise saved.misfit("projector", expected=f"an MLP of depth 2 and one width, which {self.name} has", found=found)
        if encoder.tap == "final":
            raise saved.misfit(
                "encoder.tap", expected=f"the number of a hidden state, which {self.name} reads", found="'final'"
            )
        if (resample := getattr(resolution, "resample", "bicubic")) != "bicubic":
            raise saved.misfit("resolution.resample", expected=f"'bicubic', which {self.name} has", found=repr(resample))
        check_own_side(saved, saved.tower, self)
        rows, columns = saved.tower.grid((resolution.size, resolution.size))
        return self.config_class(
            # The projector reads its width from there, whatever a hierarchical tower calls its last stage's.
            vision_config={**encoder.architecture, "hidden_size": saved.tower.width},
            text_config=saved.text,
            image_token_index=saved.config.image_token_id,
            image_seq_length=rows * columns,
            projector_hidden_act=_NOTHING if linear else projector.activation,
            multimodal_projector_bias=projector.bias,
            vision_feature_layer=encoder.tap,
            vision_feature_select_strategy="default" if encoder.cls == "drop" else "full",
            tie_word_embeddings=saved.text["tie_word_embeddings"],
        )

    def ours(self, saved: Saved) -> Names:
        return Names(("projector.linear.", "projector.layers.0."), *OMMA.pairs)

    def added(self, saved: Saved, settings: Any) -> dict[str, Tensor]:
        if saved.parts["projector"].type != "linear":
            return {}
        # LLaVA 1.0 has one layer: the second one, behind no activation, hands on what it gets.
        width = settings.text_config.hidden_size
        weights = {"projector.layers.2.weight": torch.eye(width)}
        return weights | ({"projector.layers.2.bias": torch.zeros(width)} if settings.multimodal_projector_bias else {})

    def _images(self, saved: Saved) -> Fields:
        resolution = saved.parts["resolution"]
        return squares.to_transformers(resolution.type, resolution.size, *saved.normalization)

    def processor(self, saved: Saved, settings: Any) -> Fields:
        return {
            "processor_class": self.name.replace("ForConditionalGeneration", "Processor"),
            "image_processor": self._images(saved),
            "image_token": saved.processor.image_token,
            # What the processor counts placeholders with: pixels between two features.
            "patch_size": saved.parts["resolution"].size // math.isqrt(settings.image_seq_length),
            "vision_feature_select_strategy": settings.vision_feature_select_strategy,
            "num_additional_image_tokens": int(saved.parts["encoder"].cls != "none"),
        }


class LlavaNext(Llava):
    config_class = LlavaNextConfig
    model_class = LlavaNextForConditionalGeneration
    vision_types = ("clip_vision_model", "siglip_vision_model")
    holds = {"resolution": ("anyres",), "encoder": ("transformers",), "projector": ("mlp",)}
    vectors = frozenset({"projector.marks"})

    def names(self, settings: Any) -> Names:
        marks = anywhere(("image_newline", "projector.marks"))
        return Names(*super().names(settings).pairs, *marks)

    def _resolution(self, published: Published) -> tuple[Fields, str]:
        images, where = published.images
        check_steps(images, where=where, do_pad=True)
        size = images.get("size")
        side = square(size) or (size.get("shortest_edge") if isinstance(size, dict) else None)
        if not isinstance(side, int) or side < 1:
            raise foreign(where, "size", "a square, or a shortest_edge", size)
        if images.get("do_center_crop", True) and side_of(images, "crop_size", where) != side:
            raise foreign(where, "crop_size", f"that of the tiles, {side}", images.get("crop_size"))
        canvases = _canvases(published.settings.image_grid_pinpoints, published.where)
        found = images.get("image_grid_pinpoints")
        if found is not None and _canvases(found, where) != canvases:
            raise foreign(where, "image_grid_pinpoints", "the same as in config.json", found)
        return {"type": "anyres", "size": side, "canvases": canvases}, normalization(images, where)

    def _cls(self, published: Published) -> str:
        cls = super()._cls(published)
        if cls == "keep":
            raise BadInput(
                f"{published.where}, vision_feature_select_strategy",
                expected="'default', since maps of tiles have no place for CLS features",
                found="'full'",
                remedy="correct it: the model of transformers cannot run either",
            )
        return cls

    def settings(self, saved: Saved) -> PreTrainedConfig:
        if saved.parts["encoder"].cls == "keep":
            raise saved.misfit("encoder.cls", expected=f"drop or none for {self.name}", found="keep")
        settings = super().settings(saved)
        settings.image_grid_pinpoints = [[height, width] for width, height in saved.parts["resolution"].canvases]
        return settings

    def _images(self, saved: Saved) -> Fields:
        side = saved.parts["resolution"].size
        return steps(*saved.normalization) | {
            "image_processor_type": "LlavaNextImageProcessor",
            "size": {"shortest_edge": side},
            "do_center_crop": True,
            "crop_size": {"height": side, "width": side},
            "do_pad": True,
            "image_grid_pinpoints": [[height, width] for width, height in saved.parts["resolution"].canvases],
        }


def _tap(published: Published) -> int:
    layers = published.settings.vision_feature_layer
    if isinstance(layers, (list, tuple)) and len(layers) == 1:
        layers = layers[0]
    if not isinstance(layers, int):
        raise BadInput(
            f"{published.where}, vision_feature_layer",
            expected="one layer",
            found=str(layers),
            remedy="features of several layers side by side cannot be imported",
        )
    return layers


def _canvases(found: Any, where: str) -> list[tuple[int, int]]:
    """(width, height) of canvases that are given as heights and widths. Raises BadInput for anything else."""
    pairs = isinstance(found, list) and all(
        isinstance(pair, (list, tuple)) and len(pair) == 2 and all(isinstance(side, int) for side in pair)
        for pair in found
    )
    if not pairs or not found:
        raise foreign(where, "image_grid_pinpoints", "pairs of a height and a width", found)
    return [(width, height) for height, width in found]
