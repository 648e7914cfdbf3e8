"""Experts: weights inside a language model that only image tokens use, or inside an encoder that only some views use.

The model that an expert is attached to stays what it is, a plain `transformers` model with its own parameter names, so it is
loaded, adapted and saved as ever. The expert owns its parameters and takes part in the computation through hooks on modules
that are found by name (`omma.parts.experts.structure`); what is a picture it learns from `omma.parts.experts.routing`.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor, nn
from transformers import PreTrainedModel

from omma.errors import BadInput
from omma.parts.backbones.sides import SLOT
from omma.parts.base import Part, PartConfig, Registry

Host = Literal["backbone", "encoder"]


class Expert(Part, nn.Module):
    """An expert. Built with ``model``, to which it attaches itself for good.

    Attributes:
        inside: what kind of model it is for.
    """

    inside: ClassVar[Host]

    class Config(PartConfig):
        pass

    def begin(self) -> None:
        """Take over what is to begin as a copy of the model's own weights; called whenever those were replaced."""


class TokenExpert(Expert):
    """An expert that tokens of pictures go through, inside a language model."""

    inside = "backbone"

    class Config(PartConfig):
        pictures: Literal["read", "drawn", "all"] = "read"
        """Tokens of which pictures go through it: read, drawn, or both. With ``drawn`` a model that learns to draw reads and
        speaks as it did before (as LMFusion, arXiv 2412.15188)."""

    def takes(self, input_ids_BL: Tensor, image_token_id: int) -> Tensor:
        """Which tokens go through it [B, L]."""
        is_read, is_drawn = input_ids_BL == image_token_id, input_ids_BL == SLOT
        return {"read": is_read, "drawn": is_drawn, "all": is_read | is_drawn}[self.config.pictures]


EXPERTS: Registry[type[Expert]] = Registry("expert")

_FIELDS = {"backbone": "model.expert", "encoder": "model.encoder.expert"}


def attach(config: PartConfig | None, model: PreTrainedModel, *, inside: Host) -> Expert | None:
    """The expert that a config describes, attached to a model; None if there is none.

    Raises:
        BadInput: if it is an expert for the other kind of model, or one that this model has no place for.
    """
    if config is None:
        return None
    wanted = config.part.inside  # type: ignore[attr-defined]
    if wanted != inside:
        raise BadInput(
            _FIELDS[inside],
            expected=f"an expert for the {inside}",
            found=f"{config.type}, which is for the {wanted}",
            remedy=f"write it under {_FIELDS[wanted]}",
        )
    if getattr(model, "knows_pictures", False) and config.pictures != "read":  # type: ignore[attr-defined]
        raise BadInput(
            "model.expert.pictures",
            expected=f"read, inside {type(model).__name__}, which asks for itself which tokens are pictures that it reads",
            found=config.pictures,  # type: ignore[attr-defined]
            remedy="set it to read",
        )
    return config.build(model=model)
