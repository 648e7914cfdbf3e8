"""What a vision-language model draws with, put together: an image tokenizer, and a painter for its language model."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedModel

from omma.errors import BadInput
from omma.parts.painters import Painter
from omma.parts.tokenizers import ImageTokenizer
from omma.parts.tokenizers.diffusion import DiffusionTokenizer


def drawing_parts(
    image_tokenizer: Any, painter: Any, language_model: PreTrainedModel
) -> tuple[ImageTokenizer | None, Painter | None]:
    """The parts of these configs, or twice None.

    Raises:
        BadInput: if the tokenizer has no codes, or the painter cannot draw with them.
    """
    if painter is None:
        return None, None
    tokenizer: ImageTokenizer = image_tokenizer.build()
    wants, has = painter.part.draws_vectors, isinstance(tokenizer, DiffusionTokenizer)
    if wants is not has or not (has or tokenizer.vocabulary):
        raise BadInput(
            "model.image_tokenizer",
            expected=f"one {'that paints features of an encoder' if wants else 'with codes'}, for the painter {painter.type}",
            found=f"{image_tokenizer.type}, {f'with {tokenizer.vocabulary:,}' if tokenizer.vocabulary else 'without'} codes",
            remedy=f"use {'diffusion' if wants else 'quantized-autoencoder'}",
        )
    size = painter.canvas.build().plan(1, 1).views[0].size
    of = {"tokenizer": tokenizer} if wants else {"quantizer": tokenizer.quantizer}
    made = painter.build(**of, length=tokenizer.length(size), width=language_model.config.hidden_size)
    return tokenizer, made


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
