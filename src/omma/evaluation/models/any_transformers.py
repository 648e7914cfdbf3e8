"""Any image-text-to-text model of `transformers`, as its own processor and chat template have it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor, LogitsProcessorList

from omma.data.sample import ImageSegment, Sample
from omma.errors import BadInput
from omma.evaluation.models.remote import text_of
from omma.model.chances import GreedyChances, length_of
from omma.model.output import Output


class TransformersModel:
    """An `omma.evaluation.Answerer`: greedy, left-padded, on the accelerator if there is one.

    Args:
        source: directory, or name on the hub. Code that comes with a model is not run.
        max_new_tokens: longest answer.
        batch: most prompts that are generated for at a time.
        dtype: what it computes in; as it was stored if absent.

    Raises:
        BadInput: if there is no such model, it has no chat template, or needs code of its own.
    """

    def __init__(self, source: str, *, max_new_tokens: int = 64, batch: int = 8, dtype: str = "auto") -> None:
        try:
            self.processor: Any = AutoProcessor.from_pretrained(source)
            self.model: Any = AutoModelForImageTextToText.from_pretrained(source, dtype=dtype).eval()
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise BadInput(
                f"model transformers:{source}",
                expected="an image-text-to-text model that transformers knows",
                found=" ".join(str(error).split())[:300],
                remedy="name its directory or its place on the hub",
            ) from None
        tokenizer = getattr(self.processor, "tokenizer", None)
        if tokenizer is None or not (getattr(self.processor, "chat_template", None) or tokenizer.chat_template):
            raise BadInput(
                f"model transformers:{source}",
                expected="a chat template with the processor",
                found="none",
                remedy="give it one (chat_template.jinja)",
            )
        tokenizer.padding_side = "left"
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        self.tokenizer = tokenizer
        self.max_new_tokens, self.batch = max_new_tokens, batch
        self.model.to("cuda" if torch.cuda.is_available() else "cpu")
        configured = self.model.generation_config.eos_token_id
        ids = {*([configured] if isinstance(configured, int) else configured or []), tokenizer.eos_token_id}
        self._ends = sorted(ids - {None})

    def answer(self, prompts: Sequence[Sample]) -> list[Output]:
        """One reply per prompt, in order. Raises BadInput for a picture that cannot be read."""
        outputs: list[Output] = []
        for start in range(0, len(prompts), self.batch):
            outputs += self._generate(prompts[start : start + self.batch])
        return outputs

    @torch.inference_mode()
    def _generate(self, prompts: Sequence[Sample]) -> list[Output]:
        inputs = self.processor.apply_chat_template(
            [_messages(prompt) for prompt in prompts],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True},
        ).to(self.model.device)
        for name, tensor in inputs.items():
            if torch.is_tensor(tensor) and tensor.is_floating_point():
                inputs[name] = tensor.to(self.model.dtype)
        chances = GreedyChances()
        length = inputs["input_ids"].shape[1]
        found = self.model.generate(
            **inputs,
            max_new_tokens=self.max_new_tokens,
            do_sample=False,
            pad_token_id=self.tokenizer.pad_token_id,
            logits_processor=LogitsProcessorList([chances]),
        )
        # Some models give back the reply alone.
        replies = found[:, length:] if found.shape[1] > length else found
        texts = self.tokenizer.batch_decode(replies, skip_special_tokens=True)
        real = inputs["attention_mask"].sum(dim=1).tolist()
        outputs = []
        for text, row, logs, prompt_tokens in zip(texts, replies, chances.chosen(), real, strict=True):
            tokens, ended = length_of(row, self._ends)
            outputs.append(
                Output(
                    text.strip(),
                    "stop" if ended else "length",
                    log_probabilities=tuple(logs[:tokens].tolist()),
                    prompt_tokens=int(prompt_tokens),
                    tokens=tokens,
                )
            )
        return outputs


def _messages(prompt: Sample) -> list[dict[str, Any]]:
    return [{"role": turn.role.value, "content": [_part(segment) for segment in turn.content]} for turn in prompt.turns]


def _part(segment: Any) -> dict[str, Any]:
    if isinstance(segment, ImageSegment):
        return {"type": "image", "image": segment.image.load()}
    return {"type": "text", "text": text_of(segment)}
