"""The vision-language model: encoder, projector and language model as one `transformers` model, and what it draws with.

Placeholder rule: the prompt holds the image token exactly as many times as there are image vectors, and their embeddings
are overwritten. (LLaVA's splice of vectors between text pieces is the same mathematics.)

Shapes: B rows, L tokens, V views (all pictures of all rows, in order), K image vectors (one per image token, in order),
C channels, H model width.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import GenerationConfig, GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from omma.model.config import OmmaConfig
from omma.model.drawing_parts import check_announced, drawing_parts, share_codes
from omma.model.encoder_decoder import check_parts
from omma.model.views import WHOLE, Arranger, encode, place, project
from omma.parts.attention import PADDING, word_positions
from omma.parts.backbones.sides import SLOT
from omma.parts.encoders import Encoder
from omma.parts.experts import TokenExpert, attach
from omma.parts.experts.routing import ImageTokens, routed
from omma.parts.projectors import Projector
from omma.parts.resolution import Resolution

PICTURES = ("pixel_values", "view_shapes", "image_index", "image_vectors")
"""Inputs of `OmmaForConditionalGeneration.forward` that hold pictures."""


class OmmaForConditionalGeneration(PreTrainedModel, GenerationMixin):
    """Text out of pictures and text. See `OmmaConfig` for what it is made of."""

    config_class = OmmaConfig
    base_model_prefix = ""
    main_input_name = "input_ids"
    input_modalities = ("image", "text")
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    def __init__(self, config: OmmaConfig) -> None:
        super().__init__(config)
        parts = config.parts()
        resolution: Resolution = parts["resolution"].build()
        self.encoder: Encoder = parts["encoder"].build()
        self.encoder.check(resolution)
        self.language_model: PreTrainedModel = parts["backbone"].build().causal_lm()
        self.projector: Projector = parts["projector"].build(
            d_in=self.encoder.width,
            d_out=self.language_model.config.hidden_size,
            marks=resolution.marks,
        )
        self.projector.check()
        arranger = Arranger(resolution, self.encoder, self.projector)
        arranger.check()
        self.expert = cast(TokenExpert | None, attach(parts["expert"], self.language_model, inside="backbone"))
        drawing = drawing_parts(parts["image_tokenizer"], parts["painter"], self.language_model, self.encoder)
        self.image_tokenizer, self.painter = drawing
        if self.painter is not None:
            check_announced(self.language_model, config.announcing_token_id)
            self.painter.announce(self.language_model, config.announcing_token_id)
            self.painter.end_rows(self.language_model.get_input_embeddings(), config.row_end_token_id)
        share_codes(self.encoder, self.image_tokenizer, self.painter, self.language_model)
        if self.language_model_encodes:
            check_parts(self.language_model, arranger, self.painter, self.expert)
        tied = getattr(self.language_model, "_tied_weights_keys", None) or {}
        if config.tie_word_embeddings:
            self._tied_weights_keys = {f"language_model.{k}": f"language_model.{v}" for k, v in dict(tied).items()}
        reads = getattr(self.encoder, "image_tokenizer", None)
        for part in (reads, self.image_tokenizer, self.painter):
            for module in _own_modules(part) if part is not None else ():
                module._is_hf_initialized = True  # type: ignore[assignment]
        self.post_init()
        self.projector.init_weights()
        if self.expert is not None:
            self.expert.begin()

    def _init_weights(self, module: nn.Module) -> None:
        # Encoder, language model and expert initialise themselves; what is left are our own projectors.
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    def get_input_embeddings(self) -> nn.Module:
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.language_model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        return self.language_model.get_output_embeddings()

    def get_decoder(self) -> nn.Module:
        return self.language_model.get_decoder()

    def image_vectors(
        self,
        pixel_values: Tensor | None = None,
        view_shapes: Tensor | None = None,
        image_index: Tensor | None = None,
        *,
        features: Tensor | None = None,
    ) -> Tensor:
        """Vectors [K, H] that replace the image tokens, in order.

        Args:
            pixel_values: normalised pixels [V, 3, height, width]; smaller views are filled up at the right and below.
            view_shapes: int [V, 5], see `omma.model.views.Shape`; None if all views are as large as the pixels.
            image_index: int [K], see `omma.model.views.place`; None if tokens stand in the order of the views.
            features: what the encoder makes of the views, one after another [sum of T, C], instead of pixels.
        """
        if view_shapes is None:
            assert pixel_values is not None
            shape = (*pixel_values.shape[2:], WHOLE, WHOLE, 0)
            shapes = [shape] * len(pixel_values)
        else:
            shapes = [tuple(shape) for shape in view_shapes.tolist()]
        if features is None:
            assert pixel_values is not None
            pixels = pixel_values if self.encoder.exact else pixel_values.to(self.dtype)
            features = torch.cat(encode(self.encoder, shapes, lambda views, h, w: pixels[views, :, :h, :w]))
        tokens = project(self.encoder, self.projector, features.to(self.dtype), shapes)
        return place(tokens, self.projector.mark_vectors(), image_index)

    def embed(self, input_ids_BL: Tensor, vectors_NH: Tensor | None) -> Tensor:
        """Token embeddings [B, L, H], with image vectors in place of the placeholders.

        Raises:
            ValueError: if there are not as many vectors as placeholders.
        """
        is_image = input_ids_BL == self.config.image_token_id
        placeholders = int(is_image.sum())
        found = 0 if vectors_NH is None else vectors_NH.shape[0]
        if placeholders != found:
            raise ValueError(f"the prompt holds {placeholders} image tokens, but the pictures give {found} vectors")
        embedded = self.get_input_embeddings()(input_ids_BL.masked_fill(is_image | (input_ids_BL == SLOT), 0))
        if vectors_NH is None:
            return embedded
        return embedded.masked_scatter(is_image[..., None], vectors_NH.to(embedded.dtype))

    @property
    def knows_pictures(self) -> bool:
        """Whether what the language model computes depends on which tokens are pictures, beyond their embeddings."""
        return self.expert is not None or self.language_model_knows_pictures or self.language_model_encodes

    @property
    def language_model_knows_pictures(self) -> bool:
        """Whether its attention and its positions do: words are then counted without the pictures between them."""
        return getattr(self.language_model, "knows_pictures", False)

    @property
    def language_model_encodes(self) -> bool:
        """Whether what is said to it goes through an encoder, which sees it in both directions."""
        return getattr(self.language_model, "encodes", False)

    def routing(
        self,
        input_ids_BL: Tensor,
        document_BL: Tensor | None = None,
        *,
        before_BP: Tensor | None = None,
        real_BS: Tensor | None = None,
    ) -> AbstractContextManager[None]:
        """What the language model is to be called inside of: it and its expert then know which tokens are what.

        Args:
            document_BL: of packed rows, negative for padding; one document a row if absent.
            before_BP: ids of what is in the cache already.
            real_BS: whether a token, those in the cache first, is no padding; all if absent. Instead of documents.
        """
        if not self.knows_pictures:
            return nullcontext()
        image = self.config.image_token_id
        if self.language_model_encodes:
            ids = input_ids_BL if before_BP is None else torch.cat([before_BP, input_ids_BL], dim=1)
            if document_BL is None:
                document_BL = torch.zeros_like(ids) if real_BS is None else torch.where(real_BS, 0, PADDING)
            return routed(self.language_model.sides(ids, document_BL, image=image))  # type: ignore[operator]
        seen_B = None if before_BP is None else self._of_pictures(before_BP).any(1)
        return routed(ImageTokens.of(self._of_pictures(input_ids_BL), document_BL, seen_B=seen_B))

    def _of_pictures(self, input_ids_BL: Tensor) -> Tensor:
        """Which tokens [B, L] are of the pictures that the expert is for, or the language model knows."""
        image: int = self.config.image_token_id
        return input_ids_BL == image if self.expert is None else self.expert.takes(input_ids_BL, image)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        pixel_values: Tensor | None = None,
        view_shapes: Tensor | None = None,
        image_index: Tensor | None = None,
        image_vectors: Tensor | None = None,
        labels: Tensor | None = None,
        logits_to_keep: int | Tensor = 0,
        ids_before: Tensor | None = None,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """Next-token logits.

        Args:
            input_ids: [B, L] with one image token per image vector. Beside ``inputs_embeds`` they only tell an expert which
                of those are pictures.
            attention_mask: [B, L] (1 real, 0 padding), or a boolean [B, 1, L, L] from `AttentionPlan.dense`.
            pixel_values, view_shapes, image_index: the pictures, see `image_vectors`; or
            image_vectors: [K, H], what becomes of them.
            labels: [B, L], -100 where not learned, not shifted.
            ids_before: [B, P] of what is in the cache already, for a model that has to know.

        Raises:
            ValueError: without ids or embeddings, or without ids for a model that has to know which tokens are pictures.
        """
        if inputs_embeds is None:
            if input_ids is None:
                raise ValueError("give input_ids or inputs_embeds")
            if image_vectors is None and pixel_values is not None:
                image_vectors = self.image_vectors(pixel_values, view_shapes, image_index)
            inputs_embeds = self.embed(input_ids, image_vectors)
        if self.knows_pictures and input_ids is None:
            raise ValueError("this model has to know which tokens are pictures: give input_ids beside inputs_embeds")
        real = attention_mask.bool() if attention_mask is not None and attention_mask.ndim == 2 else None
        with self.routing(input_ids, before_BP=ids_before, real_BS=real) if input_ids is not None else nullcontext():
            return self.language_model(
                inputs_embeds=inputs_embeds,
                attention_mask=attention_mask,
                position_ids=position_ids,
                past_key_values=past_key_values,
                labels=labels,
                logits_to_keep=logits_to_keep,
                **kwargs,
            )

    def generate(
        self,
        inputs: Tensor | None = None,
        generation_config: GenerationConfig | None = None,
        *,
        announces: bool = False,
        **settings: Any,
    ) -> Any:
        """As `transformers` generates, but what stands for a picture, or announces one, is never written: there is none for it.

        Args:
            announces: of a model that draws, whether it may write that token where it would draw; it stops there.
        """
        configured = generation_config or self.generation_config
        if announces:
            ends = settings.get("eos_token_id") or getattr(configured, "eos_token_id", None) or []
            settings["eos_token_id"] = [*([ends] if isinstance(ends, int) else ends), self.config.announcing_token_id]
        never = {self.config.image_token_id, self.config.announcing_token_id}
        if announces:
            never.remove(self.config.announcing_token_id)
        if never:
            suppressed = settings.get("suppress_tokens") or getattr(configured, "suppress_tokens", None) or []
            settings["suppress_tokens"] = [*suppressed, *sorted(never)]
        return super().generate(inputs, generation_config, **settings)

    def prepare_inputs_for_generation(
        self, input_ids: Tensor, is_first_iteration: bool = False, **kwargs: Any
    ) -> dict[str, Any]:
        """Pictures are shown on the first step only: later steps find them in the cache."""
        pictures = {name: kwargs.pop(name, None) for name in PICTURES}
        inputs = super().prepare_inputs_for_generation(input_ids, is_first_iteration=is_first_iteration, **kwargs)
        if is_first_iteration or not kwargs.get("use_cache", True):
            inputs |= pictures
        if self.knows_pictures:
            length = inputs["input_ids"].shape[1]
            inputs["ids_before"] = input_ids[:, :-length]
            if self.language_model_knows_pictures:
                is_image = input_ids == self.config.image_token_id
                mask = kwargs.get("attention_mask")
                words = ~is_image if mask is None else ~is_image & mask.bool()
                inputs["position_ids"] = word_positions(words)[:, -length:]
        return inputs

    def _expand_inputs_for_generation(
        self,
        expand_size: int = 1,
        is_encoder_decoder: bool = False,
        input_ids: Tensor | None = None,
        **model_kwargs: Any,
    ) -> tuple[Tensor, dict[str, Any]]:
        """Rows repeated for beams and several answers, each with all of its pictures.

        The base class repeats every tensor entry by entry, which tears the pictures of a row apart. So pictures become
        vectors here, once, and a row's vectors are repeated together.
        """
        pictures = {name: model_kwargs.pop(name, None) for name in PICTURES}
        if input_ids is not None and expand_size > 1:
            vectors = pictures.pop("image_vectors")
            if vectors is None and pictures["pixel_values"] is not None:
                vectors = self.image_vectors(**pictures)
            if vectors is not None:
                rows = vectors.split((input_ids == self.config.image_token_id).sum(1).tolist())
                vectors = torch.cat([row for row in rows for _ in range(expand_size)])
            pictures = {"image_vectors": vectors}
        input_ids, model_kwargs = super()._expand_inputs_for_generation(
            expand_size=expand_size, is_encoder_decoder=is_encoder_decoder, input_ids=input_ids, **model_kwargs
        )
        return input_ids, model_kwargs | {name: tensor for name, tensor in pictures.items() if tensor is not None}


def target_losses(model: PreTrainedModel, hidden_NH: Tensor, targets_N: Tensor, z_loss: float = 0.0) -> Tensor:
    """Summed cross-entropy of hidden states [N, H] against target ids [N], through the language model's output head, and
    ``z_loss`` times the squared logarithms of the softmax's sums.

    Only the positions that are learned pass through the head: with a small model the head is a fifth of the work, and
    most positions (pictures, questions) have no target.
    """
    logits = model.get_output_embeddings()(hidden_NH).float()
    losses = nn.functional.cross_entropy(logits, targets_N, reduction="sum")
    return losses + z_loss * logits.logsumexp(-1).square().sum() if z_loss else losses


def decoder_hidden(model: PreTrainedModel, **inputs: Any) -> Tensor:
    """Last hidden states [B, L, H] of a causal language model, without its output head."""
    return model.get_decoder()(use_cache=False, **inputs).last_hidden_state


__all__ = ["OmmaForConditionalGeneration", "decoder_hidden", "target_losses"]


def _own_modules(part: nn.Module) -> Iterator[nn.Module]:
    """The modules of a part that initialise themselves: all but models of `transformers`, of which its machinery also makes the
    buffers that are not saved."""
    if not isinstance(part, PreTrainedModel):
        yield part
        for child in part.children():
            yield from _own_modules(child)
