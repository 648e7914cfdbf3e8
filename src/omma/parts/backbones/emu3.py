"""Emu3's language model (arXiv 2409.18869), which `transformers` has, but finds by the whole model's config alone."""

from __future__ import annotations

from transformers import AutoModelForCausalLM, Emu3ForCausalLM, Emu3TextConfig

AutoModelForCausalLM.register(Emu3TextConfig, Emu3ForCausalLM, exist_ok=True)
