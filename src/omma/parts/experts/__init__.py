"""Experts inside a language model or an encoder. See `omma.parts.experts.base`."""

from omma.parts.experts import modality_experts as modality_experts
from omma.parts.experts import partial_lora as partial_lora
from omma.parts.experts import window_lora as window_lora
from omma.parts.experts.base import EXPERTS, Expert, TokenExpert, attach

__all__ = ["EXPERTS", "Expert", "TokenExpert", "attach"]
