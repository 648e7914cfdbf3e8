"""Remote models against a server that speaks the real protocols, and misbehaves in every way that servers do."""

from __future__ import annotations

import asyncio
import base64
import io
import random
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from evaluation.models.fake_server import FakeServer
from omma.data.images import MemoryImage
from omma.data.sample import Sample, assistant, user
from omma.errors import BadInput
from omma.evaluation.models.cache import ReplyCache
from omma.evaluation.models.gemini import GeminiConfig, GeminiModel
from omma.evaluation.models.openai_chat import OpenAiConfig, OpenAiModel
from omma.evaluation.models.remote import RemoteModel, _Gate, prompt_key
from omma.model.output import Output

pytest.importorskip("openai", reason="openai is not installed")
pytest.importorskip("google.genai", reason="google-genai is not installed")

KINDS = pytest.mark.parametrize("kind", ["openai", "gemini"])


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setenv("GEMINI_API_KEY", "secret")


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as running:
        yield running


def model_of(kind: str, server: FakeServer, cache: ReplyCache | None = None, **config: Any) -> RemoteModel:
    common = {"model": "fake", "timeout": 2.0, "first_wait": 0.01, "tries": 3} | config
    if kind == "openai":
        return OpenAiModel(OpenAiConfig(url=f"{server.url}/v1", **common), cache=cache)
    return GeminiModel(GeminiConfig(url=server.url, **common), cache=cache)


def question(text: str, picture: bool = True) -> Sample:
    shown = (MemoryImage(Image.new("RGB", (40, 20), "red"), key="red"),) if picture else ()
    return Sample(text, (user(*shown, f"\n{text}"),))


@KINDS
def test_what_goes_over_the_wire(kind: str, server: FakeServer) -> None:
    picture = MemoryImage(Image.effect_noise((40, 20), 50).convert("RGB"), key="noise")
    prompt = Sample("q", (user(picture, "what?"), assistant("this"), user("and now?")))
    (output,) = model_of(kind, server).answer([prompt])
    assert (output.text, output.finish, output.prompt_tokens) == ("echo and now?", "stop", 11)
    assert output.seconds is not None and output.seconds > 0
    (body,) = server.requests
    if kind == "openai":
        assert [m["role"] for m in body["messages"]] == ["user", "assistant", "user"]
        part = body["messages"][0]["content"][0]["image_url"]
        assert part["detail"] == "high"
        data = base64.b64decode(part["url"].removeprefix("data:image/png;base64,"))
        assert (body["temperature"], body["max_tokens"], body["stream"]) == (0.0, 256, True)
        assert output.log_probabilities == (-0.25,) * 3 and output.tokens == 3
    else:
        assert [c["role"] for c in body["contents"]] == ["user", "model", "user"]
        inline = body["contents"][0]["parts"][0]["inlineData"]
        assert inline["mime_type"] == "image/png"
        data = base64.urlsafe_b64decode(inline["data"])
        assert body["generationConfig"]["maxOutputTokens"] == 256
        assert output.tokens == 3 + 5
    # Lossless: what the model sees is what the benchmark says.
    assert Image.open(io.BytesIO(data)).tobytes() == picture.load().tobytes()


@KINDS
@pytest.mark.parametrize(
    ("misdeed", "said"),
    [
        ("429", r"too many requests \(429\), 3 times"),
        ("500", "server error 500, 3 times"),
        ("503", "server error 503, 3 times"),
        ("stall", "no sign of life for 0.3 seconds, 3 times"),
        ("cut", "3 times"),
        ("drop", "connection failed.*3 times"),
        ("garbage", "3 times"),
        ("nothing", "3 times"),
        ("400", "the request was refused with status 400"),
    ],
)
def test_what_fails_is_told_and_the_rest_goes_on(kind: str, misdeed: str, said: str, server: FakeServer) -> None:
    model = model_of(kind, server, timeout=0.3 if misdeed == "stall" else 2.0)
    bad, good = model.answer([question(f"[{misdeed}] x"), question("y")])
    assert (bad.text, bad.finish) == (None, "failed")
    assert re.search(said, bad.error), bad.error
    assert (good.text, good.finish) == ("echo y", "stop")
    assert server.seen[f"[{misdeed}] x"] == (1 if misdeed == "400" else 3)
    assert (model.spent.asked, model.spent.tries) == (2, 2 if misdeed == "400" else 4)


@KINDS
@pytest.mark.parametrize("misdeed", ["429", "500", "cut", "drop", "garbage", "nothing"])
def test_what_fails_twice_succeeds_the_third_time(kind: str, misdeed: str, server: FakeServer) -> None:
    (output,) = model_of(kind, server).answer([question(f"[{misdeed}*2] x")])
    assert output.text == f"echo [{misdeed}*2] x"


@KINDS
def test_how_replies_end(kind: str, server: FakeServer) -> None:
    names = ("empty", "length", "refuse", "filter")
    found = dict(zip(names, model_of(kind, server).answer([question(f"[{name}] x") for name in names]), strict=True))
    assert (found["empty"].text, found["empty"].finish) == ("", "stop")
    assert found["length"].finish == "length" and found["length"].text == "echo [length] x"
    assert found["refuse"].finish == found["filter"].finish == "refused"


@KINDS
@pytest.mark.parametrize("status", ["401", "404"])
def test_a_wrong_key_or_name_ends_the_run(kind: str, status: str, server: FakeServer) -> None:
    with pytest.raises(BadInput, match=rf"model {kind}:fake: expected an endpoint that knows the model .* status {status}"):
        model_of(kind, server).answer([question(f"[{status}] x")] + [question(str(i)) for i in range(20)])
    assert len(server.requests) < 21 * 3


@KINDS
def test_no_key(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.delenv("GEMINI_API_KEY")
    config = {"openai": (OpenAiModel, OpenAiConfig), "gemini": (GeminiModel, GeminiConfig)}[kind]
    with pytest.raises(BadInput, match=rf"a key in the environment variable {kind.upper()}_API_KEY"):
        config[0](config[1](model="x"))  # type: ignore[arg-type]


@KINDS
def test_so_many_at_a_time(kind: str) -> None:
    with FakeServer(pause=0.05) as server:
        outputs = model_of(kind, server, concurrency=3).answer([question(str(i)) for i in range(12)])
        assert [output.text for output in outputs] == [f"echo {i}" for i in range(12)]
        assert server.most == 3


def test_a_busy_server_is_asked_less_and_then_more_again(server: FakeServer) -> None:
    model = model_of("openai", server, concurrency=8)
    prompts = [question(f"[429*1] {i}") for i in range(8)] + [question(str(i)) for i in range(16)]
    assert all(output.finish == "stop" for output in model.answer(prompts))
    assert model.spent.tries == 32

    async def through(gate: _Gate) -> int:
        most = 0

        async def one() -> None:
            nonlocal most
            async with gate:
                most = max(most, gate.inside)
                await asyncio.sleep(0)

        await asyncio.gather(*(one() for _ in range(20)))
        return most

    async def limits() -> list[int]:
        gate = _Gate(8)
        found = [await through(gate)]
        for _ in range(2):
            gate.slower()
            found.append(await through(gate))
        for _ in range(5):
            gate.slower()
        found.append(await through(gate))
        for _ in range(3):
            gate.faster()
        found.append(await through(gate))
        for _ in range(99):
            gate.faster()
        return [*found, await through(gate)]

    assert asyncio.run(limits()) == [8, 4, 2, 1, 2, 8]


@KINDS
def test_nothing_is_asked_twice(kind: str, server: FakeServer, tmp_path: Path) -> None:
    prompts = [question(str(i)) for i in range(5)] + [question("[500] x")]
    first = model_of(kind, server, ReplyCache(tmp_path / "replies.sqlite"), price_in=1.0, price_out=2.0)
    expected = first.answer(prompts)
    count = len(server.requests)
    assert first.spent.dollars == pytest.approx((5 * 11 + 2 * first.spent.tokens) / 1e6)
    again = model_of(kind, server, ReplyCache(tmp_path / "replies.sqlite"))
    assert again.answer(prompts[:5]) == expected[:5]
    assert len(server.requests) == count and (again.spent.cached, again.spent.dollars) == (5, 0.0)
    assert again.answer(prompts[:1])[0].prompt_tokens == 11
    # A failure is asked again, and so is another model, another length, another picture.
    again.answer(prompts[5:])
    assert len(server.requests) == count + 3
    model_of(kind, server, ReplyCache(tmp_path / "replies.sqlite"), max_new_tokens=5).answer(prompts[:1])
    assert len(server.requests) == count + 4
    again.answer([question("0", picture=False)])
    assert len(server.requests) == count + 5


def test_what_a_key_depends_on() -> None:
    one = OpenAiConfig(model="m")
    key = prompt_key(question("x"), one.that_counts())
    assert prompt_key(question("x"), OpenAiConfig(model="m", timeout=1, tries=9, concurrency=2).that_counts()) == key
    for other in (OpenAiConfig(model="n"), OpenAiConfig(model="m", url="u"), OpenAiConfig(model="m", detail="low")):
        assert prompt_key(question("x"), other.that_counts()) != key


def test_no_more_money(server: FakeServer) -> None:
    model = model_of("openai", server, concurrency=1, price_in=1e6, most_dollars=20)
    outputs = model.answer([question(str(i)) for i in range(4)])
    assert [output.finish for output in outputs] == ["stop", "stop", "failed", "failed"]
    assert "22.00 dollars are spent" in outputs[3].error
    assert len(server.requests) == 2


def test_large_pictures_can_be_made_smaller(server: FakeServer) -> None:
    big = MemoryImage(Image.new("RGB", (400, 200)), key="big")
    model_of("openai", server, longest_side=100).answer([Sample("q", (user(big, "x"),))])
    url = server.requests[0]["messages"][0]["content"][0]["image_url"]["url"]
    assert Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).size == (100, 50)


def test_models_that_think_first(server: FakeServer) -> None:
    model = OpenAiModel(OpenAiConfig(model="o", url=f"{server.url}/v1", reasons=True))
    model.answer([question("x")])
    body = server.requests[0]
    assert "temperature" not in body and "max_tokens" not in body and "logprobs" not in body
    assert body["max_completion_tokens"] == 256


class TestCache:
    def test_it_is_bounded_and_keeps_what_was_used_last(self, tmp_path: Path) -> None:
        cache = ReplyCache(tmp_path / "c.sqlite", limit=40_000)
        rng = random.Random(0)
        cache.put("kept", Output("kept"))
        for i in range(400):
            cache.put(str(i), Output("".join(rng.choices("abc", k=300))))
            assert cache.get("kept") == Output("kept")
        cache.close()
        with sqlite3.connect(tmp_path / "c.sqlite") as database:
            size, count = database.execute("SELECT SUM(LENGTH(reply)), COUNT(*) FROM replies").fetchone()
        assert size <= 40_000 and count > 50
        again = ReplyCache(tmp_path / "c.sqlite")
        assert again.get("399") is not None and again.get("0") is None

    def test_two_at_a_time(self, tmp_path: Path) -> None:
        one, other = (ReplyCache(tmp_path / "c.sqlite") for _ in range(2))
        one.put("a", Output("x", log_probabilities=(-0.5,)))
        found = other.get("a")
        assert found is not None and found.log_probabilities == (-0.5,)

    def test_a_damaged_reply_is_asked_again(self, tmp_path: Path) -> None:
        cache = ReplyCache(tmp_path / "c.sqlite")
        with sqlite3.connect(tmp_path / "c.sqlite") as database:
            database.execute("INSERT INTO replies VALUES ('a', '{\"text\": 3', 1)")
        assert cache.get("a") is None

    def test_another_file(self, tmp_path: Path) -> None:
        (tmp_path / "c.sqlite").write_text("no database, but long enough to be taken for one" * 100)
        with pytest.raises(BadInput, match="expected a cache of replies, or a place for one"):
            ReplyCache(tmp_path / "c.sqlite")
