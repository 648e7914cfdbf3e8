"""Image tokenizers. See `omma.parts.tokenizers.base`."""

from omma.parts.tokenizers import autoencoder as autoencoder
from omma.parts.tokenizers import causal as causal
from omma.parts.tokenizers import convolutional as convolutional
from omma.parts.tokenizers import diffusion as diffusion
from omma.parts.tokenizers import dynamic as dynamic
from omma.parts.tokenizers import kl as kl
from omma.parts.tokenizers import movq as movq
from omma.parts.tokenizers import text_diffusion as text_diffusion
from omma.parts.tokenizers import vq_kd as vq_kd
from omma.parts.tokenizers.base import IMAGE_TOKENIZERS, Autoencoder, ImageTokenizer
from omma.parts.tokenizers.networks import NETWORKS

__all__ = ["IMAGE_TOKENIZERS", "NETWORKS", "Autoencoder", "ImageTokenizer"]
