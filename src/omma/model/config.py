"""The model's `transformers` config: the part configs as plain data, and what binds them together."""

from __future__ import annotations

from typing import Any, ClassVar

from transformers import AutoConfig, PretrainedConfig

from omma.parts.backbones import BACKBONES
from omma.parts.base import Registry
from omma.parts.encoders import ENCODERS
from omma.parts.experts import EXPERTS
from omma.parts.painters import PAINTERS
from omma.parts.projectors import PROJECTORS
from omma.parts.resolution import RESOLUTIONS
from omma.parts.tokenizers import IMAGE_TOKENIZERS
from omma.parts.weights import plain_architecture

SLOTS: dict[str, Registry[Any]] = {
    "resolution": RESOLUTIONS,
    "encoder": ENCODERS,
    "projector": PROJECTORS,
    "backbone": BACKBONES,
    "expert": EXPERTS,
    "image_tokenizer": IMAGE_TOKENIZERS,
    "painter": PAINTERS,
}
"""What a vision-language model is made of, and where each part is found."""
MORE = ("expert", "image_tokenizer", "painter")
"""What need not be there; the last two come together."""


class OmmaConfig(PretrainedConfig):
    """What a vision-language model is made of.

    Args:
        resolution, encoder, projector, backbone: part configs as plain data (`PartConfig.to_dict`).
        expert: the same of an expert inside the language model; None for none.
        image_tokenizer, painter: the same of what a model draws with; None for one that does not.
        template: name of the chat template.
        system: system text of the template; its own default if None.
        image_token_id: id of the placeholder that image vectors replace. It may lie outside the language model's
            vocabulary: it is never embedded and never predicted, but by a model that draws, where it announces a picture,
            unless the chat format has another token for that.
        drawing_token_id: id of that token.
        row_end_token_id: id of the one that ends rows of codes in the chat format, if it has any.
    """

    model_type = "omma"
    sub_configs: ClassVar[dict[str, Any]] = {"text_config": AutoConfig}

    def __init__(
        self,
        resolution: dict[str, Any] | None = None,
        encoder: dict[str, Any] | None = None,
        projector: dict[str, Any] | None = None,
        backbone: dict[str, Any] | None = None,
        template: str = "vicuna-v1",
        system: str | None = None,
        image_token_id: int = 0,
        expert: dict[str, Any] | None = None,
        image_tokenizer: dict[str, Any] | None = None,
        painter: dict[str, Any] | None = None,
        drawing_token_id: int | None = None,
        row_end_token_id: int | None = None,
        **kwargs: Any,
    ) -> None:
        self.resolution = resolution
        self.encoder = encoder
        self.projector = projector
        self.backbone = backbone
        self.expert = expert
        self.image_tokenizer = image_tokenizer
        self.painter = painter
        self.template = template
        self.system = system
        self.image_token_id = image_token_id
        self.drawing_token_id = drawing_token_id
        self.row_end_token_id = row_end_token_id
        # Generation reads sizes and special tokens here; it is derived, so `to_dict` leaves it out.
        kwargs.pop("text_config", None)
        if backbone is not None:
            self.text_config = BACKBONES.parse(backbone, where="backbone").build().architecture()
            kwargs.setdefault("tie_word_embeddings", self.text_config.tie_word_embeddings)
        super().__init__(**kwargs)

    @classmethod
    def compose(
        cls,
        *,
        resolution: Any,
        encoder: Any,
        projector: Any,
        backbone: Any,
        expert: Any = None,
        image_tokenizer: Any = None,
        painter: Any = None,
        **kwargs: Any,
    ) -> OmmaConfig:
        """From typed part configs. Architectures are spelled out and sources of weights dropped: they are history."""
        backbone_data = {
            **backbone.to_dict(),
            "architecture": plain_architecture(backbone.build().architecture()),
            "weights": None,
            "tokenizer": None,
            "tokens": [],
        }
        return cls(
            resolution=resolution.to_dict(),
            encoder=encoder.spelled_out(),
            projector=projector.spelled_out(),
            backbone=backbone_data,
            expert=expert.to_dict() if expert is not None else None,
            image_tokenizer=image_tokenizer.spelled_out() if image_tokenizer is not None else None,
            painter=painter.to_dict() if painter is not None else None,
            **kwargs,
        )

    @property
    def announcing_token_id(self) -> int:
        """Id of the token that announces a picture that is drawn."""
        return self.image_token_id if self.drawing_token_id is None else self.drawing_token_id

    def to_dict(self) -> dict[str, Any]:
        data = super().to_dict()
        data.pop("text_config", None)
        return data

    def parts(self) -> dict[str, Any]:
        """The typed part configs by slot; None for what it does not have."""
        return {
            slot: registry.parse(getattr(self, slot), where=slot)
            if slot not in MORE or getattr(self, slot) is not None
            else None
            for slot, registry in SLOTS.items()
        }
