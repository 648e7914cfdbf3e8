"""Answers: what evaluation, the demo and chat ask a finished model through. Greedy, cached, left-padded.

Shapes: B prompts, L tokens, V views, T features a view, C channels.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import LogitsProcessorList, StoppingCriteria, StoppingCriteriaList, TextIteratorStreamer

from omma.data.sample import ImageSegment, ImageSource, Role, Sample, TextSegment, Turn
from omma.errors import BadInput
from omma.model.chances import GreedyChances, length_of
from omma.model.loading import load_model
from omma.model.modeling import OmmaForConditionalGeneration
from omma.model.output import Output
from omma.model.processing import OmmaProcessor
from omma.model.shared_prefix import SharedPrefix
from omma.model.templates import template_named

VECTOR_BYTES = 512 * 2**20
"""Encoder features that are kept in memory at most; the pictures that were shown longest ago go first."""

MASK_NUMBERS = 2**24
"""Of a batch's attention mask at most. Prompts of several lengths need one, the square of the longest for each of them, and
nothing that it leaves out is spared; those of one length need none."""


@dataclass(frozen=True, slots=True, eq=False)
class _Prompt:
    ids: np.ndarray
    images: tuple[ImageSource, ...]


class ModelAnswerer:
    """Answers questions about pictures (an `omma.evaluation.Answerer`), all at once or as a stream.

    A picture goes through the encoder once, however many questions are asked about it, and through the language model once for
    those that are asked together. Each is encoded alone, so its features do not depend on the company in which it was shown.

    Args:
        model, processor: as `omma.model.loading.load_model` gives them, or any of these classes.
        max_new_tokens: longest answer.
        batch: most prompts that are generated for at a time.
    """

    def __init__(
        self,
        model: OmmaForConditionalGeneration,
        processor: OmmaProcessor,
        *,
        max_new_tokens: int = 32,
        batch: int = 64,
    ) -> None:
        self.model = model.eval()
        self.processor = processor
        self.max_new_tokens = max_new_tokens
        self.batch = batch
        self._vectors: OrderedDict[str, Tensor] = OrderedDict()
        self._vector_bytes = 0
        template = template_named(processor.template)
        written = template.jinja(system=processor.system, image_token=processor.image_token)
        self._own_chat_template = processor.chat_template != written
        self._stop_text, self._stop_ids = self._stops()

    @classmethod
    def from_directory(cls, directory: Path, *, dtype: torch.dtype = torch.float32, **settings: Any) -> ModelAnswerer:
        """The saved model of a directory, on the accelerator if there is one. Raises BadInput if it is not whole."""
        model, processor = load_model(directory, dtype=dtype)
        return cls(model.to("cuda" if torch.cuda.is_available() else "cpu"), processor, **settings)

    def answer(self, prompts: Sequence[Sample]) -> list[Output]:
        """One reply per prompt, in order. The last turn of a prompt is the user's.

        Raises:
            BadInput: for a picture that cannot be read, or a prompt that leaves no room for an answer.
        """
        rendered = [self._prompt(sample.turns) for sample in prompts]
        # Prompts of like length share a batch, so that little of it is padding.
        order = sorted(range(len(rendered)), key=lambda i: -len(rendered[i].ids))
        replies: list[Output] = [Output(None)] * len(rendered)
        for start in range(0, len(order), self.batch):
            chosen = order[start : start + self.batch]
            for i, reply in zip(chosen, self._generate([rendered[i] for i in chosen]), strict=True):
                replies[i] = reply
        return replies

    def stream(self, turns: Sequence[Turn]) -> Generator[str]:
        """The reply to a conversation, piece by piece as it is generated. Closing the iterator stops the model.

        Raises:
            BadInput: as `answer`.
        """
        inputs = self._inputs([self._prompt(turns)])
        tokenizer: Any = self.processor.tokenizer
        streamer = TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
        cancelled = Event()
        failures: list[BaseException] = []

        def work() -> None:
            try:
                self._run(inputs, streamer=streamer, stopping_criteria=StoppingCriteriaList([_Cancelled(cancelled)]))
            except BaseException as error:  # it is raised again where the stream is read
                failures.append(error)
                streamer.end()

        thread = Thread(target=work, daemon=True)
        thread.start()
        try:
            yield from _cleaned(streamer, self._stop_text)
        finally:
            cancelled.set()
            thread.join()
        if failures:
            raise failures[0]

    def go_on(self, turns: Sequence[Turn]) -> tuple[str, bool]:
        """The words with which the assistant goes on in its turn, the last one, and whether it stops to draw a picture.

        Raises:
            BadInput: as `answer`.
        """
        renderer = self.processor.renderer
        pieces = renderer.template.pieces(turns, eos=renderer.eos, system=renderer.system, open_end=True)
        inputs = self._inputs([self._fitting(renderer.render_pieces(pieces).input_ids, turns)])
        reply = self._run(inputs, announces=True)[0, inputs["input_ids"].shape[1] :]
        text = self.processor.tokenizer.decode(reply, skip_special_tokens=True)
        return "".join(_cleaned([text], self._stop_text)), int(reply[-1]) == self.model.config.announcing_token_id

    def _prompt(self, turns: Sequence[Turn]) -> _Prompt:
        images = Sample("prompt", tuple(turns)).images
        renderer = self.processor.renderer
        if self._own_chat_template:
            text = self.processor.apply_chat_template(_messages(turns), add_generation_prompt=True)
            if text.count(self.processor.image_token) != len(images):
                raise BadInput(
                    "conversation",
                    expected=f"words without {self.processor.image_token}, which stands for a picture here",
                    found="it in what somebody said",
                    remedy="write it differently",
                )
            ids = renderer.render_pieces(self.processor.pieces(text, iter(images))).input_ids
        else:
            ids = renderer.render_turns(turns, for_generation=True).input_ids
        return self._fitting(ids, turns)

    def _fitting(self, ids: np.ndarray, turns: Sequence[Turn]) -> _Prompt:
        """A prompt that leaves room for an answer."""
        limit = getattr(self.model.config.text_config, "max_position_embeddings", None)
        if limit is not None and len(ids) + self.max_new_tokens > limit:
            raise BadInput(
                "conversation",
                expected=f"at most {limit - self.max_new_tokens} tokens, pictures included",
                found=str(len(ids)),
                remedy="begin a new one, or show fewer pictures",
            )
        return _Prompt(ids, Sample("prompt", tuple(turns)).images)

    def _generate(self, prompts: Sequence[_Prompt]) -> list[Output]:
        inputs = self._shared_inputs(prompts)
        if inputs is None:
            together = _without_large_masks(prompts)
            if len(together) > 1:
                return [output for group in together for output in self._generate(group)]
            inputs = self._inputs(prompts)
        chances = GreedyChances()
        replies = self._run(inputs, logits_processor=LogitsProcessorList([chances]))[:, inputs["input_ids"].shape[1] :]
        texts = self.processor.tokenizer.batch_decode(replies, skip_special_tokens=True)
        chosen = chances.chosen()
        outputs = []
        for prompt, text, row, logs in zip(prompts, texts, replies, chosen, strict=True):
            length, ended = length_of(row, self._stop_ids)
            stopped = ended or bool(self._stop_text and self._stop_text in text)
            outputs.append(
                Output(
                    "".join(_cleaned([text], self._stop_text)).strip(),
                    "stop" if stopped else "length",
                    log_probabilities=tuple(logs[:length].tolist()),
                    prompt_tokens=len(prompt.ids),
                    tokens=length,
                )
            )
        return outputs

    def _inputs(self, prompts: Sequence[_Prompt]) -> dict[str, Tensor]:
        ids, mask = self._padded([prompt.ids for prompt in prompts])
        inputs = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
        images = [image for prompt in prompts for image in prompt.images]
        if images:
            inputs["image_vectors"] = torch.cat([self._vectors_of(image) for image in images])
        return {name: tensor.to(self.model.device) for name, tensor in inputs.items()}

    @torch.inference_mode()
    def _shared_inputs(self, prompts: Sequence[_Prompt]) -> dict[str, Any] | None:
        """As `_inputs`, with the beginnings that prompts share read already; None where that does not pay."""
        every = [prompt.ids for prompt in prompts]
        shared = SharedPrefix.of(self.model, every, [tuple(image.key for image in prompt.images) for prompt in prompts])
        if shared is None:
            return None
        cache = shared.read(
            self.model,
            every,
            lambda number: torch.cat([self._vectors_of(image) for image in prompts[number].images]),
            room=max(map(len, every)) - shared.length + self.max_new_tokens,
        )
        if cache is None:
            return None
        # Padding stands between what is read already and what is not.
        ids, mask = self._padded([row[shared.length :] for row in every])
        ids = np.concatenate([np.stack([row[: shared.length] for row in every]), ids], axis=1)
        mask = np.pad(mask, ((0, 0), (shared.length, 0)), constant_values=1)
        device = self.model.device
        return {
            "input_ids": torch.from_numpy(ids).to(device),
            "attention_mask": torch.from_numpy(mask).to(device),
            "past_key_values": cache,
        }

    def _padded(self, rows: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Rows filled up on the left, and where they are not padding."""
        length = max(map(len, rows))
        ids = np.stack([np.pad(row, (length - len(row), 0), constant_values=self._padding_id) for row in rows])
        return ids, np.stack([np.arange(length) >= length - len(row) for row in rows]).astype(np.int64)

    @torch.inference_mode()
    def _run(self, inputs: dict[str, Any], **settings: Any) -> Tensor:
        if self._stop_text:
            settings |= {"stop_strings": [self._stop_text], "tokenizer": self.processor.tokenizer}
        return self.model.generate(
            **inputs,
            max_new_tokens=self.max_new_tokens,
            do_sample=False,
            eos_token_id=self._stop_ids or None,
            pad_token_id=self._padding_id,
            **settings,
        )

    @torch.inference_mode()
    def _vectors_of(self, image: ImageSource) -> Tensor:
        """Image vectors [K, H] of one picture."""
        found = self._vectors.get(image.key)
        if found is not None:
            self._vectors.move_to_end(image.key)
            return found
        inputs = self.processor.image_processor([image], return_tensors="pt")
        vectors = self.model.image_vectors(**inputs.to(self.model.device))
        self._vectors[image.key] = vectors
        self._vector_bytes += vectors.nbytes
        while self._vector_bytes > VECTOR_BYTES and len(self._vectors) > 1:
            self._vector_bytes -= self._vectors.popitem(last=False)[1].nbytes
        return vectors

    @property
    def _padding_id(self) -> int:
        tokenizer: Any = self.processor.tokenizer
        return tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id or 0

    def _stops(self) -> tuple[str, list[int]]:
        """The text that ends an answer if it is no single token, and every token that does."""
        tokenizer: Any = self.processor.tokenizer
        configured = getattr(self.model.generation_config, "eos_token_id", None)
        ids = {*([configured] if isinstance(configured, int) else configured or []), tokenizer.eos_token_id} - {None}
        if self._own_chat_template:
            return "", sorted(ids)
        stop = template_named(self.processor.template).stop(tokenizer.eos_token or "")
        vocabulary = tokenizer.get_vocab()
        if stop in tokenizer.all_special_tokens and stop in vocabulary:
            return "", sorted(ids | {vocabulary[stop]})
        return stop, sorted(ids)


def _without_large_masks(prompts: Sequence[_Prompt]) -> list[list[_Prompt]]:
    """Prompts, of which none is longer than the one before, in batches whose masks are not too large."""
    groups: list[list[_Prompt]] = []
    for prompt in prompts:
        longest = len(groups[-1][0].ids) if groups else 0
        if groups and (len(prompt.ids) == longest or (len(groups[-1]) + 1) * longest**2 <= MASK_NUMBERS):
            groups[-1].append(prompt)
        else:
            groups.append([prompt])
    return groups


class _Cancelled(StoppingCriteria):
    """Stops every row as soon as nobody listens any more."""

    def __init__(self, event: Event) -> None:
        self.event = event

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Tensor:
        return torch.full((input_ids.shape[0],), self.event.is_set(), device=input_ids.device)


def _cleaned(pieces: Iterable[str], stop: str) -> Iterator[str]:
    """The text without the white space before it, and up to the stop text, which may arrive in pieces."""
    held, begun = "", False
    for piece in pieces:
        held += piece
        if not begun:
            held = held.lstrip()
            begun = bool(held)
        if stop and stop in held:
            held = held.partition(stop)[0]
            break
        # What may be the beginning of the stop text waits for the rest of it.
        ready = max(0, len(held) - len(stop) + 1) if stop else len(held)
        if ready:
            yield held[:ready]
            held = held[ready:]
    if held:
        yield held


def _messages(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """Turns in the form in which `transformers` takes a chat."""
    return [{"role": str(Role(turn.role)), "content": [_item(segment) for segment in turn.content]} for turn in turns]


def _item(segment: Any) -> dict[str, Any]:
    if isinstance(segment, TextSegment):
        return {"type": "text", "text": segment.text}
    if isinstance(segment, ImageSegment):
        return {"type": "image"}
    raise BadInput(
        "conversation",
        expected="text and pictures",
        found=type(segment).__name__,
        remedy="write boxes and masks as text",
    )
