"""Backbones: the language models that pictures are shown to. Every one is a `transformers` causal language model."""

from __future__ import annotations

from transformers import PretrainedConfig, PreTrainedModel

from omma.parts.base import Part, PartConfig, Registry


class Backbone(Part):
    """Makes a causal language model; the composition owns the model that it makes."""

    class Config(PartConfig):
        pass

    def architecture(self) -> PretrainedConfig:
        """The `transformers` config of the model."""
        raise NotImplementedError

    def causal_lm(self, *, load_weights: bool = False) -> PreTrainedModel:
        """The model itself, in float32, with random weights unless told to load."""
        raise NotImplementedError


BACKBONES: Registry[type[Backbone]] = Registry("backbone")
