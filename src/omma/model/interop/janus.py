"""Janus and Janus-Pro (arXiv 2410.13848, 2501.17811): SigLIP and an MLP to read, LlamaGen's codes to draw, one language model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from transformers import JanusConfig, JanusForConditionalGeneration, PreTrainedConfig

from omma.model.interop.architecture import (
    Architecture,
    Fields,
    Published,
    Saved,
    check_borders,
    check_own_side,
    check_side,
)
from omma.model.interop.deepseek_vl import check_output, siglip
from omma.model.interop.image_tokenizers import LAYOUTS
from omma.model.interop.names import Names
from omma.model.interop.pixels import check_steps, normalization, side_of, steps
from omma.model.interop.vqgan import Pair
from omma.model.interop.weights import read_json
from omma.model.templates import DEEPSEEK_VL_SYSTEM, TEMPLATES
from omma.parts.resolution.square import THINNEST
from omma.parts.tokenizers import IMAGE_TOKENIZERS

TOKENIZER = LAYOUTS["janus_vqgan"]
BORDERS = TEMPLATES["janus"].borders


class Janus(Architecture):
    config_class = JanusConfig
    model_class = JanusForConditionalGeneration
    vision_types = ("janus_vision_model",)
    holds = {
        "resolution": ("fit-square",),
        "encoder": ("transformers",),
        "projector": ("mlp",),
        "image_tokenizer": ("quantized-autoencoder",),
        "painter": ("raster",),
    }
    readers = frozenset({"projector.layers.0.weight"})
    template = "janus"
    draws = True

    def names(self, settings: Any) -> Names:
        part = TOKENIZER.described(settings.vq_config.to_dict(), "vq_config")
        config = IMAGE_TOKENIZERS.parse(part, where="vq_config")
        return Names(
            ("model.vision_model.", "vision."),
            *layers("model.aligner.", "projector.layers.", settings.vision_config.depth),
            ("model.language_model.", "text."),
            ("lm_head.", "head."),
            *((f"model.vqmodel.{there}", f"image_tokenizer.{here}") for there, here in TOKENIZER.pairs(config)),
            ("model.generation_embeddings.", "painter.head.table."),
            *layers("model.generation_aligner.", "painter.head.read.", settings.vq_config.num_hidden_layers),
            ("model.generation_head.proj_out.", "painter.head.tell.0."),
            ("model.generation_head.vision_head.", "painter.head.tell.2."),
        )

    def shape_there(self, common: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        return TOKENIZER.as_there({common: shape})[common] if common.startswith("image_tokenizer.") else shape

    def shape_here(self, common: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        return TOKENIZER.as_here({common: shape})[common] if common.startswith("image_tokenizer.") else shape

    def layers(self, settings: Any) -> int:
        vq = settings.vq_config
        drawing = int(vq.num_hidden_layers) + int(vq.num_res_blocks) * len(vq.channel_multiplier)
        return super().layers(settings) + int(settings.vision_config.depth) + drawing

    def parts(self, published: Published) -> dict[str, Fields]:
        settings = published.settings
        vision, vq, width = settings.vision_config, settings.vq_config, settings.text_config.hidden_size
        images, where = published.images
        check_steps(images, where=where, do_pad=True, min_size=THINNEST)
        side = side_of(images, "size", where)
        check_side(published, side, vision)
        check_borders(published, ("boi_token", "eoi_token"), BORDERS)
        part = TOKENIZER.described(vq.to_dict(), f"{published.where}, vq_config")
        TOKENIZER.only(
            published.where,
            ("vision_config.projection_dim", width, vision.projection_dim),
            ("vq_config.projection_dim", width, vq.projection_dim),
            ("vq_config.image_token_embed_dim", width, vq.image_token_embed_dim),
            ("vision_config.num_image_tokens", vq.num_patches**2, vision.num_image_tokens),
        )
        return {
            "resolution": {"type": "fit-square", "size": side},
            "encoder": siglip(vision, normalization(images, where)),
            "projector": {"type": "mlp", "depth": vision.depth, "activation": vision.hidden_act},
            "image_tokenizer": part,
            "painter": {
                "type": "raster",
                "canvas": {"type": "crop-square", "size": vq.num_patches << (len(vq.channel_multiplier) - 1)},
                "head": {"type": "mlp", "width": vq.embed_dim, "depth": vq.num_hidden_layers, "activation": vq.hidden_act},
                "places": False,
            },
        }

    def system(self, published: Published, found: str | None) -> str | None:
        # There, the processor writes it, and not where something is to be drawn.
        path = published.directory / "processor_config.json"
        writes = path.is_file() and read_json(path).get("use_default_system_prompt") is True
        return DEEPSEEK_VL_SYSTEM if writes else found

    def settings(self, saved: Saved) -> PreTrainedConfig:
        projector, encoder, tokenizer, painter = (
            saved.parts[slot] for slot in ("projector", "encoder", "image_tokenizer", "painter")
        )
        network, book, head = tokenizer.network, tokenizer.quantizer, painter.head
        tower = saved.tower.model.config
        check_output(saved, encoder, "encoder", self)
        check_own_side(saved, saved.tower, self)
        for field, expected, found in (
            ("projector.first_width", None, projector.first_width),
            ("projector.activation", tower.hidden_act, projector.activation),
            ("projector.bias", True, projector.bias),
            ("image_tokenizer.network.type", "convolutional", network.type),
            ("image_tokenizer.network.attention", True, getattr(network, "attention", None)),
            ("image_tokenizer.network.groups", 32, getattr(network, "groups", None)),
            ("image_tokenizer.quantizer.type", "vq", book.type),
            ("image_tokenizer.quantizer.unit", True, getattr(book, "unit", None)),
            ("image_tokenizer.quantizer.decay", None, getattr(book, "decay", 0)),
            ("image_tokenizer.bridge", 1, tokenizer.bridge),
            ("painter.head.type", "mlp", head.type),
            ("painter.head.width", getattr(book, "width", None), getattr(head, "width", None)),
            ("painter.places", False, painter.places),
            ("template", self.template, saved.config.template),
        ):
            if found != expected:
                raise saved.misfit(field, expected=f"{expected!r}, which {self.name} has", found=repr(found))
        for token in BORDERS:
            saved.token(token)
        side = saved.parts["resolution"].size
        rows, columns = saved.tower.grid((side, side))
        own, width = rows << (len(network.multipliers) - 1), saved.text["hidden_size"]
        if painter.canvas.size != own:
            raise saved.misfit(
                "painter.canvas.size",
                expected=f"{own}, since {self.name} draws as many codes as it reads features, {rows} x {columns}",
                found=painter.canvas.size,
            )
        tied = saved.text["tie_word_embeddings"]
        vision = encoder.architecture | {
            "projection_dim": width,
            "depth": projector.depth,
            "num_image_tokens": rows * columns,
        }
        return self.config_class(
            vision_config=vision,
            text_config=saved.text,
            vq_config={
                "embed_dim": book.width,
                "num_embeddings": book.codes,
                "latent_channels": network.width,
                "base_channels": network.channels,
                "channel_multiplier": list(network.multipliers),
                "num_res_blocks": network.blocks,
                "num_patches": rows,
                "projection_dim": width,
                "num_hidden_layers": head.depth,
                "hidden_act": head.activation,
                "image_token_embed_dim": width,
            },
            image_token_id=saved.config.image_token_id,
            tie_word_embeddings=tied,
        )

    def processor(self, saved: Saved, settings: Any) -> Fields:
        side = saved.parts["resolution"].size
        return {
            "processor_class": "JanusProcessor",
            "image_processor": steps(*saved.normalization)
            | {
                "image_processor_type": "JanusImageProcessor",
                "size": {"height": side, "width": side},
                "do_pad": True,
                "min_size": THINNEST,
            },
            "num_image_tokens": settings.vision_config.num_image_tokens,
            "use_default_system_prompt": _told(saved),
        }

    def chat_template(self, saved: Saved) -> str:
        if not _told(saved):
            return super().chat_template(saved)
        return TEMPLATES[self.template].jinja(system="", image_token=saved.processor.image_token)

    def tokens(self, saved: Saved) -> dict[str, str]:
        opening, closing = BORDERS
        return {"image_token": saved.processor.image_token, "boi_token": opening, "eoi_token": closing}


def _told(saved: Saved) -> bool:
    """Whether its system text is the one that the processor there writes."""
    return bool(saved.config.system == DEEPSEEK_VL_SYSTEM)


def layers(there: str, here: str, depth: int) -> Iterator[Pair]:
    """The pairs of an MLP, behind whose layers but the last there is an activation."""
    yield f"{there}fc1.", f"{here}0."
    for number in range(1, depth):
        yield f"{there}hidden_layers.{number - 1}.", f"{here}{2 * number}."
