"""Composition: the parts of a recipe put together to be trained, whole or in part.

A language model alone, an encoder alone, or both with a projector between them: the training loop and the objectives see
one module whose parameter paths begin with ``encoder.``, ``projector.``, ``language_model.``, ``expert.``, ``image_tokenizer.``
or ``painter.``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from hashlib import blake2b
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from omma.data.feature_cache import FeatureCache, FeatureReader
from omma.errors import BadInput
from omma.model.config import OmmaConfig
from omma.model.drawing_parts import drawing_parts
from omma.model.encoder_decoder import check_answers
from omma.model.modeling import OmmaForConditionalGeneration
from omma.model.segments import Renderer
from omma.model.templates import template_named
from omma.model.views import Arranger, Shape, encode, feature_counts
from omma.parts.encoders import Encoder
from omma.parts.painters import Painter
from omma.parts.pixels import normalize
from omma.parts.resolution import Resolution
from omma.parts.tokenizers import ImageTokenizer
from omma.parts.tokenizers.saved import load_image_tokenizer
from omma.parts.weights import locate

IMAGE_TOKEN = "<image>"
ENCODE_CHUNK = {"cpu": 8, "cuda": 32}
"""Frozen encoders run on exactly this many views at a time (the last chunk is filled up): the shape of a matrix product
decides its rounding, and features must not depend on which pictures happened to be encoded together."""


class Composition(nn.Module):
    """The modules of a model recipe, with what is needed to feed them.

    Attributes:
        vlm: the whole as a `transformers` model, or None if a part is missing.
        feature_cache: set by a stage that freezes the encoder.
    """

    def __init__(
        self,
        *,
        vlm: OmmaForConditionalGeneration | None = None,
        resolution: Resolution | None = None,
        encoder: Encoder | None = None,
        language_model: PreTrainedModel | None = None,
        image_tokenizer: ImageTokenizer | None = None,
        painter: Painter | None = None,
        tokenizer: PreTrainedTokenizerBase | None = None,
        image_token: str = IMAGE_TOKEN,
        template: str = "vicuna-v1",
        system: str | None = None,
    ) -> None:
        super().__init__()
        self._vlm = [vlm] if vlm is not None else []
        self.resolution = resolution
        self.encoder = vlm.encoder if vlm is not None else encoder
        self.projector = vlm.projector if vlm is not None else None
        self.language_model = vlm.language_model if vlm is not None else language_model
        self.expert = vlm.expert if vlm is not None else None
        self.image_tokenizer = vlm.image_tokenizer if vlm is not None else image_tokenizer
        self.painter = vlm.painter if vlm is not None else painter
        self.tokenizer = tokenizer
        self.image_token = image_token
        self.template = template
        self.system = system
        self.feature_cache: FeatureCache | None = None
        self._arranger: Arranger | None = None

    @property
    def vlm(self) -> OmmaForConditionalGeneration | None:
        return self._vlm[0] if self._vlm else None

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype

    @property
    def arranger(self) -> Arranger | None:
        """How its pictures are cut and ordered; None for a language model alone."""
        if self._arranger is None and self.resolution is not None and self.encoder is not None:
            self._arranger = Arranger(self.resolution, self.encoder, self.projector)
        return self._arranger

    def runs_of(self, size: tuple[int, int]) -> tuple[int | str, ...]:
        """What a picture of that size (width, height) is in the prompt: image tokens in a row, and text between them."""
        return _runs(self.arranger, size)

    @contextmanager
    def cutting(self, resolution: Resolution) -> Iterator[None]:
        """Pictures are cut in another way by what is made meanwhile: renderers and collators keep it."""
        kept = self.resolution, self._arranger
        self.resolution, self._arranger = resolution, None
        try:
            yield
        finally:
            self.resolution, self._arranger = kept

    def renderer(self, *, max_length: int | None = None) -> Renderer:
        """The renderer that training, evaluation and chat share."""
        assert self.tokenizer is not None
        template = template_named(self.template)
        if self.vlm is not None and self.vlm.language_model_encodes:
            check_answers(self.vlm.language_model, template, self.tokenizer)
        return Renderer(
            self.tokenizer,
            template,
            runs_of=partial(_runs, self.arranger) if self.projector is not None else None,
            system=self.system,
            image_token=self.image_token,
            max_length=max_length,
        )

    def feature_reader(self) -> FeatureReader | None:
        return self.feature_cache.reader() if self.feature_cache is not None else None

    def fingerprint(self) -> str:
        """Names the encoder exactly: config, weights and precision. Features of equal fingerprints are equal."""
        assert self.encoder is not None
        digest = blake2b(json.dumps(self.encoder.config.to_dict(), sort_keys=True).encode(), digest_size=12)
        for name, tensor in sorted(self.encoder.state_dict().items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    def features(self, batch: Mapping[str, Any]) -> Tensor:
        """Encoder features [sum of T, C] of a micro-batch's pictures in order, cached ones and new ones merged.

        With a frozen encoder, new ones go into the cache.
        """
        assert self.encoder is not None
        shapes: Iterator[Shape] = map(tuple, batch["view_shapes"].tolist())
        per_picture = [list(islice(shapes, count)) for count in batch["view_counts"].tolist()]
        keys = [str(key) for key in batch["picture_keys"]]
        new = self._encode(batch["pixels"], [s for s, key in zip(per_picture, keys, strict=True) if key]) if any(keys) else []
        if self.feature_cache is not None and new:
            self.feature_cache.put([(key, _bits(found[None])) for key, found in zip(filter(None, keys), new, strict=True)])
        counts = [sum(feature_counts(self.encoder, s)) for s, key in zip(per_picture, keys, strict=True) if not key]
        cached = _floats(batch["features"]).split(counts) if counts else ()
        sources = {True: iter(new), False: iter(cached)}
        return torch.cat([next(sources[bool(key)]).to(self.device, self.dtype) for key in keys])

    def image_vectors(self, batch: Mapping[str, Any]) -> Tensor | None:
        """Image vectors [K, H] of a micro-batch's pictures in order; None if it has none."""
        if "picture_keys" not in batch:
            return None
        assert self.vlm is not None
        return self.vlm.image_vectors(
            features=self.features(batch), view_shapes=batch["view_shapes"], image_index=batch.get("image_index")
        )

    def _encode(self, pixels: Tensor, pictures: list[list[Shape]]) -> list[Tensor]:
        """Features [sum of T, C] of every picture from the flat uint8 pixels of all their views."""
        assert self.encoder is not None
        encoder = self.encoder
        shapes = [shape for picture in pictures for shape in picture]
        views = pixels.split([3 * height * width for height, width, *_ in shapes])

        def pixels_of(numbers: list[int], height: int, width: int) -> Tensor:
            stacked = torch.stack([views[number] for number in numbers]).view(-1, height, width, 3)
            pixels = normalize(stacked.to(self.device), *encoder.normalizations[shapes[numbers[0]][4]])
            return pixels if encoder.exact else pixels.to(self.dtype)

        found = encode(encoder, shapes, pixels_of, *(() if encoder.learns else (self._frozen,)))
        per_view = iter(found)
        return [torch.cat(list(islice(per_view, len(picture)))) for picture in pictures]

    def _frozen(self, read: Callable[[Tensor, Tensor], Tensor], pixels: Tensor, cells: Tensor) -> Tensor:
        size = ENCODE_CHUNK.get(self.device.type, 32)
        missing = -len(pixels) % size
        full = torch.cat([pixels, pixels.new_zeros(missing, *pixels.shape[1:])])
        places = torch.cat([cells, cells[-1:].expand(missing, -1)])
        with torch.no_grad():
            chunks = [read(*chunk) for chunk in zip(full.split(size), places.split(size), strict=True)]
            return torch.cat(chunks)[: len(pixels)]

    def embed(self, batch: Mapping[str, Any]) -> Tensor:
        """Token embeddings [B, L, H] of a micro-batch, pictures spliced in."""
        if self.vlm is None:
            assert self.language_model is not None
            return self.language_model.get_input_embeddings()(batch["input_ids"])
        return self.vlm.embed(batch["input_ids"], self.image_vectors(batch))

    def routing(self, input_ids_BL: Tensor, document_BL: Tensor | None = None) -> AbstractContextManager[None]:
        """What the language model is to be called inside of, see `OmmaForConditionalGeneration.routing`."""
        return self.vlm.routing(input_ids_BL, document_BL) if self.vlm is not None else nullcontext()


def _runs(arranger: Arranger | None, size: tuple[int, int]) -> tuple[int | str, ...]:
    assert arranger is not None
    return arranger.of(size)[1].runs


def _floats(features: Tensor) -> Tensor:
    return features.view(torch.bfloat16) if features.dtype == torch.uint16 else features


def _bits(features: Tensor) -> np.ndarray:
    features = features.detach().cpu().contiguous()
    return features.view(torch.uint16).numpy() if features.dtype == torch.bfloat16 else features.float().numpy()


def load_tokenizer(
    source: str, *, where: str, tokens: tuple[str, ...] = (), image_token: str = IMAGE_TOKEN
) -> PreTrainedTokenizerBase:
    """A fast tokenizer that knows the image token.

    Args:
        tokens: others that it is given, unless it has them.

    Raises:
        BadInput: if the source has only a slow tokenizer (labels need character offsets).
    """
    tokenizer = AutoTokenizer.from_pretrained(locate(source, where=where))
    if not tokenizer.is_fast:
        raise BadInput(
            where, expected="a fast tokenizer (tokenizer.json)", found="a slow one", remedy="convert it with transformers"
        )
    vocabulary = tokenizer.get_vocab()
    new = [token for token in (*tokens, image_token) if token not in vocabulary]
    if new:
        # Those that it has stay special.
        tokenizer.add_special_tokens({"additional_special_tokens": new}, replace_extra_special_tokens=False)
    return tokenizer


def _check_room(backbone: Any, tokenizer: PreTrainedTokenizerBase) -> None:
    """See that a language model has embeddings for the tokens that its tokenizer was given. Raises BadInput if not."""
    needed = max(map(tokenizer.convert_tokens_to_ids, backbone.tokens), default=-1) + 1
    found = backbone.build().architecture().vocab_size
    if found < needed:
        raise BadInput(
            "model.backbone.architecture.vocab_size",
            expected=f"at least {needed}, with room for {', '.join(backbone.tokens)}",
            found=str(found),
            remedy="raise it, and give weights of that size if there are any; or use a tokenizer that has these tokens",
        )


def _id_of(token: str | None, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Of a token of the chat format, if it has one."""
    return None if token is None else tokenizer.convert_tokens_to_ids(token)  # type: ignore[no-any-return]


def compose(model: Any, *, load_weights: bool = True) -> Composition:
    """Build what a model recipe (`omma.recipe.ModelRecipe`) describes, in float32 on the CPU."""
    if model.draws_classes:
        for field, wanted in (("row_ends", "whose words end rows"), ("announces", "which learns when to draw")):
            if getattr(model.painter, field, False):
                raise BadInput(
                    f"model.painter.{field}",
                    expected=f"a language model, {wanted}",
                    found="one that draws classes",
                    remedy="set it to false",
                )
        trunk = model.backbone.build().causal_lm()
        image_tokenizer, painter = drawing_parts(model.image_tokenizer, model.painter, trunk)
        if load_weights and image_tokenizer is not None and model.image_tokenizer.has_weights:
            load_image_tokenizer(image_tokenizer, model.image_tokenizer.weights)
        return Composition(language_model=trunk, image_tokenizer=image_tokenizer, painter=painter)
    tokenizer = None
    if model.backbone is not None:
        source = model.backbone.tokenizer or model.backbone.weights
        if source is None:
            raise BadInput(
                "model.backbone.tokenizer",
                expected="where the tokenizer comes from",
                found="nothing, and no weights either",
                remedy="name a directory, a hub name or zoo:NAME",
            )
        tokenizer = load_tokenizer(
            source, where="model.backbone.tokenizer", tokens=model.backbone.tokens, image_token=model.image_token
        )
        _check_room(model.backbone, tokenizer)
    shared: dict[str, Any] = {
        "tokenizer": tokenizer,
        "image_token": model.image_token,
        "template": model.template,
        "system": model.system,
    }
    resolution = model.resolution.build() if model.resolution is not None else None
    if model.complete:
        assert tokenizer is not None
        drawn = template_named(model.template).drawn
        config = OmmaConfig.compose(
            resolution=model.resolution,
            encoder=model.encoder,
            projector=model.projector,
            backbone=model.backbone,
            expert=model.expert,
            image_tokenizer=model.image_tokenizer,
            painter=model.painter,
            template=model.template,
            system=model.system,
            image_token_id=tokenizer.convert_tokens_to_ids(model.image_token),
            drawing_token_id=_id_of(drawn.announced_by, tokenizer),
            row_end_token_id=_id_of(drawn.row_end, tokenizer),
        )
        vlm = OmmaForConditionalGeneration(config)
        if (
            vlm.image_tokenizer is not None
            and model.image_tokenizer.has_weights
            # A checkpoint may be of a model that does not draw yet.
            and (load_weights or model.from_checkpoint is not None)
        ):
            load_image_tokenizer(vlm.image_tokenizer, model.image_tokenizer.weights)
        if load_weights:
            if model.encoder.has_weights:
                vlm.encoder.load_state_dict(model.encoder.build(load_weights=True).state_dict())
            if model.projector.has_weights:
                vlm.projector.load_weights(model.projector.weights)
            if model.backbone.weights is not None:
                loaded = model.backbone.build().causal_lm(load_weights=True)
                vlm.language_model.load_state_dict(loaded.state_dict())
                if vlm.expert is not None:
                    vlm.expert.begin()
        return Composition(vlm=vlm, resolution=resolution, **shared)
    encoder = model.encoder.build(load_weights=load_weights) if model.encoder is not None else None
    if encoder is not None and resolution is not None:
        encoder.check(resolution)
        Arranger(resolution, encoder, None).check()
    return Composition(
        resolution=resolution,
        encoder=encoder,
        language_model=model.backbone.build().causal_lm(load_weights=load_weights) if model.backbone is not None else None,
        image_tokenizer=model.image_tokenizer.build(load_weights=load_weights) if model.image_tokenizer is not None else None,
        **shared,
    )
