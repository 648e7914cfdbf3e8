"""Text and pictures to model inputs for `transformers`, through the renderer that training uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from transformers import BatchFeature, PreTrainedTokenizerBase, ProcessorMixin
from transformers.utils import logging

from omma.data.sample import ImageSegment, ImageSource, Role, Segment, TextSegment, Turn
from omma.errors import BadInput
from omma.model.config import OmmaConfig
from omma.model.image_processing import OmmaImageProcessor, encoded, flat, picture
from omma.model.segments import Renderer
from omma.model.template import Piece
from omma.model.templates import template_named

logger = logging.get_logger(__name__)

_SOURCES = ("image", "url", "path", "image_url")
_OPTIONS = {"padding", "padding_side", "truncation", "max_length", "return_tensors", "images"}


class OmmaProcessor(ProcessorMixin):
    """Prompts and chats with pictures, ready for `OmmaForConditionalGeneration`.

    Args:
        image_processor, tokenizer: its two halves; the tokenizer knows ``image_token``.
        chat_template: a Jinja template instead of the one that ``template`` writes.
        template: name of the chat format.
        system: system text instead of the format's own.
        image_token: what stands for a picture in a prompt given as text.
    """

    def __init__(
        self,
        image_processor: OmmaImageProcessor,
        tokenizer: PreTrainedTokenizerBase,
        chat_template: str | None = None,
        template: str = "vicuna-v1",
        system: str | None = None,
        image_token: str = "<image>",
    ) -> None:
        self.template = template
        self.system = system
        self.image_token = image_token
        super().__init__(image_processor, tokenizer, chat_template=chat_template or self._written_template())

    def _written_template(self) -> str:
        return template_named(self.template).jinja(system=self.system, image_token=self.image_token)

    @cached_property
    def renderer(self) -> Renderer:
        """What turns samples into ids; training uses the same."""
        return Renderer(
            self.tokenizer,
            template_named(self.template),
            runs_of=self.image_processor.runs_of,
            system=self.system,
            image_token=self.image_token,
        )

    @property
    def image_token_id(self) -> int:
        return self.renderer.image_token_id

    def __call__(self, images: Any = None, text: str | Sequence[str] | None = None, **options: Any) -> BatchFeature:
        """Model inputs of prompts.

        Args:
            images: pictures in the order in which the prompts show them; nested lists are flattened.
            text: one prompt or several, each picture as the image token. Special tokens in it are special.
            options: ``padding`` (default True; "max_length" pads to ``max_length``), ``padding_side`` (default
                "left"), ``truncation`` with ``max_length``, ``return_tensors``.

        Returns:
            ``input_ids`` and ``attention_mask`` [B, L], and what `OmmaImageProcessor.preprocess` gives if there are
            pictures.

        Raises:
            BadInput: if there are not as many pictures as image tokens, or a picture cannot be read.
        """
        sources = [picture(image) for image in flat(images)] if images is not None else []
        if text is None:
            return self.image_processor(sources, return_tensors=options.get("return_tensors"))
        prompts = [text] if isinstance(text, str) else list(text)
        places = sum(prompt.count(self.image_token) for prompt in prompts)
        if places != len(sources):
            raise BadInput(
                "prompt",
                expected=f"as many pictures as it has {self.image_token} tokens, {places}",
                found=f"{len(sources)} pictures",
                remedy=f"write {self.image_token} once where each picture belongs",
            )
        remaining = iter(sources)
        return self._batch([list(self.pieces(prompt, remaining)) for prompt in prompts], sources, options)

    def apply_chat_template(  # type: ignore[override]
        self,
        conversation: Any,
        chat_template: str | None = None,
        *,
        tokenize: bool = False,
        add_generation_prompt: bool = False,
        continue_final_message: bool | str = False,
        return_dict: bool = False,
        processor_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """A chat, or a list of chats, as text or as model inputs.

        What the messages say cannot become special tokens or pictures in model inputs, whatever it looks like.

        Args:
            conversation: messages with ``role`` and ``content``, a string or a list of
                ``{"type": "text", "text": ...}`` and ``{"type": "image", "image" | "url" | "path" | "base64": ...}``.
            kwargs: the options of `__call__`.

        Raises:
            BadInput: for malformed messages, or a picture that cannot be read.
        """
        if not tokenize or (chat_template or self.chat_template) != self._written_template():
            return super().apply_chat_template(
                conversation,
                chat_template,
                tokenize=tokenize,
                add_generation_prompt=add_generation_prompt,
                continue_final_message=continue_final_message,
                return_dict=return_dict,
                processor_kwargs=dict(processor_kwargs or {}),
                **kwargs,
            )
        options = {**kwargs, **(processor_kwargs or {})}
        given = [picture(image) for image in flat(options.pop("images", None) or [])]
        remaining = iter(given)
        chats = [conversation] if conversation and isinstance(conversation[0], Mapping) else list(conversation)
        prompts = []
        for chat in chats:
            turns = turns_of(chat, remaining)
            pieces = self.renderer.template.pieces(
                turns,
                eos=self.renderer.eos,
                system=self.system,
                generation_prompt=add_generation_prompt,
                open_end=bool(continue_final_message),
            )
            prompts.append(list(pieces))
        unused = len(list(remaining))
        if unused:
            raise BadInput(
                "images",
                expected=f"{len(given) - unused} pictures, as many as the messages leave open",
                found=str(len(given)),
                remedy='add {"type": "image"} to a message for each',
            )
        shown = [piece for prompt in prompts for piece in prompt if not isinstance(piece, Piece)]
        batch = self._batch(prompts, shown, options)
        return batch if return_dict else batch["input_ids"]

    def to_dict(self) -> dict[str, Any]:
        return {
            "processor_class": type(self).__name__,
            "image_processor": self.image_processor.to_dict(),
            "template": self.template,
            "system": self.system,
            "image_token": self.image_token,
        }

    def pieces(self, prompt: str, pictures: Iterator[ImageSource]) -> Iterator[Piece | ImageSource]:
        """A prompt given as text, cut at its image tokens, with the next picture in place of each."""
        bos = self.tokenizer.bos_token
        if bos:
            prompt = prompt.removeprefix(bos)  # the renderer writes it where the tokenizer would
        first, *rest = prompt.split(self.image_token)
        yield Piece(first, structural=True)
        for text in rest:
            yield next(pictures)
            yield Piece(text, structural=True)

    def _batch(
        self, prompts: Sequence[Sequence[Piece | ImageSource]], sources: Sequence[ImageSource], given: dict[str, Any]
    ) -> BatchFeature:
        options = _flattened(given)
        max_length = options.get("max_length")
        limit = max_length if options.get("truncation") else None
        rows = [self.renderer.render_pieces(prompt, max_length=limit).input_ids for prompt in prompts]
        padding = options.get("padding", True)
        masks = [np.ones_like(row) for row in rows]
        if padding not in (False, "do_not_pad"):
            length = max(len(row) for row in rows)
            if padding == "max_length" and max_length is not None:
                length = max(length, max_length)
            left = options.get("padding_side", "left") == "left"
            rows = [_padded(row, length, self._padding_id, left) for row in rows]
            masks = [_padded(mask, length, 0, left) for mask in masks]
        data: dict[str, Any] = {
            "input_ids": [row.tolist() for row in rows],
            "attention_mask": [mask.tolist() for mask in masks],
        }
        if sources:
            data |= self.image_processor(sources)
        return BatchFeature(data, tensor_type=options.get("return_tensors"))

    @property
    def _padding_id(self) -> int:
        for token in (self.tokenizer.pad_token_id, self.tokenizer.eos_token_id):
            if token is not None:
                return token
        return 0


def processor_of(
    config: OmmaConfig, tokenizer: PreTrainedTokenizerBase, *, chat_template: str | None = None
) -> OmmaProcessor:
    """The processor of a model with that config."""
    return OmmaProcessor(
        OmmaImageProcessor(config.resolution, config.encoder, config.projector),
        tokenizer,
        chat_template=chat_template,
        template=config.template,
        system=config.system,
        image_token=str(tokenizer.convert_ids_to_tokens(config.image_token_id)),
    )


def turns_of(messages: Sequence[Mapping[str, Any]], pictures: Iterator[ImageSource]) -> tuple[Turn, ...]:
    """Turns of a chat in the form that `transformers` knows.

    Args:
        pictures: for image items that name none.

    Raises:
        BadInput: for an unknown role or item, or an image item for which there is no picture.
    """
    if not messages:
        raise BadInput("messages", expected="at least one message", found="none", remedy="add what the user says")
    turns = []
    for i, message in enumerate(messages):
        where = f"message {i + 1}"
        role, content = message.get("role"), message.get("content")
        if role not in list(Role):
            raise BadInput(
                f"{where}, role",
                expected="system, user or assistant",
                found=repr(role),
                remedy="tools and other roles are not known to these chat formats",
            )
        if isinstance(content, str):
            items: tuple[Segment, ...] = (TextSegment(content),)
        elif isinstance(content, (list, tuple)):
            items = tuple(_segment(item, f"{where}, content", pictures) for item in content)
        else:
            raise BadInput(
                f"{where}, content",
                expected="a string or a list of items",
                found=type(content).__name__,
                remedy="give it what is said",
            )
        turns.append(Turn(Role(role), items))
    return tuple(turns)


def _segment(item: Any, where: str, pictures: Iterator[ImageSource]) -> Segment:
    kind = item.get("type") if isinstance(item, Mapping) else None
    if kind == "text" and isinstance(item.get("text"), str):
        return TextSegment(item["text"])
    if kind in ("image", "image_url"):
        if item.get("base64") is not None:
            return ImageSegment(encoded(item["base64"]))
        for name in _SOURCES:
            if item.get(name) is not None:
                found = item[name]
                return ImageSegment(picture(found["url"] if isinstance(found, Mapping) else found))
        waiting = next(pictures, None)
        if waiting is not None:
            return ImageSegment(waiting)
        raise BadInput(
            where,
            expected=f"a picture under one of {', '.join((*_SOURCES, 'base64'))}",
            found="an image item without one",
            remedy="add it, or pass the pictures as images",
        )
    raise BadInput(
        where,
        expected='items of type "text" or "image"',
        found=repr(kind) if kind is not None else type(item).__name__,
        remedy="leave out what the model cannot read",
    )


def _flattened(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options for text and pictures, which `transformers` also takes in nested groups, as one flat mapping."""
    options: dict[str, Any] = {}
    for name, value in given.items():
        if name in ("text_kwargs", "images_kwargs", "common_kwargs"):
            options |= value
        elif name in _OPTIONS:
            options[name] = value
        elif value not in (None, False):
            logger.warning_once(f"OmmaProcessor ignores the option {name}={value!r}: it does not know it.")
    return options


def _padded(row: np.ndarray, length: int, value: int, left: bool) -> np.ndarray:
    missing = length - len(row)
    return np.pad(row, (missing, 0) if left else (0, missing), constant_values=value)
