"""InternVL (arXiv 2404.16821 and later): tiles and a thumbnail, four features to a token, an MLP behind a LayerNorm."""

from __future__ import annotations

import copy
from typing import Any

from transformers import InternVLConfig, InternVLForConditionalGeneration, PreTrainedConfig, PreTrainedTokenizerBase

from omma.errors import BadInput
from omma.model.interop.architecture import (
    Architecture,
    Fields,
    Published,
    Saved,
    check_borders,
    check_own_side,
    check_side,
    plain,
)
from omma.model.interop.names import Names, anywhere
from omma.model.interop.pixels import check_steps, foreign, normalization, side_of, steps, whole
from omma.model.templates import IMG, TEMPLATES

VIDEO = "<video>"
"""A token that the processor asks for even if no video is ever given, and that no prompt may hold."""
MOST_TILES = 4096
"""More tiles than this can only be meant to keep somebody busy: all grids of that many are looked through."""


class InternVL(Architecture):
    config_class = InternVLConfig
    model_class = InternVLForConditionalGeneration
    vision_types = ("internvl_vision",)
    holds = {"resolution": ("closest-aspect",), "encoder": ("transformers",), "projector": ("pixel-shuffle",)}
    template = "chatml-img"

    def names(self, settings: Any) -> Names:
        return Names(
            *anywhere(
                ("vision_tower.", "vision."),
                ("multi_modal_projector.layer_norm.", "projector.layers.0."),
                ("multi_modal_projector.linear_1.", "projector.layers.1."),
                ("multi_modal_projector.linear_2.", "projector.layers.3."),
            ),
            ("language_model.model.", "text."),
            ("model.language_model.", "text."),
            ("language_model.lm_head.", "head."),
            ("lm_head.", "head."),
        )

    def parts(self, published: Published) -> dict[str, Fields]:
        settings = published.settings
        images, where = published.images
        check_steps(images, where=where)
        side = side_of(images, "size", where)
        check_side(published, side, settings.vision_config)
        least, most = whole(images, "min_patches", 1, where), whole(images, "max_patches", 12, where)
        if most > MOST_TILES:
            raise foreign(where, "max_patches", f"at most {MOST_TILES}", most)
        if least > most:
            raise foreign(where, "min_patches", f"at most max_patches, {most}", least)
        check_borders(published, ("start_image_token", "end_image_token"), IMG)
        layer = settings.vision_feature_layer
        return {
            "resolution": {
                "type": "closest-aspect",
                "size": side,
                "min_tiles": least,
                "max_tiles": most,
            },
            "encoder": {
                "type": "transformers",
                "architecture": plain(settings.vision_config),
                # The last layer is read behind the norm there, all others as they are.
                "tap": "final" if layer == -1 else _layer(layer, published),
                "cls": _drop(settings.vision_feature_select_strategy, published),
                "normalization": normalization(images, where),
            },
            "projector": {
                "type": "pixel-shuffle",
                "factor": _factor(settings.downsample_ratio, published),
                "activation": settings.projector_hidden_act,
            },
        }

    def settings(self, saved: Saved) -> PreTrainedConfig:
        projector, encoder, resolution = (saved.parts[slot] for slot in ("projector", "encoder", "resolution"))
        for field, expected, found in (
            ("projector.norm", True, projector.norm),
            ("resolution.thumbnail", True, resolution.thumbnail),
            ("encoder.cls", "drop", encoder.cls),
        ):
            if found != expected:
                raise saved.misfit(field, expected=f"{expected}, which {self.name} has", found=found)
        if encoder.tap == -1 and not saved.tower.model.config.use_mean_pooling:
            raise saved.misfit("encoder.tap", expected="'final', since the last layer is read behind the norm", found=-1)
        borders = TEMPLATES[saved.config.template].borders
        if borders != IMG:
            raise saved.misfit(
                "template",
                expected=f"one with pictures between {' and '.join(IMG)}, which {self.name} writes, such as {self.template}",
                found=saved.config.template,
            )
        for token in borders:
            saved.token(token)
        check_own_side(saved, saved.tower, self)
        rows, columns = saved.tower.grid((resolution.size, resolution.size))
        return self.config_class(
            vision_config=encoder.architecture,
            text_config=saved.text | {"vocab_size": max(saved.text["vocab_size"], self._video(saved) + 1)},
            image_token_id=saved.config.image_token_id,
            image_seq_length=rows * columns // projector.factor**2,
            downsample_ratio=1 / projector.factor,
            projector_hidden_act=projector.activation,
            vision_feature_layer=-1 if encoder.tap == "final" else encoder.tap,
            vision_feature_select_strategy="default",
            tie_word_embeddings=saved.text["tie_word_embeddings"],
        )

    def processor(self, saved: Saved, settings: Any) -> Fields:
        resolution = saved.parts["resolution"]
        same = steps(*saved.normalization) | {"size": {"height": resolution.size, "width": resolution.size}}
        return {
            "processor_class": "InternVLProcessor",
            "image_processor": same
            | {
                "image_processor_type": "GotOcr2ImageProcessor",
                "crop_to_patches": True,
                "min_patches": resolution.min_tiles,
                "max_patches": resolution.max_tiles,
            },
            "video_processor": same | {"video_processor_type": "InternVLVideoProcessor"},
            "image_seq_length": settings.image_seq_length,
        }

    def tokenizer(self, saved: Saved) -> PreTrainedTokenizerBase:
        found = saved.processor.tokenizer
        if VIDEO in found.get_vocab():
            return found
        found = copy.deepcopy(found)
        found.add_special_tokens({"additional_special_tokens": [VIDEO]}, replace_extra_special_tokens=False)
        return found

    def _video(self, saved: Saved) -> int:
        return int(self.tokenizer(saved).convert_tokens_to_ids(VIDEO))

    def tokens(self, saved: Saved) -> dict[str, str]:
        opening, closing = IMG
        return {
            "start_image_token": opening,
            "end_image_token": closing,
            "context_image_token": saved.processor.image_token,
            "video_token": VIDEO,
        }


def _layer(layer: Any, published: Published) -> int:
    if not isinstance(layer, int):
        raise BadInput(
            f"{published.where}, vision_feature_layer",
            expected="one layer",
            found=str(layer),
            remedy="features of several layers side by side cannot be imported",
        )
    return layer


def _drop(strategy: Any, published: Published) -> str:
    if strategy != "default":
        raise BadInput(
            f"{published.where}, vision_feature_select_strategy",
            expected="'default': with a CLS feature, the others are no square that could be merged",
            found=repr(strategy),
            remedy="correct it",
        )
    return "drop"


def _factor(ratio: Any, published: Published) -> int:
    factor = round(1 / ratio) if isinstance(ratio, (int, float)) and 1e-3 < ratio <= 1 else 0
    if not factor or ratio * factor != 1:
        raise BadInput(
            f"{published.where}, downsample_ratio",
            expected="one divided by a whole number",
            found=str(ratio),
            remedy="copy the checkpoint again",
        )
    return factor
