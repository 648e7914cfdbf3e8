"""Image tokenizers. See `omma.parts.tokenizers.base`."""

from omma.parts.tokenizers import vq_kd as vq_kd
from omma.parts.tokenizers.base import IMAGE_TOKENIZERS, ImageTokenizer

__all__ = ["IMAGE_TOKENIZERS", "ImageTokenizer"]
