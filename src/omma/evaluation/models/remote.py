"""Models behind a network: so many questions at a time, again after a failure, never twice, and at what cost.

A server that is overloaded says so (429, 503); then fewer questions are under way at a time, and slowly more again, as TCP
does it. Waiting before another try is random within a window that doubles ("full jitter", AWS Architecture Blog, 2015), or
what the server asks for. What fails for good is an `Output` that says why; the run goes on.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from omma.data.sample import ImageSegment, ImageSource, Sample, TextSegment
from omma.errors import BadInput
from omma.evaluation.models.cache import ReplyCache
from omma.model.output import Output

LONGEST_WAIT = 60.0
"""Seconds between two tries at most, whatever a server asks for."""


class RemoteConfig(BaseModel):
    """How a remote model is asked. Everything that can change a reply is part of the cache's key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(min_length=1)
    """Name of the model at its provider."""
    url: str | None = None
    """Base address; the provider's own if absent."""
    key_env: str = ""
    """Environment variable that holds the key; a local server may want none."""
    max_new_tokens: int = Field(default=256, ge=1)
    temperature: float | None = 0.0
    """None for models that refuse one."""
    log_probabilities: bool = True
    """Ask for those of the reply's tokens."""
    longest_side: int | None = Field(default=None, ge=1)
    """Pictures are made no larger than that many pixels; they always go as PNG, so nothing else is lost."""
    concurrency: int = Field(default=8, ge=1)
    """Questions under way at a time, at most."""
    timeout: float = Field(default=120.0, gt=0)
    """Seconds without a sign of life after which a try is given up."""
    tries: int = Field(default=6, ge=1)
    first_wait: float = Field(default=1.0, ge=0)
    """Seconds to wait at most before the second try; it doubles from try to try."""
    price_in: float = Field(default=0.0, ge=0)
    price_out: float = Field(default=0.0, ge=0)
    """Dollars per million tokens."""
    most_dollars: float | None = Field(default=None, gt=0)
    """No more questions are asked once so much was spent."""

    def that_counts(self) -> dict[str, Any]:
        """What a reply can depend on."""
        left_out = {"key_env", "concurrency", "timeout", "tries", "first_wait", "price_in", "price_out", "most_dollars"}
        return self.model_dump(exclude=left_out)


class TryAgain(Exception):
    """A try failed in a way that another may not.

    Args:
        busy: whether the server is overloaded.
        after: seconds that it asks to be left alone; None if it does not.
    """

    def __init__(self, reason: str, *, busy: bool = False, after: float | None = None) -> None:
        super().__init__(reason)
        self.busy, self.after = busy, after


class GiveUp(Exception):
    """This question cannot be answered; others may be."""


TRANSPORTS = ("httpx", "httpx2", "httpcore", "httpcore2", "aiohttp")
"""Packages that the providers' clients send requests with; their errors share no class that could be caught."""


def silence(timeout: float) -> TryAgain:
    """That nothing was heard for so many seconds."""
    return TryAgain(f"no sign of life for {timeout:g} seconds")


def transport_failure(error: Exception, timeout: float) -> TryAgain | None:
    """What an error of a client's transport means; None if it is no such error."""
    if type(error).__module__.split(".")[0] not in TRANSPORTS:
        return None
    return silence(timeout) if "Timeout" in type(error).__name__ else TryAgain(f"the connection failed ({type(error).__name__})")


@dataclass
class Spent:
    """What a model has cost so far; replies from the cache cost nothing.

    Attributes:
        asked: questions that went out, each counted once however many tries it took.
        tries: requests that went out.
        cached: replies that were known.
    """

    asked: int = 0
    tries: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    tokens: int = 0
    dollars: float = 0.0


class RemoteModel(ABC):
    """An `omma.evaluation.Answerer` over a network. Subclasses send one request and read the reply.

    Args:
        cache: where replies are kept; None keeps none.
        seed: of the waits.
    """

    def __init__(self, config: RemoteConfig, *, cache: ReplyCache | None = None, seed: int = 0) -> None:
        self.config, self.cache = config, cache
        self.spent = Spent()
        self._random = random.Random(seed)

    @abstractmethod
    async def ask(self, prompt: Sample) -> Output:
        """One request. Raises TryAgain, GiveUp, or BadInput if no request can succeed (a wrong key)."""

    def session(self) -> Any:
        """What holds the connections of one `answer`, an asynchronous context manager."""
        return _Nothing()

    def answer(self, prompts: Sequence[Sample]) -> list[Output]:
        """One reply per prompt, in order.

        Raises:
            BadInput: for a picture that cannot be read, or if the provider refuses every request.
        """
        return asyncio.run(self._answer(prompts))

    async def _answer(self, prompts: Sequence[Sample]) -> list[Output]:
        gate = _Gate(self.config.concurrency)
        async with self.session():
            tasks = [asyncio.ensure_future(self._one(prompt, gate)) for prompt in prompts]
            try:
                return list(await asyncio.gather(*tasks))
            except BaseException:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                raise

    async def _one(self, prompt: Sample, gate: _Gate) -> Output:
        key = prompt_key(prompt, self.config.that_counts())
        known = self.cache.get(key) if self.cache is not None else None
        if known is not None:
            self.spent.cached += 1
            return known
        output = await self._tried(prompt, gate)
        self.spent.prompt_tokens += output.prompt_tokens or 0
        self.spent.tokens += output.tokens or 0
        self.spent.dollars += self._price(output)
        if self.cache is not None:
            self.cache.put(key, output)
        return output

    def _price(self, output: Output) -> float:
        return ((output.prompt_tokens or 0) * self.config.price_in + (output.tokens or 0) * self.config.price_out) / 1e6

    async def _tried(self, prompt: Sample, gate: _Gate) -> Output:
        reason = ""
        for number in range(self.config.tries):
            async with gate:
                if self.config.most_dollars is not None and self.spent.dollars >= self.config.most_dollars:
                    return Output(None, "failed", f"not asked: {self.spent.dollars:.2f} dollars are spent")
                self.spent.asked += number == 0
                self.spent.tries += 1
                started = time.monotonic()
                try:
                    output = await self.ask(prompt)
                except TryAgain as error:
                    reason, wait = str(error), self._wait(number, error.after)
                    if error.busy:
                        gate.slower()
                except GiveUp as error:
                    return Output(None, "failed", str(error))
                else:
                    gate.faster()
                    return replace(output, seconds=time.monotonic() - started)
            # Others may go on meanwhile.
            if number + 1 < self.config.tries:
                await asyncio.sleep(wait)
        return Output(None, "failed", f"{reason}, {self.config.tries} times")

    def _wait(self, number: int, after: float | None) -> float:
        jitter = self._random.uniform(0, min(LONGEST_WAIT, self.config.first_wait * 2**number))
        return jitter if after is None else min(LONGEST_WAIT, after + jitter / 10)


class _Gate:
    """Lets so many in at a time: one more after as many successes as it lets in, half as many after an overload."""

    def __init__(self, most: int) -> None:
        self.most, self.limit, self.inside = most, float(most), 0
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self.inside < int(self.limit))
            self.inside += 1

    async def __aexit__(self, *exception: object) -> None:
        async with self._changed:
            self.inside -= 1
            self._changed.notify_all()

    def slower(self) -> None:
        self.limit = max(1.0, self.limit / 2)

    def faster(self) -> None:
        self.limit = min(float(self.most), self.limit + 1 / self.limit)


class _Nothing:
    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *exception: object) -> None: ...


def prompt_key(prompt: Sample, counts: dict[str, Any]) -> str:
    """Names what is asked and of whom: 40 hex digits over the words, the pictures' keys, and what a reply depends on."""
    turns = [[turn.role.value, [_named(segment) for segment in turn.content]] for turn in prompt.turns]
    record = json.dumps([counts, turns], ensure_ascii=False, sort_keys=True)
    return hashlib.blake2b(record.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()


def _named(segment: Any) -> list[str]:
    if isinstance(segment, ImageSegment):
        return ["image", segment.image.key]
    return ["text", text_of(segment)]


def text_of(segment: Any) -> str:
    """The words of a segment. Raises BadInput for what a remote model takes no part of."""
    if isinstance(segment, TextSegment):
        return segment.text
    raise BadInput(
        "conversation",
        expected="text and pictures",
        found=type(segment).__name__,
        remedy="write boxes and masks as text",
    )


def png(image: ImageSource, longest_side: int | None) -> bytes:
    """A picture as PNG, made smaller if its longer side has more pixels than that. Raises BadInput if it cannot be read."""
    picture = image.load()
    if longest_side is not None and max(picture.size) > longest_side:
        picture = picture.copy()
        picture.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def data_url(image: ImageSource, longest_side: int | None) -> str:
    """The same as an address that holds it."""
    return "data:image/png;base64," + base64.b64encode(png(image, longest_side)).decode()
