"""Any `transformers` causal language model as a backbone."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import model_validator
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

from omma.parts.backbones.base import BACKBONES, Backbone
from omma.parts.base import PartConfig
from omma.parts.weights import architecture, locate


@BACKBONES.register("transformers")
class TransformersBackbone(Backbone):
    class Config(PartConfig):
        architecture: dict[str, Any] | None = None
        """A `transformers` config as plain data, with its ``model_type``."""
        weights: str | None = None
        """``zoo:NAME``, a directory or a hub name; random weights if absent."""
        tokenizer: str | None = None
        """Where the tokenizer comes from, in the same forms; where the weights come from if absent."""
        tokens: tuple[str, ...] = ()
        """Special tokens that it is given if it has none of these names, such as those that a chat format is made of."""

        @model_validator(mode="after")
        def _known(self) -> TransformersBackbone.Config:
            if self.architecture is None and self.weights is None:
                raise ValueError("architecture or weights to be given")
            return self

    def architecture(self) -> PretrainedConfig:
        return architecture(self.config.architecture, self.config.weights, where="model.backbone")

    def causal_lm(self, *, load_weights: bool = False) -> PreTrainedModel:
        if load_weights and self.config.weights is not None:
            source = locate(self.config.weights, where="model.backbone.weights")
            return AutoModelForCausalLM.from_pretrained(source, config=self.architecture(), dtype=torch.float32)
        return AutoModelForCausalLM.from_config(self.architecture())
