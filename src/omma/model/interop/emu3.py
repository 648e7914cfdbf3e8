"""Emu3 (arXiv 2409.18869): one vocabulary of words and codes, and pictures that are read and drawn as rows of codes.

The codes are the last of its vocabulary. Here their rows of the token embeddings and of the output layer are the painter's, by
whose table the encoder reads; the language model keeps the words.
"""

from __future__ import annotations

import math
import re
from typing import Any

import torch
from torch import Tensor
from transformers import Emu3Config, Emu3ForConditionalGeneration, Emu3TextConfig, PreTrainedConfig

from omma.errors import BadInput
from omma.model.interop.architecture import Architecture, Fields, Published, Saved, check_borders
from omma.model.interop.image_tokenizers import LAYOUTS
from omma.model.interop.names import Names
from omma.model.interop.pixels import check_steps, foreign, normalization, steps, whole
from omma.model.interop.rows import Rows, code_ids
from omma.model.interop.weights import read_json
from omma.model.templates import EMU3
from omma.parts.encoders.base import NORMALIZATIONS
from omma.parts.tokenizers import IMAGE_TOKENIZERS

TOKENIZER = LAYOUTS["emu3_vqgan"]
PICTURE = "<image>"
CODE = re.compile(r"<\|visual token (\d{6})\|>")
ROLES = {"image_token": PICTURE, "boi_token": EMU3.begins, "eoi_token": EMU3.ends, "image_wrapper_token": EMU3.announces,
         "eof_token": EMU3.closes}  # fmt: skip
"""What the processor asks the tokenizer for."""
AREA = 518_400
"""Pixels of a picture that is drawn, unless the processor says otherwise."""
READING = {"opening": f"{{rows}}*{{columns}}{EMU3.announces}", "row_end": EMU3.row_end, "closing": EMU3.closes}
DRAWN = "painter.head."
VQ = ("vqmodel.", "model.vqmodel.")
"""What names of the image tokenizer's weights begin with in files, and in the model."""


class Emu3(Architecture):
    config_class = Emu3Config
    model_class = Emu3ForConditionalGeneration
    vision_types = ()
    text_types = (Emu3TextConfig.model_type,)
    holds = {
        "resolution": ("pixel-budget",),
        "encoder": ("codes",),
        "projector": ("identity",),
        "image_tokenizer": ("quantized-autoencoder",),
        "painter": ("raster",),
    }
    template = "emu3-gen"
    draws = True

    def text(self, settings: Any) -> Any:
        found = settings.text_config
        ids = _ids(settings)
        words = int(ids.min())
        if found.vocab_size != words + len(ids):
            raise BadInput(
                "config.json, vocabulary_map",
                expected=f"codes as the last of {found.vocab_size} tokens, of which none comes behind {found.vocab_size - 1}",
                found=f"{len(ids)} codes from {words} to {int(ids.max())}",
                remedy="use the config.json that belongs to the weights",
            )
        return type(found).from_dict(found.to_dict() | {"vocab_size": words})

    def names(self, settings: Any) -> Names:
        part = TOKENIZER.described(settings.vq_config.to_dict(), "vq_config")
        config = IMAGE_TOKENIZERS.parse(part, where="vq_config")
        return Names(
            *((f"{before}{there}", f"image_tokenizer.{here}") for before in VQ for there, here in TOKENIZER.pairs(config)),
            ("text_model.model.", "text."),
            ("model.text_model.", "text."),
            ("text_model.lm_head.", "head."),
            ("lm_head.", "head."),
        )

    def rows(self, settings: Any) -> dict[str, Rows]:
        ids = _ids(settings)
        table = {f"{DRAWN}table.weight": Rows("text.embed_tokens.weight", ids, kept=False)}
        return table if self.tied(settings) else table | {f"{DRAWN}layer.weight": Rows("head.weight", ids, kept=False)}

    def layers(self, settings: Any) -> int:
        vq = settings.vq_config
        return int(settings.text_config.num_hidden_layers) + int(vq.num_res_blocks) * len(vq.channel_multiplier)

    def parts(self, published: Published) -> dict[str, Fields]:
        settings, (images, where) = published.settings, published.images
        ids, vq = _ids(settings), settings.vq_config
        for role, token in ROLES.items():
            check_borders(published, (role, role), (token, token))
        vocabulary, tokens = published.tokenizer.get_vocab(), str(published.directory / "tokenizer.json")
        row_end = settings.vocabulary_map.get(EMU3.row_end)
        if not torch.equal(ids, code_ids(vocabulary, CODE, {}, where=tokens)) or vocabulary.get(EMU3.row_end) != row_end:
            raise BadInput(
                tokens,
                expected=f"the ids of codes and of {EMU3.row_end} that config.json has in its vocabulary_map",
                found="others",
                remedy="use the tokenizer that belongs to the model",
            )
        part = TOKENIZER.described(vq.to_dict(), f"{published.where}, vq_config")
        TOKENIZER.only(published.where, ("vq_config.codebook_size", len(ids), vq.codebook_size))
        patch = 1 << (len(vq.channel_multiplier) - 1)
        check_steps(images, where=where, spatial_factor=patch)
        if normalization(images, where) != "half":
            raise foreign(where, "image_mean and image_std", "0.5, as the image tokenizer reads", images.get("image_mean"))
        path = published.directory / "processor_config.json"
        area = whole(read_json(path) if path.is_file() else {}, "image_area", AREA, str(path))
        return {
            "resolution": {
                "type": "pixel-budget",
                "least": whole(images, "min_pixels", 512 * 512, where),
                "most": whole(images, "max_pixels", 1024 * 1024, where),
                "patch": patch,
                **READING,
            },
            "encoder": {"type": "codes", "width": settings.text_config.hidden_size, "patch": patch},
            "projector": {"type": "identity"},
            "image_tokenizer": part,
            "painter": {
                "type": "raster",
                "canvas": {"type": "crop-square", "size": round(math.sqrt(area) / patch) * patch},
                "head": {"type": "linear", "tied": self.tied(settings)},
                "places": False,
                "row_ends": True,
            },
        }

    def settings(self, saved: Saved) -> PreTrainedConfig:
        encoder, tokenizer, painter = (saved.parts[slot] for slot in ("encoder", "image_tokenizer", "painter"))
        resolution, network, book, head = saved.parts["resolution"], tokenizer.network, tokenizer.quantizer, painter.head
        text, tied = saved.text, saved.text["tie_word_embeddings"]
        reading = {name: getattr(resolution, name) for name in READING}
        for field, expected, found in (
            ("encoder.image_tokenizer", None, encoder.image_tokenizer),
            ("resolution.opening, row_end and closing", READING, reading),
            ("resolution.patch", encoder.patch, resolution.patch),
            ("image_tokenizer.network.type", "movq", network.type),
            ("image_tokenizer.network.temporal", True, getattr(network, "temporal", None) is not None),
            ("image_tokenizer.quantizer.type", "vq", book.type),
            ("image_tokenizer.quantizer.unit", False, getattr(book, "unit", None)),
            ("image_tokenizer.quantizer.decay", None, getattr(book, "decay", 0)),
            ("painter.head.type", "linear", head.type),
            ("painter.head.tied", tied, getattr(head, "tied", None)),
            ("painter.head.bias", False, getattr(head, "bias", None)),
            ("painter.head.transform", False, getattr(head, "transform", None)),
            ("painter.places", False, painter.places),
            ("painter.row_ends", True, painter.row_ends),
            ("template", True, saved.config.template in ("emu3", "emu3-gen")),
            ("image_token_id", PICTURE, saved.processor.image_token),
        ):
            if found != expected:
                raise saved.misfit(field, expected=f"{expected!r}, which {self.name} has", found=repr(found))
        for token in (*ROLES.values(), EMU3.row_end):
            saved.token(token)
        vocabulary, words = saved.processor.tokenizer.get_vocab(), text["vocab_size"]
        ids = code_ids(vocabulary, CODE, {}, where=str(saved.directory / "tokenizer.json"))
        if len(ids) != book.codes or int(ids.min()) != words:
            raise saved.misfit(
                "backbone.architecture.vocab_size",
                expected=f"{int(ids.min())}, so that {book.codes} codes are the last tokens of the vocabulary",
                found=f"{words}, and {len(ids)} codes",
            )
        attention, levels = bool(getattr(network, "attention", False)), len(network.multipliers)
        return self.config_class(
            vq_config={
                "codebook_size": book.codes,
                "embed_dim": book.width,
                "latent_channels": network.width,
                "temporal_downsample_factor": 1 << network.temporal,
                "base_channels": network.channels,
                "channel_multiplier": list(network.multipliers),
                "num_res_blocks": network.blocks,
                "attn_resolutions": [levels - 1] if attention else [],
                "hidden_size": network.channels * network.multipliers[-1],
            },
            text_config=text | {"vocab_size": words + len(ids)},
            vocabulary_map=dict(sorted(vocabulary.items(), key=lambda entry: entry[1])),
            tie_word_embeddings=tied,
        )

    def processor(self, saved: Saved, settings: Any) -> Fields:
        resolution = saved.parts["resolution"]
        return {
            "processor_class": "Emu3Processor",
            "image_processor": steps(*NORMALIZATIONS["half"])
            | {
                "image_processor_type": "Emu3ImageProcessor",
                "do_pad": True,
                "min_pixels": resolution.least,
                "max_pixels": resolution.most,
                "spatial_factor": resolution.patch,
            },
            "image_area": saved.parts["painter"].canvas.size ** 2,
        }

    def tokens(self, saved: Saved) -> dict[str, str]:
        return ROLES


def _ids(settings: Any) -> Tensor:
    return code_ids(settings.vocabulary_map or {}, CODE, {}, where="config.json, vocabulary_map")
