"""The model of a recipe: which parts make it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, model_validator

from omma.model.templates import TEMPLATES
from omma.parts.backbones import BACKBONES
from omma.parts.base import part_field
from omma.parts.encoders import ENCODERS
from omma.parts.experts import EXPERTS
from omma.parts.painters import PAINTERS
from omma.parts.projectors import PROJECTORS
from omma.parts.resolution import RESOLUTIONS
from omma.parts.tokenizers import IMAGE_TOKENIZERS


class Settings(BaseModel):
    """Base of all recipe nodes: frozen, unknown fields refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelRecipe(Settings):
    """Which parts make the model. A recipe for one part alone leaves the others out."""

    resolution: part_field(RESOLUTIONS) | None = None  # type: ignore[valid-type]
    encoder: part_field(ENCODERS) | None = None  # type: ignore[valid-type]
    projector: part_field(PROJECTORS) | None = None  # type: ignore[valid-type]
    backbone: part_field(BACKBONES) | None = None  # type: ignore[valid-type]
    expert: part_field(EXPERTS) | None = None  # type: ignore[valid-type]
    """Weights inside the language model that only image tokens use."""
    image_tokenizer: part_field(IMAGE_TOKENIZERS) | None = None  # type: ignore[valid-type]
    """What paints: by itself, or in a model that draws."""
    painter: part_field(PAINTERS) | None = None  # type: ignore[valid-type]
    """How the language model draws, with the image tokenizer's codes."""
    template: str = "vicuna-v1"
    system: str | None = None
    """System text of the template; the template's own if absent."""
    image_token: str = "<image>"
    """What stands in the prompt for every token of a picture; the tokenizer is given it, unless it has it."""
    from_checkpoint: str | None = None
    """Start from a saved model's weights instead of the parts' own."""

    @property
    def complete(self) -> bool:
        return None not in (self.resolution, self.encoder, self.projector, self.backbone)

    @property
    def draws_classes(self) -> bool:
        """Whether it draws what it is told by a class alone."""
        return self.painter is not None and self.encoder is None

    @model_validator(mode="after")
    def _possible(self) -> ModelRecipe:
        if self.template not in TEMPLATES:
            raise ValueError(f"one of {', '.join(sorted(TEMPLATES))} as template")
        if self.painter is not None and (self.image_tokenizer is None or self.backbone is None):
            raise ValueError("an image tokenizer and a backbone where there is a painter")
        if self.backbone is not None and (self.backbone.type == "classes") is not self.draws_classes:
            raise ValueError("a backbone of type classes exactly where there are a painter and no encoder")
        if self.painter is None and (self.image_tokenizer is None) is (self.encoder is None and self.backbone is None):
            raise ValueError("an encoder or a backbone, or else an image tokenizer by itself")
        if self.resolution is None and (self.encoder or self.image_tokenizer) is not None and not self.draws_classes:
            raise ValueError("a resolution for what reads pictures")
        if (self.projector is not None) != (self.encoder is not None and self.backbone is not None):
            raise ValueError("a projector exactly if there are both an encoder and a backbone")
        if not self.complete and (self.expert is not None or getattr(self.encoder, "expert", None) is not None):
            raise ValueError("both an encoder and a backbone where there is an expert")
        return self
