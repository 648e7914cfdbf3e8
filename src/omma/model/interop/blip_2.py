"""BLIP-2 (arXiv 2301.12597): a ViT behind its final norm, the Q-Former, and a decoder-only language model."""

from __future__ import annotations

import copy
from typing import Any

from tokenizers.processors import Sequence, TemplateProcessing
from transformers import Blip2Config, Blip2ForConditionalGeneration, PreTrainedConfig, PreTrainedTokenizerBase

from omma.errors import BadInput
from omma.model.interop import squares
from omma.model.interop.architecture import (
    TEXT_TYPES,
    Architecture,
    Fields,
    Published,
    Saved,
    check_own_side,
    check_side,
    plain,
)
from omma.model.interop.names import Names
from omma.model.interop.pixels import foreign
from omma.model.templates import TEMPLATES

PICTURE = "<image>"
"""The placeholder: the processor knows it under no other name."""


class Blip2(Architecture):
    config_class = Blip2Config
    model_class = Blip2ForConditionalGeneration
    vision_types = ("blip_2_vision_model",)
    text_types = ("opt", *TEXT_TYPES)
    holds = {"resolution": ("stretch-square",), "encoder": ("transformers",), "projector": ("q-former",)}
    template = "blip-2"
    chats = False

    def layers(self, settings: Any) -> int:
        return super().layers(settings) + int(settings.qformer_config.num_hidden_layers)

    def tied(self, settings: Any) -> bool:
        return bool(settings.text_config.tie_word_embeddings)

    def names(self, settings: Any) -> Names:
        return Names(
            ("vision_model.", "vision."),
            ("query_tokens", "projector.queries"),
            ("qformer.", "projector.model."),
            ("language_projection.", "projector.linear."),
            ("language_model.model.", "text."),
            ("language_model.lm_head.", "head."),
        )

    def parts(self, published: Published) -> dict[str, Fields]:
        settings = published.settings
        images, where = published.images
        resolution, normalization = squares.from_transformers(images, where=where)
        if resolution["type"] != "stretch-square":
            raise foreign(where, "size", "a square that pictures are stretched to", images.get("size"))
        check_side(published, resolution["size"], settings.vision_config)
        token = published.tokenizer.convert_ids_to_tokens(settings.image_token_id)
        if token != PICTURE:
            raise BadInput(
                f"{published.where}, image_token_index",
                expected=f"the id of the token {PICTURE}, which the processor writes",
                found=f"that of {token}",
                remedy="use the tokenizer that belongs to the model",
            )
        return {
            "resolution": resolution,
            "encoder": {
                "type": "transformers",
                "architecture": plain(settings.vision_config),
                "tap": "final",
                "cls": "keep",
                "normalization": normalization,
            },
            "projector": {
                "type": "q-former",
                "queries": settings.num_query_tokens,
                "architecture": plain(settings.qformer_config),
            },
        }

    def settings(self, saved: Saved) -> PreTrainedConfig:
        encoder, projector = saved.parts["encoder"], saved.parts["projector"]
        for field, expected, found in (
            ("encoder.tap", "final", encoder.tap),
            ("encoder.cls", "keep", encoder.cls),
        ):
            if found != expected:
                raise saved.misfit(field, expected=f"{expected}, which {self.name} has", found=found)
        if not TEMPLATES[saved.config.template].picture_before_bos:
            raise saved.misfit(
                "template",
                expected="one that puts pictures before the begin-of-sequence token, such as blip-2",
                found=saved.config.template,
            )
        if saved.processor.image_token != PICTURE:
            raise saved.misfit(
                "image_token_id", expected=f"that of the token {PICTURE}", found=f"that of {saved.processor.image_token}"
            )
        check_own_side(saved, saved.tower, self)
        return Blip2Config(
            vision_config=encoder.architecture,
            qformer_config=projector.architecture,
            text_config=saved.text,
            num_query_tokens=projector.queries,
            image_token_index=saved.config.image_token_id,
        )

    def tokenizer(self, saved: Saved) -> PreTrainedTokenizerBase:
        found = saved.processor.tokenizer
        if found.bos_token_id is None or found("a")["input_ids"][0] == found.bos_token_id:
            return found
        # omma writes the begin-of-sequence token behind pictures itself; the processor of transformers leaves it to this.
        found = copy.deepcopy(found)
        begun = TemplateProcessing(single=f"{found.bos_token} $A", special_tokens=[(found.bos_token, found.bos_token_id)])
        before = found.backend_tokenizer.post_processor
        found.backend_tokenizer.post_processor = begun if before is None else Sequence([before, begun])
        return found

    def processor(self, saved: Saved, settings: Any) -> Fields:
        side = saved.parts["resolution"].size
        return {
            "processor_class": "Blip2Processor",
            "image_processor": squares.to_transformers("stretch-square", side, *saved.normalization)
            | {"image_processor_type": "BlipImageProcessor"},
            "num_query_tokens": settings.num_query_tokens,
        }
