"""omma's models as lmms-eval's chat models."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from lmms_eval.api.instance import GenerationResult, Instance, TokenCounts
from lmms_eval.api.model import lmms

from omma.lmms_eval.conversation import USUAL_BATCH, Generation, batch_of, conversation
from omma.model.answering import ModelAnswerer
from omma.model.loading import model_directory


class OmmaChat(lmms):
    """A model directory, a run, or ``zoo:NAME``: greedy, a picture encoded once however many questions are about it.

    Args:
        model: which one.
        batch_size: most prompts that are generated for at a time; "auto" is 64.
        max_new_tokens: of an answer at most, whatever a task says: a model with 2,048 places has no room for 4,096.
        device, max_batch_size: what lmms-eval gives every model; the accelerator is taken if there is one.

    Raises:
        BadInput: if there is no such model, or no such batch.
    """

    is_simple = False

    def __init__(
        self, model: str = "zoo:llava-1.5-small", batch_size: int | str = USUAL_BATCH, max_new_tokens: int | None = None,
        device: str | None = None, max_batch_size: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.answerer = ModelAnswerer.from_directory(model_directory(model), batch=batch_of(batch_size))
        self.most = None if max_new_tokens is None else int(max_new_tokens)

    def generate_until(self, requests: list[Instance]) -> list[GenerationResult]:
        """An answer to every request, in their order. Raises BadInput as `conversation` and `Generation.of`."""
        asked = []
        for place, request in enumerate(requests):
            _, messages_of, settings, number, task, split = request.args
            sample = conversation(messages_of(self.task_dict[task][split][number]), f"{task}/{split}/{number}")
            asked.append((Generation.of(settings, self.most), place, sample))
        answers = [GenerationResult("")] * len(requests)
        asked.sort(key=lambda one: (one[0].tokens, one[1]))
        for tokens, group in groupby(asked, key=lambda one: one[0].tokens):
            some = list(group)
            self.answerer.max_new_tokens = tokens
            for (wanted, place, _), output in zip(some, self.answerer.answer([sample for *_, sample in some]), strict=True):
                counts = TokenCounts(input_tokens=output.prompt_tokens, output_tokens=output.tokens)
                answers[place] = GenerationResult(wanted.ended(output.text or ""), counts)
        return answers

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Raises NotImplementedError: chat tasks ask for text, and so does omma's own evaluation."""
        raise NotImplementedError("omma answers tasks with output_type generate_until; leave out those of loglikelihood")

    def generate_until_multi_round(self, requests: list[Instance]) -> list[Any]:
        """Raises NotImplementedError."""
        raise NotImplementedError("omma answers tasks with output_type generate_until; leave out those of several rounds")
