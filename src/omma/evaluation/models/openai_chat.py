"""Any endpoint that speaks OpenAI's chat protocol, by OpenAI's own client: GPT-4o, vLLM, SGLang, LMDeploy, llama.cpp, omma's.

Replies are streamed: a server that falls silent is noticed after ``timeout`` seconds, and one that cuts a reply off in the
middle is told from one that has finished it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal

from omma.data.sample import ImageSegment, Sample, Turn
from omma.errors import BadInput
from omma.evaluation.models.cache import ReplyCache
from omma.evaluation.models.remote import (
    GiveUp,
    RemoteConfig,
    RemoteModel,
    TryAgain,
    data_url,
    silence,
    text_of,
    transport_failure,
)
from omma.model.output import Output


class OpenAiConfig(RemoteConfig):
    key_env: str = "OPENAI_API_KEY"
    detail: Literal["auto", "low", "high"] = "high"
    """How closely a provider looks at a picture, where it has levels."""
    reasons: bool = False
    """For models that think first: ``max_completion_tokens`` in place of ``max_tokens``, and no temperature."""


class OpenAiModel(RemoteModel):
    """Asks with the ``openai`` package.

    Raises:
        BadInput: if that is not installed, or the key is neither there nor unnecessary (an address of one's own).
    """

    config: OpenAiConfig

    def __init__(self, config: OpenAiConfig, *, cache: ReplyCache | None = None, seed: int = 0) -> None:
        super().__init__(config, cache=cache, seed=seed)
        try:
            import openai
        except ImportError:
            raise BadInput(
                f"model openai:{config.model}",
                expected="the package openai",
                found="none",
                remedy="pip install 'omma[endpoints]'",
            ) from None
        key = os.environ.get(config.key_env, "")
        if not key and config.url is None:
            raise BadInput(
                f"model openai:{config.model}",
                expected=f"a key in the environment variable {config.key_env}",
                found="none",
                remedy="set it, or give the address of a server of your own (url)",
            )
        self._library: Any = openai
        self._key = key or "none"
        self._client: Any = None

    def session(self) -> Any:
        # Connections belong to one event loop, so every `answer` has its own.
        self._client = self._library.AsyncOpenAI(
            api_key=self._key, base_url=self.config.url, timeout=self.config.timeout, max_retries=0
        )
        return self._client

    async def ask(self, prompt: Sample) -> Output:
        openai = self._library
        try:
            stream = await self._client.chat.completions.create(**self._request(prompt))
            return await _read(stream)
        except openai.RateLimitError as error:
            raise TryAgain("too many requests (429)", busy=True, after=_retry_after(error)) from None
        except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as error:
            raise BadInput(
                f"model openai:{self.config.model}",
                expected="an endpoint that knows the model and takes the key",
                found=f"status {error.status_code}: {_short(error)}",
                remedy=f"correct the name, the address (url) or the key ({self.config.key_env})",
            ) from None
        except openai.APIStatusError as error:
            if error.status_code >= 500 or error.status_code in (408, 409):
                busy = error.status_code in (503, 529)
                raise TryAgain(f"server error {error.status_code}", busy=busy, after=_retry_after(error)) from None
            raise GiveUp(f"the request was refused with status {error.status_code}: {_short(error)}") from None
        except openai.APITimeoutError:
            raise silence(self.config.timeout) from None
        except openai.APIConnectionError as error:
            raise TryAgain(f"the connection failed: {_short(error.__cause__ or error)}") from None
        except openai.APIError as error:
            raise TryAgain(f"the server broke off: {_short(error)}") from None
        except (ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
            # What is no chat completion at all: a proxy's page, half a line of JSON.
            raise TryAgain(f"a reply that cannot be read ({type(error).__name__})") from None
        except Exception as error:
            # The client lets errors of its transport through once a stream has begun.
            raise transport_failure(error, self.config.timeout) or error from None

    def _request(self, prompt: Sample) -> dict[str, Any]:
        config = self.config
        request: dict[str, Any] = {
            "model": config.model,
            "messages": self._messages(prompt.turns),
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_completion_tokens" if config.reasons else "max_tokens": config.max_new_tokens,
        }
        if config.temperature is not None and not config.reasons:
            request["temperature"] = config.temperature
        if config.log_probabilities and not config.reasons:
            request["logprobs"] = True
        return request

    def _messages(self, turns: Sequence[Turn]) -> list[dict[str, Any]]:
        return [{"role": turn.role.value, "content": [self._part(segment) for segment in turn.content]} for turn in turns]

    def _part(self, segment: Any) -> dict[str, Any]:
        if isinstance(segment, ImageSegment):
            address = data_url(segment.image, self.config.longest_side)
            return {"type": "image_url", "image_url": {"url": address, "detail": self.config.detail}}
        return {"type": "text", "text": text_of(segment)}


async def _read(stream: Any) -> Output:
    pieces: list[str] = []
    refusal: list[str] = []
    logs: list[float] = []
    finish, usage, chunks = None, None, 0
    async for chunk in stream:
        chunks += 1
        usage = chunk.usage or usage
        for choice in chunk.choices[:1]:
            pieces.append(choice.delta.content or "")
            refusal.append(getattr(choice.delta, "refusal", None) or "")
            if choice.logprobs is not None:
                logs += [token.logprob for token in choice.logprobs.content or []]
            finish = choice.finish_reason or finish
    if finish is None:
        raise TryAgain("the reply was cut off on its way" if chunks else "a reply without anything in it")
    text = "".join(pieces)
    refused = "".join(refusal)
    counted: dict[str, Any] = {
        "log_probabilities": tuple(logs) or None,
        "prompt_tokens": usage.prompt_tokens if usage else None,
        "tokens": usage.completion_tokens if usage else None,
    }
    if finish == "content_filter" or refused:
        return Output(refused or text, "refused", **counted)
    return Output(text.strip(), "length" if finish == "length" else "stop", **counted)


def _retry_after(error: Any) -> float | None:
    """Seconds that a server asks to be left alone, from its header."""
    try:
        return max(0.0, float(error.response.headers["retry-after"]))
    except (KeyError, ValueError, AttributeError):
        return None


def _short(error: object) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else f"{text[:197]}..."
