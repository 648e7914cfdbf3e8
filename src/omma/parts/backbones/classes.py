"""Transformers that draw classes: told a class and nothing else (VAR, LlamaGen, MaskGIT).

Their tables hold a row for every class, and one more, the last, for none in particular.
"""

from __future__ import annotations

from typing import Any

from transformers import AutoModel, PretrainedConfig, PreTrainedModel

from omma.errors import BadInput
from omma.parts.backbones.base import BACKBONES, Backbone
from omma.parts.backbones.llamagen import LlamaGenConfig
from omma.parts.backbones.maskgit import MaskGitConfig
from omma.parts.backbones.var import VarConfig
from omma.parts.base import PartConfig
from omma.parts.weights import architecture

KINDS = (VarConfig.model_type, LlamaGenConfig.model_type, MaskGitConfig.model_type)


@BACKBONES.register("classes")
class ClassBackbone(Backbone):
    """What it makes has ``embed_tokens`` for classes, and is called with slots [B, L, H], what the first of them began with
    [B, H], a mask of who may see whom, and a cache."""

    class Config(PartConfig):
        architecture: dict[str, Any]
        """A config as plain data, with its ``model_type``; ``vocab_size`` is the number of classes and one."""

    def architecture(self) -> PretrainedConfig:
        kind = self.config.architecture.get("model_type")
        if kind not in KINDS:
            raise BadInput(
                "model.backbone.architecture.model_type",
                expected=f"one of {', '.join(KINDS)}, for a backbone that is told a class",
                found=repr(kind),
                remedy="choose one, or the backbone transformers for one that reads words",
            )
        return architecture(self.config.architecture, None, where="model.backbone")

    def causal_lm(self, *, load_weights: bool = False) -> PreTrainedModel:
        return AutoModel.from_config(self.architecture())
