"""What omma knows of one architecture of `transformers`, and nothing else: reading and writing is common to all.

An `Architecture` says how a config, an image processor and names of weights become parts of omma's, and back. To add one,
subclass it in a file of its own and list it in `registry`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from omma.errors import BadInput
from omma.model.config import OmmaConfig
from omma.model.interop.names import OMMA, Names
from omma.model.interop.rows import Rows
from omma.model.interop.weights import read_json
from omma.model.processing import OmmaProcessor
from omma.parts.encoders import Encoder
from omma.parts.encoders.base import NORMALIZATIONS, Triple

Fields = dict[str, Any]
"""A part's config, or a file's content, as plain data."""
TEXT_TYPES = ("llama", "mistral", "qwen2", "qwen3")
"""Language models whose weights lie under ``model.`` and ``lm_head.``."""


@dataclass(frozen=True)
class Published:
    """A checkpoint of `transformers`, without its weights.

    Attributes:
        settings: its config, of the architecture's class.
        tokenizer: knows the image token.
    """

    directory: Path
    settings: Any
    tokenizer: PreTrainedTokenizerBase

    @property
    def where(self) -> str:
        return str(self.directory / "config.json")

    @cached_property
    def images(self) -> tuple[Fields, str]:
        """The image processor's configuration and the path of the file that it is in. Raises BadInput."""
        path = self.directory / "processor_config.json"
        if path.is_file():
            nested = read_json(path).get("image_processor")
            if isinstance(nested, dict):
                return nested, str(path)
        path = self.directory / "preprocessor_config.json"
        return read_json(path), str(path)


@dataclass(frozen=True)
class Saved:
    """A model of omma's, without its weights."""

    directory: Path
    config: OmmaConfig
    processor: OmmaProcessor

    @property
    def where(self) -> str:
        return str(self.directory / "config.json")

    @cached_property
    def parts(self) -> Fields:
        """Typed configs by slot."""
        return self.config.parts()

    @cached_property
    def tower(self) -> Encoder:
        """The encoder on the meta device: it is only asked for sizes."""
        with torch.device("meta"):
            return self.parts["encoder"].build()

    @property
    def text(self) -> Fields:
        """The language model's config, its vocabulary grown so that it holds the image token."""
        text: Fields = self.config.text_config.to_dict()
        return text | {"vocab_size": max(text["vocab_size"], self.config.image_token_id + 1)}

    @property
    def normalization(self) -> tuple[Triple, Triple]:
        """Mean and standard deviation of a single encoder."""
        return NORMALIZATIONS[self.parts["encoder"].normalization]

    @property
    def scale(self) -> float:
        """What the encoder's features are divided by."""
        return float(getattr(self.parts["encoder"], "scale", 1.0))

    def token(self, name: str) -> None:
        """See that the tokenizer has a token. Raises BadInput if not."""
        if name not in self.processor.tokenizer.get_vocab():
            raise BadInput(
                str(self.directory / "tokenizer.json"),
                expected=f"the token {name}, which the processor of transformers writes",
                found="none",
                remedy="keep this model in omma's own format",
            )

    def misfit(self, field: str, *, expected: str, found: Any) -> BadInput:
        """A complaint about what a layout cannot express."""
        remedy = "keep this model in omma's own format"
        return BadInput(f"{self.where}, {field}", expected=expected, found=str(found), remedy=remedy)


class Architecture(ABC):
    """One ``model_type`` of `transformers` as parts of omma's, and back.

    Attributes:
        config_class, model_class: what it is there.
        holds: for resolution, encoder and projector, the types of parts that it can express.
        vision_types, text_types: model types of its tower and its language model.
        vectors: common names of weights that are [1, H] here and [H] there.
        readers: common names of the weights that multiply the encoder's features: they take over its scale.
        template: the chat format of checkpoints that bring none.
        chats: whether its processor has a chat template.
        draws: whether it draws, so that `holds` names an image tokenizer and a painter, too.
        unused: what names of weights there begin with that are of no use.
    """

    config_class: ClassVar[type[PreTrainedConfig]]
    model_class: ClassVar[type[PreTrainedModel]]
    holds: ClassVar[Mapping[str, tuple[str, ...]]]
    vision_types: ClassVar[tuple[str, ...]]
    text_types: ClassVar[tuple[str, ...]] = TEXT_TYPES
    vectors: ClassVar[frozenset[str]] = frozenset()
    readers: ClassVar[frozenset[str]] = frozenset()
    template: ClassVar[str] = "vicuna-v1"
    chats: ClassVar[bool] = True
    draws: ClassVar[bool] = False
    unused: ClassVar[tuple[str, ...]] = ()

    @property
    def model_type(self) -> str:
        """Its name in config.json."""
        return self.config_class.model_type

    @property
    def name(self) -> str:
        """Its model class's name."""
        return self.model_class.__name__

    def layers(self, settings: Any) -> int:
        """Blocks of all its transformers together: what is checked before anything is built by a number from a file."""
        vision = settings.vision_config
        depths = getattr(vision, "depths", None)
        return (sum(depths) if depths else vision.num_hidden_layers) + settings.text_config.num_hidden_layers

    def text(self, settings: Any) -> Any:
        """The language model's config."""
        return getattr(settings, "text_config", None)

    def rows(self, settings: Any) -> dict[str, Rows]:
        """What is a weight of its own here, by common name, and rows of another there."""
        return {}

    def tied(self, settings: Any) -> bool:
        """Whether the output head is the token embedding."""
        return bool(settings.tie_word_embeddings)

    @abstractmethod
    def names(self, settings: Any) -> Names:
        """What weights are called there."""

    @abstractmethod
    def parts(self, published: Published) -> dict[str, Fields]:
        """Resolution, encoder and projector of a checkpoint, and what it draws with. Raises BadInput for what omma's parts cannot
        express."""

    def system(self, published: Published, found: str | None) -> str | None:
        """The system text of chats with a checkpoint, by what its chat template says of it (`chat_format`)."""
        return found

    def shape_there(self, common: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape that a weight of that name and shape has in its layout."""
        return shape[1:] if common in self.vectors else shape

    def shape_here(self, common: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The inverse of `shape_there`."""
        return (1, *shape) if common in self.vectors else shape

    @abstractmethod
    def settings(self, saved: Saved) -> PreTrainedConfig:
        """The config of a model of omma's, whose parts are of the types that it `holds`.

        Raises:
            BadInput: for what the architecture cannot express.
        """

    def ours(self, saved: Saved) -> Names:
        """What weights are called in a model that is to be exported."""
        return OMMA

    def added(self, saved: Saved, settings: Any) -> dict[str, Tensor]:
        """Weights that it has and the model to be exported has not, by common name: such as change nothing."""
        return {}

    @abstractmethod
    def processor(self, saved: Saved, settings: Any) -> Fields:
        """The content of processor_config.json, with the image processor's configuration in it."""

    def tokenizer(self, saved: Saved) -> PreTrainedTokenizerBase:
        """The tokenizer that is written: the model's own, or a copy that does what the processor expects of it."""
        return saved.processor.tokenizer

    def chat_template(self, saved: Saved) -> str:
        """The Jinja template that is written."""
        return str(saved.processor.chat_template)

    def tokens(self, saved: Saved) -> dict[str, str]:
        """What the tokenizer's configuration names besides: tokens that the processor asks it for by their role."""
        return {}


def check_types(kind: Architecture, settings: Any, where: str) -> None:
    """See that a checkpoint's tower and language model are such as omma can hold. Raises BadInput if not."""
    for field, types, config in (
        ("vision_config", kind.vision_types, getattr(settings, "vision_config", None)),
        ("text_config", kind.text_types, kind.text(settings)),
    ):
        found = getattr(config, "model_type", None)
        if types and found not in types:
            raise BadInput(
                f"{where}, {field}.model_type",
                expected=f"one of {', '.join(types)}",
                found=repr(found),
                remedy="other towers and language models cannot be imported",
            )


def plain(settings: Any) -> Fields:
    """A config of `transformers` as plain data without its history."""
    dropped = ("transformers_version", "architectures", "_name_or_path", "dtype", "torch_dtype")
    data = {name: value for name, value in settings.to_diff_dict().items() if name not in dropped}
    return data | {"model_type": settings.model_type}


def own_side(vision: Any) -> int | None:
    """The side of the pictures that a tower's positions are for; None if they are no squares."""
    size = getattr(vision, "image_size", None)
    if isinstance(size, (list, tuple)):
        size = size[0] if len(set(size)) == 1 else None
    return size


def check_side(published: Published, side: int, vision: Any, field: str = "vision_config") -> None:
    """See that a tower reads squares of the image processor's size. Raises BadInput if not."""
    if own_side(vision) != side:
        raise BadInput(
            published.where,
            expected=f"{field}.image_size to be the image processor's size, {side}",
            found=str(getattr(vision, "image_size", None)),
            remedy="use the image processor that belongs to the model",
        )


def check_borders(published: Published, roles: tuple[str, str], usual: tuple[str, str]) -> None:
    """See that pictures stand between the tokens that the template writes. Raises BadInput if not.

    Args:
        roles: what the tokenizer calls both.
        usual: which they are.
    """
    vocabulary = published.tokenizer.get_vocab()
    for role, expected in zip(roles, usual, strict=True):
        token = getattr(published.tokenizer, role, None) or expected
        if token != expected or token not in vocabulary:
            raise BadInput(
                str(published.directory / "tokenizer.json"),
                expected=f"the token {expected} as the {role} of the processor",
                found=token if token != expected else "none",
                remedy="use the tokenizer that belongs to the model",
            )


def check_own_side(saved: Saved, tower: Any, kind: Architecture) -> None:
    """See that a tower is given squares of the size that its positions are for. Raises BadInput if not."""
    side, own = saved.parts["resolution"].size, own_side(tower.model.config)
    if tower.any_size and side != own:
        raise saved.misfit(
            "resolution.size",
            expected=f"{own}, the size that the encoder's positions are for: {kind.name} interpolates none",
            found=side,
        )
