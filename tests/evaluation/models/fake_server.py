"""A server that speaks OpenAI's chat protocol and Gemini's, and misbehaves on demand."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

MISDEEDS = (
    "429", "500", "503", "stall", "cut", "drop", "garbage", "nothing", "empty",
    "refuse", "filter", "length", "400", "401", "404",
)  # fmt: skip


class FakeServer:
    """Answers "echo QUESTION". A question that contains ``[misdeed]`` is met with it, ``[misdeed*2]`` the first two times only.

    Attributes:
        requests: bodies, in the order in which they came.
        most: largest number of requests under way at a time.
    """

    def __init__(self, *, pause: float = 0.0) -> None:
        self.pause = pause
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.seen: Counter[str] = Counter()
        self.under_way = self.most = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.handle(self, body)

            def log_message(self, *args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def handle(self, to: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        gemini = "generateContent" in to.path
        question = _question(body, gemini)
        with self.lock:
            self.requests.append(body)
            self.headers.append({name.lower(): value for name, value in to.headers.items()})
            self.seen[question] += 1
            times = self.seen[question]
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        try:
            if self.pause:
                time.sleep(self.pause)
            misdeed = _misdeed(question, times)
            (_gemini if gemini else _openai)(self, to, f"echo {question}", misdeed)
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            with self.lock:
                self.under_way -= 1


def _question(body: dict[str, Any], gemini: bool) -> str:
    if gemini:
        return " ".join(part["text"] for part in body["contents"][-1]["parts"] if "text" in part).strip()
    content = body["messages"][-1]["content"]
    return " ".join(part["text"] for part in content if part["type"] == "text").strip()


def _misdeed(question: str, times: int) -> str:
    for name in MISDEEDS:
        if f"[{name}]" in question:
            return name
        start = question.find(f"[{name}*")
        if start >= 0 and times <= int(question[start:].partition("*")[2].partition("]")[0]):
            return name
    return ""


def _send(to: BaseHTTPRequestHandler, data: bytes, status: int = 200, kind: str = "application/json", **headers: str) -> None:
    to.send_response(status)
    to.send_header("content-type", kind)
    to.send_header("content-length", str(len(data)))
    for name, value in headers.items():
        to.send_header(name.replace("_", "-"), value)
    to.end_headers()
    to.wfile.write(data)


def _common(server: FakeServer, to: BaseHTTPRequestHandler, misdeed: str) -> bool:
    """What goes wrong in the same way in every protocol; whether anything did."""
    if misdeed.isdigit():
        status = int(misdeed)
        error = {"error": {"message": f"status {status}", "code": status, "status": "X", "type": "x"}}
        _send(to, json.dumps(error).encode(), status, retry_after="0")
    elif misdeed == "stall":
        server.closing.wait(30)
    elif misdeed == "drop":
        to.close_connection = True
        to.connection.close()
    elif misdeed == "garbage":
        _send(to, b"<html>Bad gateway", kind="text/html")
    elif misdeed == "nothing":
        _send(to, b"")
    else:
        return False
    return True


def _openai(server: FakeServer, to: BaseHTTPRequestHandler, text: str, misdeed: str) -> None:
    if _common(server, to, misdeed):
        return
    words = [] if misdeed == "empty" else text.split(" ")
    finish = {"length": "length", "filter": "content_filter"}.get(misdeed, "stop")
    events = []
    for i, word in enumerate(words):
        piece = word if i == 0 else f" {word}"
        delta = {"refusal": piece} if misdeed == "refuse" else {"content": piece}
        logs = {"content": [{"token": piece, "logprob": -0.25, "bytes": None, "top_logprobs": []}]}
        events.append({"choices": [{"index": 0, "delta": delta, "logprobs": logs, "finish_reason": None}]})
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    events.append({"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": len(words), "total_tokens": 0}})
    head = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "fake"}
    lines = [b"data: " + json.dumps({**head, **event}).encode() + b"\n\n" for event in events] + [b"data: [DONE]\n\n"]
    if misdeed == "cut":
        to.send_response(200)
        to.send_header("content-type", "text/event-stream")
        to.send_header("content-length", str(sum(map(len, lines))))
        to.end_headers()
        to.wfile.write(lines[0])
        to.wfile.flush()
        to.close_connection = True
        to.connection.close()
        return
    _send(to, b"".join(lines), kind="text/event-stream")


def _gemini(server: FakeServer, to: BaseHTTPRequestHandler, text: str, misdeed: str) -> None:
    if _common(server, to, misdeed):
        return
    usage = {"promptTokenCount": 11, "candidatesTokenCount": len(text.split()), "thoughtsTokenCount": 5}
    if misdeed == "filter":
        reply: dict[str, Any] = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": usage}
    else:
        finish = {"length": "MAX_TOKENS", "refuse": "SAFETY"}.get(misdeed, "STOP")
        parts = [] if misdeed in ("empty", "refuse") else [{"text": text}]
        reply = {
            "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": finish, "avgLogprobs": -0.25}],
            "usageMetadata": usage,
        }
    data = json.dumps(reply).encode()
    if misdeed == "cut":
        to.send_response(200)
        to.send_header("content-type", "application/json")
        to.send_header("content-length", str(len(data)))
        to.end_headers()
        to.wfile.write(data[: len(data) // 2])
        to.wfile.flush()
        to.close_connection = True
        to.connection.close()
        return
    _send(to, data)
