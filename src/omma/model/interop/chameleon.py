"""Chameleon (arXiv 2405.09818): pictures as codes in the language model's own vocabulary. What paints them was not published.

Here the codes' rows of the token embeddings are the encoder's table; the language model keeps them, too, but neither reads nor
writes them. The authors' pixels are in [-1, 1]; the image processor of `transformers` multiplies by 0.0078, which is 2/255
rounded. Read in, it is 2/255, and so it is written.
"""

from __future__ import annotations

import math
import re
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import ChameleonConfig, ChameleonForConditionalGeneration, PreTrainedConfig

from omma.errors import BadInput
from omma.model.interop.architecture import Architecture, Fields, Published, Saved, check_borders
from omma.model.interop.image_tokenizers import LAYOUTS
from omma.model.interop.names import Names
from omma.model.interop.pixels import check_steps, foreign, side_of, steps
from omma.model.interop.rows import Rows, code_ids
from omma.model.interop.weights import read_json
from omma.model.templates import CHAMELEON_END, TEMPLATES
from omma.parts.backbones.chameleon import ChameleonTextConfig
from omma.parts.tokenizers import IMAGE_TOKENIZERS

TOKENIZER = LAYOUTS["chameleon_vqgan"]
BORDERS = TEMPLATES["chameleon"].borders
PICTURE = "<image>"
CODE = re.compile(r"IMGIMG([A-J]{1,9})Z")
DIGITS = str.maketrans("ABCDEFGHIJ", "0123456789")
LANCZOS = int(Image.Resampling.LANCZOS)
FACTOR = 2 / 255
"""What bytes are multiplied with, before 1 is taken away."""
ROUNDED = 0.0078
TEXT = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
    "hidden_act", "max_position_embeddings", "initializer_range", "rms_norm_eps", "pad_token_id", "bos_token_id", "eos_token_id",
    "tie_word_embeddings", "rope_parameters", "attention_bias", "attention_dropout", "mlp_bias", "model_parallel_size",
    "swin_norm",
)  # fmt: skip
"""Fields of the config that are the language model's."""


class Chameleon(Architecture):
    config_class = ChameleonConfig
    model_class = ChameleonForConditionalGeneration
    vision_types = ()
    text_types = (ChameleonTextConfig.model_type,)
    holds = {"resolution": ("crop-square",), "encoder": ("codes",), "projector": ("identity",)}
    unused = ("model.vqmodel.post_quant_conv.",)
    template = "chameleon"
    chats = False

    def text(self, settings: Any) -> PreTrainedConfig:
        ids = _ids(settings)
        own = {name: getattr(settings, name) for name in TEXT}
        return ChameleonTextConfig(**own, unwritten=(int(ids.min()), len(ids)))

    def names(self, settings: Any) -> Names:
        part = TOKENIZER.described(settings.vq_config.to_dict(), "vq_config")
        config = IMAGE_TOKENIZERS.parse(part, where="vq_config")
        return Names(
            *((f"model.vqmodel.{there}", f"encoder.image_tokenizer.{here}") for there, here in TOKENIZER.pairs(config)),
            ("model.vqmodel.post_quant_conv.", "unused."),
            ("model.", "text."),
            ("lm_head.", "head."),
        )

    def rows(self, settings: Any) -> dict[str, Rows]:
        return {"encoder.table.weight": Rows("text.embed_tokens.weight", _ids(settings), kept=True)}

    def shape_there(self, common: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        return TOKENIZER.as_there({common: shape})[common] if common.startswith("encoder.image_tokenizer.") else shape

    def shape_here(self, common: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        return TOKENIZER.as_here({common: shape})[common] if common.startswith("encoder.image_tokenizer.") else shape

    def layers(self, settings: Any) -> int:
        vq = settings.vq_config
        return int(settings.num_hidden_layers) + int(vq.num_res_blocks) * len(vq.channel_multiplier)

    def parts(self, published: Published) -> dict[str, Fields]:
        settings = published.settings
        vq, ids = settings.vq_config, _ids(settings)
        images, where = published.images
        side = _side(images, where)
        check_borders(published, ("boi_token", "eoi_token"), BORDERS)
        check_borders(published, ("sep_token", "image_token"), (CHAMELEON_END, PICTURE))
        tokens = str(published.directory / "tokenizer.json")
        if not torch.equal(ids, code_ids(published.tokenizer.get_vocab(), CODE, DIGITS, where=tokens)):
            raise BadInput(
                tokens,
                expected="the ids of codes that config.json has in its vocabulary_map",
                found="others",
                remedy="use the tokenizer that belongs to the model",
            )
        part = TOKENIZER.described(vq.to_dict(), f"{published.where}, vq_config")
        patch = 1 << (len(vq.channel_multiplier) - 1)
        TOKENIZER.only(published.where, ("vq_config.num_embeddings", len(ids), vq.num_embeddings))
        path = published.directory / "processor_config.json"
        length = read_json(path).get("image_seq_length", 1024) if path.is_file() else 1024
        if side % patch or length != (side // patch) ** 2:
            raise foreign(where, "size", f"the side of {length} squares of {patch} pixels (image_seq_length)", side)
        return {
            "resolution": {"type": "crop-square", "size": side, "resample": "lanczos"},
            "encoder": {"type": "codes", "width": settings.hidden_size, "patch": patch, "image_tokenizer": part},
            "projector": {"type": "identity"},
        }

    def settings(self, saved: Saved) -> PreTrainedConfig:
        encoder, resolution = saved.parts["encoder"], saved.parts["resolution"]
        tokenizer, text = encoder.image_tokenizer, saved.text
        vocabulary = saved.processor.tokenizer.get_vocab()
        for field, expected, found in (
            ("encoder.image_tokenizer.type", "quantized-encoder", getattr(tokenizer, "type", None)),
            ("resolution.resample", "lanczos", resolution.resample),
            ("template", self.template, saved.config.template),
            ("image_token_id", PICTURE, saved.processor.image_token),
        ):
            if found != expected:
                raise saved.misfit(field, expected=f"{expected!r}, which {self.name} has", found=repr(found))
        network, book = tokenizer.network, tokenizer.quantizer
        wanted: tuple[tuple[str, Any, Any], ...] = (
            ("network.type", "convolutional", network.type),
            ("network.groups", 32, getattr(network, "groups", None)),
            ("quantizer.type", "vq", book.type),
            ("quantizer.unit", False, getattr(book, "unit", None)),
            ("quantizer.decay", None, getattr(book, "decay", 0)),
            ("bridge", 1, tokenizer.bridge),
        )
        for name, own_one, its in wanted:
            if its != own_one:
                raise saved.misfit(
                    f"encoder.image_tokenizer.{name}", expected=f"{own_one!r}, which {self.name} has", found=repr(its)
                )
        for token in (*BORDERS, CHAMELEON_END):
            saved.token(token)
        ids = code_ids(vocabulary, CODE, DIGITS, where=str(saved.directory / "tokenizer.json"))
        if len(ids) != book.codes or [int(ids.min()), len(ids)] != list(text["unwritten"]):
            raise saved.misfit(
                "backbone.architecture.unwritten",
                expected=f"the ids of its {book.codes} codes in the vocabulary, {[int(ids.min()), len(ids)]}",
                found=text["unwritten"],
            )
        levels = len(network.multipliers) - 1
        own = {name: text[name] for name in TEXT if name in text}
        return self.config_class(
            **own,
            vq_config={
                "embed_dim": book.width,
                "num_embeddings": book.codes,
                "latent_channels": network.width,
                "resolution": resolution.size,
                "base_channels": network.channels,
                "channel_multiplier": list(network.multipliers),
                "num_res_blocks": network.blocks,
                "attn_resolutions": [resolution.size >> levels] if network.attention else None,
            },
            vocabulary_map=dict(sorted(vocabulary.items(), key=lambda entry: entry[1])),
        )

    def added(self, saved: Saved, settings: Any) -> dict[str, Tensor]:
        # It leads to what paints, which is not there.
        latent, width = settings.vq_config.latent_channels, settings.vq_config.embed_dim
        return {"unused.weight": torch.zeros(latent, width, 1, 1), "unused.bias": torch.zeros(latent)}

    def processor(self, saved: Saved, settings: Any) -> Fields:
        side = saved.parts["resolution"].size
        return {
            "processor_class": "ChameleonProcessor",
            "image_processor": steps((1.0,) * 3, (1.0,) * 3)
            | {
                "image_processor_type": "ChameleonImageProcessor",
                "resample": LANCZOS,
                "rescale_factor": FACTOR,
                "size": {"shortest_edge": side},
                "do_center_crop": True,
                "crop_size": {"height": side, "width": side},
            },
            "image_seq_length": (side // saved.parts["encoder"].patch) ** 2,
            "image_token": PICTURE,
        }

    def tokens(self, saved: Saved) -> dict[str, str]:
        opening, closing = BORDERS
        return {"image_token": PICTURE, "boi_token": opening, "eoi_token": closing, "sep_token": CHAMELEON_END}


def _ids(settings: Any) -> Tensor:
    return code_ids(settings.vocabulary_map or {}, CODE, DIGITS, where="config.json, vocabulary_map")


def _side(images: Fields, where: str) -> int:
    """The side of the squares that an image processor cuts out of the middle. Raises BadInput if it does anything else."""
    check_steps(images | {"rescale_factor": 1 / 255}, where=where, resample=LANCZOS, do_center_crop=True)
    factor = images.get("rescale_factor", ROUNDED)
    if not any(math.isclose(factor, known, rel_tol=1e-6) for known in (FACTOR, ROUNDED)):
        raise foreign(where, "rescale_factor", f"2/255, or {ROUNDED}", factor)
    for field in ("image_mean", "image_std"):
        found = images.get(field, [1.0] * 3)
        if found not in (1.0, [1.0] * 3):
            raise foreign(where, field, "1 for all colours", found)
    side = side_of(images, "crop_size", where)
    if images.get("size") != {"shortest_edge": side}:
        raise foreign(where, "size", f"a shortest_edge as long as the crop_size, {side}", images.get("size"))
    return side
