"""Google's Gemini by Google's own client, with what only that tells: why an answer was blocked, tokens spent on thinking."""

from __future__ import annotations

import os
from typing import Any, Literal

from pydantic import Field

from omma.data.sample import ImageSegment, Role, Sample
from omma.errors import BadInput
from omma.evaluation.models.cache import ReplyCache
from omma.evaluation.models.remote import (
    GiveUp,
    RemoteConfig,
    RemoteModel,
    TryAgain,
    png,
    silence,
    text_of,
    transport_failure,
)
from omma.model.output import Output

REFUSED = {
    "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE",
    "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR",
}  # fmt: skip


class GeminiConfig(RemoteConfig):
    key_env: str = "GEMINI_API_KEY"
    media_resolution: Literal["low", "medium", "high"] | None = None
    """How many tokens a picture becomes; the model's own choice if absent."""
    thinking_tokens: int | None = Field(default=None, ge=0)
    """Tokens for thinking at most, 0 for none; the model's own choice if absent."""


class GeminiModel(RemoteModel):
    """Asks with the ``google-genai`` package.

    Raises:
        BadInput: if that is not installed or the key is not there.
    """

    config: GeminiConfig

    def __init__(self, config: GeminiConfig, *, cache: ReplyCache | None = None, seed: int = 0) -> None:
        super().__init__(config, cache=cache, seed=seed)
        try:
            from google import genai
            from google.genai import errors, types
        except ImportError:
            raise BadInput(
                f"model gemini:{config.model}",
                expected="the package google-genai",
                found="none",
                remedy="pip install 'omma[endpoints]'",
            ) from None
        self._key = os.environ.get(config.key_env, "")
        if not self._key:
            raise BadInput(
                f"model gemini:{config.model}",
                expected=f"a key in the environment variable {config.key_env}",
                found="none",
                remedy="set it",
            )
        self._genai: Any = genai
        self._types: Any = types
        self._errors: Any = errors
        self._client: Any = None

    def session(self) -> Any:
        options = self._types.HttpOptions(
            base_url=self.config.url,
            timeout=int(1000 * self.config.timeout),
            retry_options=self._types.HttpRetryOptions(attempts=1),
        )
        self._client = self._genai.Client(api_key=self._key, vertexai=False, http_options=options).aio
        return self._client

    async def ask(self, prompt: Sample) -> Output:
        try:
            reply = await self._client.models.generate_content(
                model=self.config.model, contents=self._contents(prompt), config=self._settings(prompt)
            )
            return _read(reply)
        except self._errors.APIError as error:
            code, said = error.code or 0, f"{error.status}: {' '.join(str(error.message).split())[:200]}"
            if code == 429:
                raise TryAgain("too many requests (429)", busy=True) from None
            if code >= 500 or code == 408:
                raise TryAgain(f"server error {code}", busy=code == 503) from None
            if code in (401, 403, 404):
                raise BadInput(
                    f"model gemini:{self.config.model}",
                    expected="an endpoint that knows the model and takes the key",
                    found=f"status {code}: {said}",
                    remedy=f"correct the name, the address (url) or the key ({self.config.key_env})",
                ) from None
            raise GiveUp(f"the request was refused with status {code}: {said}") from None
        except (ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
            raise TryAgain(f"a reply that cannot be read ({type(error).__name__})") from None
        except TimeoutError:
            raise silence(self.config.timeout) from None
        except Exception as error:
            # The client lets errors of whichever transport it uses through.
            raise transport_failure(error, self.config.timeout) or error from None

    def _contents(self, prompt: Sample) -> list[Any]:
        types = self._types
        return [
            types.Content(
                role="user" if turn.role is Role.USER else "model", parts=[self._part(segment) for segment in turn.content]
            )
            for turn in prompt.turns
            if turn.role is not Role.SYSTEM
        ]

    def _part(self, segment: Any) -> Any:
        if isinstance(segment, ImageSegment):
            return self._types.Part.from_bytes(data=png(segment.image, self.config.longest_side), mime_type="image/png")
        return self._types.Part(text=text_of(segment))

    def _settings(self, prompt: Sample) -> Any:
        types, config = self._types, self.config
        system = "\n".join(turn.text for turn in prompt.turns if turn.role is Role.SYSTEM)
        resolution = config.media_resolution
        return types.GenerateContentConfig(
            system_instruction=system or None,
            temperature=config.temperature,
            max_output_tokens=config.max_new_tokens,
            media_resolution=f"MEDIA_RESOLUTION_{resolution.upper()}" if resolution else None,
            thinking_config=None
            if config.thinking_tokens is None
            else types.ThinkingConfig(thinking_budget=config.thinking_tokens),
        )


def _read(reply: Any) -> Output:
    usage = reply.usage_metadata
    counted: dict[str, Any] = {
        "prompt_tokens": usage.prompt_token_count if usage else None,
        # Thinking is paid for as the reply is.
        "tokens": (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0) if usage else None,
    }
    if reply.prompt_feedback is not None and reply.prompt_feedback.block_reason is not None:
        return Output(None, "refused", f"blocked: {reply.prompt_feedback.block_reason.value}", **counted)
    if not reply.candidates:
        raise TryAgain("a reply without anything in it")
    candidate = reply.candidates[0]
    reason = candidate.finish_reason.value if candidate.finish_reason is not None else ""
    parts = (candidate.content.parts if candidate.content is not None else None) or []
    text = "".join(part.text or "" for part in parts if not part.thought).strip()
    if reason in REFUSED:
        return Output(text or None, "refused", f"blocked: {reason}", **counted)
    if reason not in ("STOP", "MAX_TOKENS"):
        raise TryAgain(f"the reply ended for the reason {reason or 'unknown'}")
    return Output(text, "length" if reason == "MAX_TOKENS" else "stop", **counted)
