"""What a vision-language model draws with, put together: an image tokenizer, and a painter for its language model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transformers import PreTrainedModel

from omma.errors import BadInput
from omma.parts.encoders import Encoder
from omma.parts.painters import Painter
from omma.parts.painters.base import CodePainter
from omma.parts.tokenizers import ImageTokenizer
from omma.parts.tokenizers.diffuser import Diffuser
from omma.parts.tokenizers.diffusion import DiffusionTokenizer, build_beside
from omma.parts.tokenizers.text_diffusion import TextDiffusion

FITS: dict[str, Callable[[ImageTokenizer], bool]] = {
    "codes": lambda tokenizer: tokenizer.vocabulary > 0 and tokenizer.paints and not tokenizer.varies,
    "sequences": lambda tokenizer: tokenizer.varies,
    "features": lambda tokenizer: isinstance(tokenizer, DiffusionTokenizer),
    "conditions": lambda tokenizer: isinstance(tokenizer, Diffuser) and not tokenizer.vocabulary,
    "texts": lambda tokenizer: isinstance(tokenizer, TextDiffusion),
}
"""By what painters draw: which image tokenizers paint it."""
WITH = {
    "codes": "with codes",
    "sequences": "with as many codes as a picture needs",
    "features": "that paints features of an encoder",
    "conditions": "with a diffusion network",
    "texts": "that paints what texts say",
}
USUAL = {
    "codes": "quantized-autoencoder",
    "sequences": "dynamic",
    "features": "diffusion",
    "conditions": "diffusion or text-diffusion",
    "texts": "text-diffusion",
}


def drawing_parts(
    image_tokenizer: Any, painter: Any, language_model: PreTrainedModel, encoder: Encoder | None = None
) -> tuple[ImageTokenizer | None, Painter | None]:
    """The parts of these configs, or twice None.

    Args:
        encoder: that the model reads with, if it reads.

    Raises:
        BadInput: if the tokenizer has no codes, or the painter cannot draw with them.
    """
    if painter is None:
        return None, None
    tokenizer = build_beside(image_tokenizer, encoder)
    wants, is_fine = painter.part.draws, FITS[painter.part.draws]
    if not is_fine(tokenizer):
        codes = f"with {tokenizer.vocabulary:,}" if tokenizer.vocabulary else "without"
        beside = ", not as many for every picture" if tokenizer.varies else ""
        beside += "" if tokenizer.paints else ", which it cannot paint"
        raise BadInput(
            "model.image_tokenizer",
            expected=f"one {WITH[wants]}, for the painter {painter.type}",
            found=f"{image_tokenizer.type}, {codes} codes{beside}",
            remedy=f"use {USUAL[wants]}",
        )
    size = painter.canvas.build().plan(1, 1).views[0].size
    of = {"quantizer": tokenizer.quantizer} if wants in ("codes", "sequences") else {"tokenizer": tokenizer}
    made = painter.build(**of, length=tokenizer.length(size), width=language_model.config.hidden_size)
    return tokenizer, made


def share_codes(
    encoder: Encoder, tokenizer: ImageTokenizer | None, painter: Painter | None, language_model: PreTrainedModel
) -> None:
    """Let an encoder read with what a model draws with, if it wants to. Raises BadInput if they do not fit."""
    head = painter.head if isinstance(painter, CodePainter) and painter.head.embeds else None
    encoder.share(tokenizer, head, language_model.config.hidden_size)


def check_announced(language_model: PreTrainedModel, image_token_id: int) -> None:
    """See that the token that announces a picture is one that a language model reads and writes. Raises BadInput if not."""
    rows = language_model.config.vocab_size
    if image_token_id >= rows:
        raise BadInput(
            "model.backbone.architecture.vocab_size",
            expected=f"at least {image_token_id + 1}, with room for the image token, which announces a picture that is drawn",
            found=str(rows),
            remedy="raise it, and give weights of that size if there are any; or name as image_token one that they have",
        )
