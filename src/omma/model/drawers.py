"""What draws in a saved model."""

from __future__ import annotations

from pathlib import Path

from omma.errors import BadInput
from omma.model.class_painter import ClassDrawer, is_class_painter, load_class_painter
from omma.model.drawing import PictureDrawer
from omma.model.loading import is_saved_image_tokenizer, load_model, load_saved_image_tokenizer
from omma.model.text_drawer import TextDrawer
from omma.parts.tokenizers.text_diffusion import TextDiffusion


def load_drawer(directory: Path, *, batch: int = 16) -> PictureDrawer | ClassDrawer | TextDrawer:
    """What draws with a saved model, in float32.

    Args:
        batch: most pictures that are drawn at a time.

    Raises:
        BadInput: if files are missing or broken, or it does not draw.
    """
    if is_saved_image_tokenizer(directory):
        tokenizer = load_saved_image_tokenizer(directory)
        if not isinstance(tokenizer, TextDiffusion):
            raise BadInput(
                str(directory),
                expected="a model that draws, or an image tokenizer that paints what texts say",
                found=f"an image tokenizer of type {tokenizer.config.type}",
                remedy="train a recipe that draws with it, such as var",
            )
        return TextDrawer(tokenizer, batch=batch)
    if is_class_painter(directory):
        return ClassDrawer(load_class_painter(directory), batch=batch)
    return PictureDrawer(*load_model(directory), batch=batch)
