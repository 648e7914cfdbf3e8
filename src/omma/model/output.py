"""Output: what came back for one prompt, from whatever answers. Evaluation counts what is missing by it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

Finish = Literal["stop", "length", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class Output:
    """One reply, or the reason why there is none.

    Attributes:
        text: the reply; None if none came.
        finish: "stop", it came to its end; "length", it was cut off; "refused", the model or its provider would not answer;
            "failed", nothing that could be read came back.
        error: why nothing came, in one sentence; empty otherwise.
        log_probabilities: of the reply's tokens, in nats; None where the model does not tell.
        prompt_tokens, tokens: of the prompt with its pictures and of the reply; None where nobody counts.
        seconds: from the question to the end of the reply; None where it was one of a batch.
    """

    text: str | None
    finish: Finish = "stop"
    error: str = ""
    # Numbers that depend on the company in which a prompt was asked, by a rounding error or more, make no other reply.
    log_probabilities: tuple[float, ...] | None = field(default=None, compare=False)
    prompt_tokens: int | None = field(default=None, compare=False)
    tokens: int | None = field(default=None, compare=False)
    seconds: float | None = field(default=None, compare=False)

    @property
    def confidence(self) -> float | None:
        """The geometric mean of the tokens' probabilities, in [0, 1]; None where the model does not tell."""
        if not self.log_probabilities:
            return None
        return min(1.0, math.exp(sum(self.log_probabilities) / len(self.log_probabilities)))
