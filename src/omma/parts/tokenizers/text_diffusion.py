"""A text, and a diffusion network that paints a picture of it (Stable Diffusion, arXiv 2112.10752, section 3.3).

It reads no pictures: what tells its network what to paint are the vectors that a text model has of a text. That learns with the
network if `learn` names it (latent diffusion, section 4.3), or stays as it is (Stable Diffusion). A language model draws with it
by saying those vectors (NExT-GPT), or others that the network makes more of (DreamLLM).

Shapes: N texts, T tokens of each, D numbers of a vector.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from transformers import AutoModel, AutoModelForTextEncoding, AutoTokenizer, PretrainedConfig, PreTrainedTokenizerBase

from omma.errors import BadInput
from omma.parts.resolution.base import Grid, Size
from omma.parts.tokenizers.base import IMAGE_TOKENIZERS
from omma.parts.tokenizers.diffuser import HALF, Diffuser
from omma.parts.weights import architecture, locate, plain_architecture

WHERE = "image tokenizer.text"


class TextModel(BaseModel):
    """A text model of `transformers`, such as CLIP's or the encoder of T5."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: dict[str, Any] | None = None
    """A `transformers` config as plain data; that of the weights, if absent."""
    weights: str | None = None
    """``zoo:NAME``, a directory or a name on the hub; random ones, if absent."""
    tokenizer: str | None = None
    """Likewise; that of the weights, if absent."""
    tokens: int = Field(default=77, ge=2)
    """Of every text, T: longer ones are cut, shorter ones filled up."""
    nothing: tuple[int, ...] | None = None
    """Ids of the text without words, which the network is told where it is told nothing; the tokenizer's, if absent."""

    @property
    def settings(self) -> PretrainedConfig:
        """The `transformers` config."""
        return architecture(self.architecture, self.weights, where=WHERE)

    @property
    def source(self) -> str | None:
        """Where its tokenizer is."""
        return self.tokenizer or self.weights

    def words(self) -> Words:
        """What makes ids of texts.

        Raises:
            BadInput: if no tokenizer is named, or one with more tokens than the model knows.
        """
        where = f"{WHERE}.tokenizer"
        if self.source is None:
            raise BadInput(where, expected="the text model's tokenizer", found="none", remedy="name it, or weights that bring it")
        tokenizer = AutoTokenizer.from_pretrained(locate(self.source, where=where))
        known = self.settings.vocab_size
        if len(tokenizer) > known:
            raise BadInput(
                where,
                expected=f"at most the {known} tokens that the text model knows",
                found=f"{len(tokenizer)} of {self.source}",
                remedy="name the tokenizer that belongs to it",
            )
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        return Words(tokenizer, self.tokens)

    def nothing_said(self) -> tuple[int, ...]:
        """Ids of the text without words."""
        return self.nothing if self.nothing is not None else tuple(self.words()("").tolist())

    def spelled_out(self) -> dict[str, Any]:
        """As plain data, for a saved model, which wants no tokenizer to paint."""
        nothing = self.nothing if self.source is None else self.nothing_said()
        own = {"architecture": plain_architecture(self.settings), "weights": None, "tokenizer": self.source}
        return self.model_dump(mode="json") | own | {"nothing": nothing and list(nothing)}


class Words:
    """Token ids of texts, all of one length."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, tokens: int) -> None:
        self.tokenizer, self.tokens = tokenizer, tokens

    def __call__(self, text: str) -> np.ndarray:
        """int64 [T]. What fills up is read as a part of the text, as in Stable Diffusion."""
        found = self.tokenizer(text, padding="max_length", truncation=True, max_length=self.tokens)
        return np.array(found["input_ids"], dtype=np.int64)


@IMAGE_TOKENIZERS.register("text-diffusion")
class TextDiffusion(Diffuser):
    """Attributes:
    text_model: what has vectors of texts.
    """

    normalization = HALF
    reads = False

    class Config(Diffuser.Config):
        text: TextModel

        def spelled_out(self) -> dict[str, Any]:
            return {**super().spelled_out(), "text": self.text.spelled_out()}

    def __init__(self, config: Config, *, load_weights: bool = False) -> None:
        settings = config.text.settings
        made: Any = AutoModelForTextEncoding if settings.is_encoder_decoder else AutoModel
        if load_weights and config.text.weights is not None:
            source = locate(config.text.weights, where=f"{WHERE}.weights")
            text_model = made.from_pretrained(source, config=settings, dtype=torch.float32)
        else:
            text_model = made.from_config(settings)
        super().__init__(config, width=settings.hidden_size, load_weights=load_weights)
        limit = getattr(settings, "max_position_embeddings", None)
        if limit is not None and config.text.tokens > limit:
            raise BadInput(
                f"{WHERE}.tokens",
                expected=f"at most {limit}, which the text model knows places of",
                found=str(config.text.tokens),
                remedy="change it",
            )
        self.text_model = text_model
        if load_weights and config.text.source is not None:
            # Read now, so that a tokenizer that does not fit is refused before anything is trained.
            self.nothing  # noqa: B018
        self.load_own(load_weights=load_weights)

    @cached_property
    def nothing(self) -> tuple[int, ...]:
        """Ids of the text without words, which the network is told where it is told nothing."""
        return self.config.text.nothing_said()  # type: ignore[no-any-return]

    def grid(self, size: Size) -> Grid:
        """One row of vectors, whatever the picture."""
        return 1, self.config.text.tokens

    def vectors(self, ids_NT: Tensor) -> Tensor:
        """What tells the network about texts, [N, T, D]."""
        return self.text_model(input_ids=ids_NT).last_hidden_state  # type: ignore[no-any-return]

    def nothing_told(self, vectors_NTD: Tensor) -> Tensor:
        """The vectors of the text without words; as many as of any text, however many stand in their place."""
        ids = torch.tensor([self.nothing], device=vectors_NTD.device)
        return self.vectors(ids).to(vectors_NTD).expand(len(vectors_NTD), -1, -1)

    def read(self, views_NHW3: Tensor) -> Tensor:
        raise BadInput(
            "image tokenizer",
            expected="one that reads pictures",
            found="text-diffusion, which is told texts",
            remedy="use diffusion",
        )


def told_texts(tokenizer: object) -> Words | None:
    """What makes ids of the texts that an image tokenizer is told; None for one that is told no texts."""
    return tokenizer.config.text.words() if isinstance(tokenizer, TextDiffusion) else None


