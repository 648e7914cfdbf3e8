"""DeepSeek-VL (arXiv 2403.05525): SigLIP behind its final norm and an MLP; the picture in its own shape on a square."""

from __future__ import annotations

from typing import Any

from transformers import DeepseekVLConfig, DeepseekVLForConditionalGeneration, PreTrainedConfig

from omma.model.interop.architecture import (
    Architecture,
    Fields,
    Published,
    Saved,
    check_own_side,
    check_side,
    plain,
)
from omma.model.interop.names import Names, tower
from omma.model.interop.pixels import check_steps, normalization, side_of, steps
from omma.parts.resolution.square import THINNEST


class DeepseekVL(Architecture):
    config_class = DeepseekVLConfig
    model_class = DeepseekVLForConditionalGeneration
    vision_types = ("siglip_vision_model",)
    holds = {"resolution": ("fit-square",), "encoder": ("transformers",), "projector": ("mlp",)}
    readers = frozenset({"projector.layers.0.weight"})
    template = "deepseek-vl"

    def names(self, settings: Any) -> Names:
        return Names(
            *tower("model.vision_model.", nested=True),
            ("model.aligner.linear1.", "projector.layers.0."),
            ("model.aligner.linear2.", "projector.layers.2."),
            ("model.language_model.", "text."),
            ("lm_head.", "head."),
        )

    def parts(self, published: Published) -> dict[str, Fields]:
        vision = published.settings.vision_config
        images, where = published.images
        check_steps(images, where=where, do_pad=True, min_size=THINNEST)
        side = side_of(images, "size", where)
        check_side(published, side, vision)
        return {
            "resolution": {"type": "fit-square", "size": side},
            "encoder": siglip(vision, normalization(images, where)),
            "projector": {"type": "mlp"},
        }

    def settings(self, saved: Saved) -> PreTrainedConfig:
        projector, encoder = saved.parts["projector"], saved.parts["encoder"]
        for field, expected, found in (
            ("projector.depth", 2, projector.depth),
            ("projector.first_width", None, projector.first_width),
            ("projector.activation", "gelu", projector.activation),
            ("projector.bias", True, projector.bias),
        ):
            if found != expected:
                raise saved.misfit(field, expected=f"{expected}, which {self.name} has", found=found)
        check_output(saved, encoder, "encoder", self)
        check_own_side(saved, saved.tower, self)
        return self.config_class(
            vision_config=encoder.architecture,
            text_config=saved.text,
            image_token_id=saved.config.image_token_id,
            tie_word_embeddings=saved.text["tie_word_embeddings"],
        )

    def processor(self, saved: Saved, settings: Any) -> Fields:
        side = saved.parts["resolution"].size
        rows, columns = saved.tower.grid((side, side))
        return {
            "processor_class": "DeepseekVLProcessor",
            "image_processor": steps(*saved.normalization)
            | {
                "image_processor_type": "DeepseekVLImageProcessor",
                "size": {"height": side, "width": side},
                "do_pad": True,
                "min_size": THINNEST,
            },
            "num_image_tokens": rows * columns,
        }

    def tokens(self, saved: Saved) -> dict[str, str]:
        return {"image_token": saved.processor.image_token}


def siglip(vision: Any, normal: str) -> Fields:
    """A SigLIP tower that is read behind its final norm."""
    return {
        "type": "transformers",
        "architecture": plain(vision),
        "tap": "final",
        "cls": "none",
        "normalization": normal,
    }


def check_output(saved: Saved, encoder: Any, field: str, kind: Architecture) -> None:
    """See that a tower is read behind its final norm. Raises BadInput if not."""
    if encoder.tap != "final":
        raise saved.misfit(
            f"{field}.tap", expected=f"'final', since {kind.name} reads the tower behind its norm", found=encoder.tap
        )
