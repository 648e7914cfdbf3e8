"""Quantizers: what turns vectors into numbers of codes, and back. See `omma.parts.quantizers.base`."""

from omma.parts.quantizers import lfq as lfq
from omma.parts.quantizers import multi_scale as multi_scale
from omma.parts.quantizers import vq as vq
from omma.parts.quantizers.base import QUANTIZERS, Quantized, Quantizer

__all__ = ["QUANTIZERS", "Quantized", "Quantizer"]
